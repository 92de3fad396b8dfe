/* The ring of freed blocks. */
#include "heap/quarantine.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/os.h"
#include "heap/harden.h"

bool quarantine_open(struct quarantine *quarantine)
{
    if (quarantine->random == 0)
        quarantine->random = (os_random() ^ (uintptr_t)quarantine * 0x9e3779b97f4a7c15u) | 1;
    if (quarantine->blocks == NULL)
        quarantine->blocks = meta_create(QUARANTINE_BLOCKS * sizeof *quarantine->blocks);
    return quarantine->blocks != NULL;
}

void quarantine_add(struct quarantine *quarantine, struct block *block, size_t bytes)
{
    assert(quarantine->added - quarantine->left < QUARANTINE_BLOCKS);
    quarantine->blocks[quarantine->added++ % QUARANTINE_BLOCKS] = block;
    quarantine->bytes += bytes;
}

bool quarantine_is_full(const struct quarantine *quarantine, size_t bytes)
{
    return quarantine->added - quarantine->left == QUARANTINE_BLOCKS || quarantine->bytes + bytes > hardening.quarantine;
}

struct block *quarantine_leave(struct quarantine *quarantine, struct span **pool)
{
    struct block *block = quarantine->blocks[quarantine->left++ % QUARANTINE_BLOCKS];
    *pool = page_map_find((uintptr_t)block);
    quarantine->bytes -= (*pool)->block_size;
    freed_check(block, (*pool)->block_size);
    return block;
}
