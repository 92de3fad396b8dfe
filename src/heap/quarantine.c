/* The ring of freed blocks. */
#include "heap/quarantine.h"

#include "arenas/meta.h"
#include "base/os.h"

bool quarantine_open(struct quarantine *quarantine)
{
    if (quarantine->random == 0)
        quarantine->random = os_random() ^ (uintptr_t)quarantine * 0x9e3779b97f4a7c15u;
    if (quarantine->blocks == NULL && hardening.quarantine != 0) {
        quarantine->blocks = meta_create(QUARANTINE_BLOCKS * sizeof *quarantine->blocks);
        if (quarantine->blocks != NULL)
            quarantine->limit = hardening.quarantine;
    }
    return quarantine->blocks != NULL;
}
