/* Telling what a pointer is. */
#include "front/pointer.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "base/log.h"
#include "front/hardened.h"
#include "heap/pool.h"

#include <string.h>

void pointer_bad(const char *function, const void *address)
{
    const struct span *span = page_map_find((uintptr_t)address);
    if (span == NULL)
        log_abort("%s(): %p: %s", function, address,
                  arena_find((uintptr_t)address) != NULL ? "not a live block of this heap (freed before, or inside a large block)"
                                                         : "not a block of this heap");
    enum span_kind kind = load_rlx(&span->kind);
    if (kind == SPAN_OBJECT || (kind == SPAN_POOL && span->objects))
        log_abort("%s(): %p: an object, to be released and not freed", function, address);
    if (kind == SPAN_LARGE)
        log_abort("%s(): %p: %s the large block %p of %zu bytes", function, address,
                  (uintptr_t)address < span->start ? "in front of" : "inside", (void *)span->start, load_rlx(&span->large_size));
    if (!pool_starts_block(span, (uintptr_t)address)) {
        size_t into = ((uintptr_t)address - span->start) % span->block_size;
        log_abort("%s(): %p: %zu bytes inside the block %p of %u bytes", function, address, into,
                  (const void *)((const char *)address - into), span->block_size);
    }
    log_abort("%s(): %p: %s", function, address, strcmp(function, "free") == 0 ? "double free" : "freed before");
}

struct span *pointer_span(const char *function, const void *address)
{
    struct span *span = page_map_find((uintptr_t)address);
    if (unlikely(span == NULL))
        pointer_bad(function, address);
    if (load_rlx(&span->kind) != SPAN_POOL) {
        if (unlikely(span->start != (uintptr_t)address || load_rlx(&span->kind) == SPAN_OBJECT))
            pointer_bad(function, address);
    } else if (unlikely(!pool_is_carved_block(span, (uintptr_t)address) || span->objects || block_is_marked(address))) {
        pointer_bad(function, address);
    }
    return span;
}

size_t pointer_usable(const char *function, const struct span *span, const void *block)
{
    if (unlikely(span->hardened))
        return hardened_size(function, span, block);
    return load_rlx(&span->kind) != SPAN_POOL ? load_rlx(&span->large_size) : span->block_size;
}
