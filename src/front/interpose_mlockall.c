/*
 * mlockall and munlockall, for who locks memory has all that is mapped made resident, what Arca has reserved and nobody has used
 * included: that is given back, and reservations are small from then on.
 */
#include "arenas/arena.h"
#include "front/process.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int mlockall(int flags)
{
    int result = (int)syscall(SYS_mlockall, flags);
    bool at_once = !(flags & MCL_ONFAULT);
    process_after_fork();
    if (result == 0)
        arena_reserve_little(at_once && (flags & MCL_FUTURE));
    if (result == 0 && at_once) /* of the future, too: a thread may be mapping, in the size of before */
        arena_drop_unused();
    return result;
}

EXPORT int munlockall(void)
{
    int result = (int)syscall(SYS_munlockall);
    if (result == 0)
        arena_reserve_little(false);
    return result;
}
