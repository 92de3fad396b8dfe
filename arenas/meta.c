/* A bump allocator over chunks that stay. */
#include "arenas/meta.h"

#include "base/bits.h"
#include "base/lock.h"
#include "base/os.h"

#define CHUNK_BYTES ((size_t)256 << 10)

static struct {
    struct lock lock;
    char *at, *end;
    _Atomic size_t mapped;
} meta;

_Atomic(struct meta_chunk *) meta_chunks;

/* Records are few and spread: a huge page would be mostly empty. */
static void *map_counted(size_t bytes)
{
    void *fresh = os_map(bytes, OS_PAGE_SIZE);
    if (fresh != NULL) {
        add_rlx(&meta.mapped, bytes);
        os_forbid_huge_pages(fresh, bytes);
    }
    return fresh;
}

/* A chunk for small records, a smaller one where address space is short. */
static bool refill_locked(size_t bytes)
{
    size_t size = CHUNK_BYTES;
    struct meta_chunk *chunk = map_counted(size);
    if (chunk == NULL) {
        size = bits_round_up(sizeof *chunk + bytes, OS_PAGE_SIZE);
        chunk = map_counted(size);
    }
    if (chunk == NULL)
        return false;
    chunk->bytes = size;
    chunk->next = load_rlx(&meta_chunks);
    store_rel(&meta_chunks, chunk); /* P:meta chunk release: its size, to whoever counts what is resident */
    meta.at = (char *)(chunk + 1);
    meta.end = (char *)chunk + size;
    return true;
}

void *meta_create(size_t bytes)
{
    if (bytes > CHUNK_BYTES / 4)
        return map_counted(bits_round_up(bytes, OS_PAGE_SIZE));
    char *record = NULL;
    bytes = bits_round_up(bytes, ARCA_CACHE_LINE);
    lock_acquire(&meta.lock);
    if ((size_t)(meta.end - meta.at) >= bytes || refill_locked(bytes)) {
        record = meta.at;
        meta.at += bytes;
    }
    lock_release(&meta.lock);
    return record;
}

size_t meta_mapped(void)
{
    return load_rlx(&meta.mapped);
}

void meta_fork_child(void)
{
    if (lock_is_held(&meta.lock)) {
        meta.at = meta.end = NULL;
        lock_reset(&meta.lock);
    }
}
