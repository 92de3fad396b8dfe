/* The mark of free blocks. */
#include "heap/block.h"

#include "base/log.h"

uintptr_t block_secret ARCA_READ_OFTEN = 0x9e3779b97f4a7c1bu;

void block_broken(const struct block *block)
{
    static const char *const crime = "a free block was written to, or the block before it was overrun";
    if (block == NULL)
        log_abort("malloc(): %s", crime);
    log_abort("malloc(): %p: %s", (const void *)block, crime);
}
