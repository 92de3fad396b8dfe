/* The ring of freed blocks. */
#include "heap/quarantine.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/os.h"
#include "heap/harden.h"

struct quarantine *quarantine_create(void)
{
    struct quarantine *quarantine = meta_create(sizeof *quarantine);
    if (quarantine != NULL)
        quarantine->random = (os_random() ^ (uintptr_t)quarantine * 0x9e3779b97f4a7c15u) | 1;
    return quarantine;
}

void quarantine_add(struct quarantine *quarantine, struct block *block, size_t bytes)
{
    assert(quarantine->count < QUARANTINE_BLOCKS);
    quarantine->blocks[(quarantine->first + quarantine->count++) % QUARANTINE_BLOCKS] = block;
    quarantine->bytes += bytes;
}

struct block *quarantine_leave(struct quarantine *quarantine, size_t bytes, struct span **pool)
{
    bool full = quarantine->count == QUARANTINE_BLOCKS || quarantine->bytes + bytes > hardening.quarantine;
    if (quarantine->count == 0 || !full)
        return NULL;
    struct block *block = quarantine->blocks[quarantine->first];
    *pool = page_map_find((uintptr_t)block);
    quarantine->first = (quarantine->first + 1) % QUARANTINE_BLOCKS;
    quarantine->count--;
    quarantine->bytes -= (*pool)->block_size;
    freed_check(block, (*pool)->block_size);
    return block;
}
