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

void *meta_create(size_t bytes)
{
    char *record = NULL;
    bytes = bits_round_up(bytes, ARCA_CACHE_LINE);
    lock_acquire(&meta.lock);
    if ((size_t)(meta.end - meta.at) < bytes) {
        size_t chunk = bytes > CHUNK_BYTES / 4 ? bits_round_up(bytes, OS_PAGE_SIZE) : CHUNK_BYTES;
        char *fresh = os_map(chunk, OS_PAGE_SIZE);
        if (fresh == NULL && chunk > bytes) { /* little address space left */
            chunk = bits_round_up(bytes, OS_PAGE_SIZE);
            fresh = os_map(chunk, OS_PAGE_SIZE);
        }
        if (fresh != NULL) {
            add_rlx(&meta.mapped, chunk);
            if (chunk == CHUNK_BYTES) {
                meta.at = fresh;
                meta.end = fresh + chunk;
            } else {
                record = fresh; /* a chunk of its own; the rest of the old one stays in use */
            }
        }
    }
    if (record == NULL && (size_t)(meta.end - meta.at) >= bytes) {
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
