/*
 * unshare and setns, and the same by libc's syscall(), for the kernel lets no process of two threads into another user namespace, or apart from what threads share:
 * the background thread makes way for the call.
 */
#include "front/background.h"
#include "front/process.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* of newer headers */
#endif
#define ALONE (CLONE_NEWUSER | CLONE_NEWTIME | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

/* See interpose_seccomp.c. */
__attribute__((visibility("hidden"))) long call_kernel(long number, ...);

static long call_alone(long number, long first, long second)
{
    process_after_fork();
    bool paused = background_pause();
    long result = call_kernel(number, first, second, 0L, 0L, 0L);
    int error = errno;
    if (paused)
        background_resume();
    errno = error;
    return result;
}

EXPORT int unshare(int flags)
{
    return (int)(flags & ALONE ? call_alone(SYS_unshare, flags, 0) : call_kernel(SYS_unshare, (long)flags, 0L, 0L, 0L, 0L));
}

/* 0: whatever the descriptor is of. */
EXPORT int setns(int fd, int flags)
{
    return (int)(flags == 0 || flags & ALONE ? call_alone(SYS_setns, fd, flags) : call_kernel(SYS_setns, (long)fd, (long)flags, 0L, 0L, 0L));
}

/* By number. */
__attribute__((used, visibility("hidden"))) long call_namespace(long number, long first, long second);
long call_namespace(long number, long first, long second)
{
    return number == SYS_unshare ? unshare((int)first) : setns((int)first, (int)second);
}
