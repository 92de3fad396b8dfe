/* Calls to a source, and their proofs. */
#include "arenas/source.h"

#include "arenas/meta.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

_Atomic(const struct arca_arena_source *) arena_source;

void *source_map(const struct arca_arena_source *source, size_t bytes, size_t align)
{
    if (likely(source == NULL))
        return os_map(bytes, align);
    int saved = errno;
    void *base = source->map(source->context, bytes, align);
    errno = saved;
    if ((uintptr_t)base % align != 0)
        log_abort("arena source: %p is not a multiple of %zu", base, align);
    return base;
}

void source_unmap(const struct arca_arena_source *source, void *address, size_t bytes)
{
    if (likely(source == NULL)) {
        os_unmap(address, bytes);
        return;
    }
    int saved = errno;
    source->unmap(source->context, address, bytes);
    errno = saved;
}

int arca_arena_source_get(struct arca_arena_source *out)
{
    if (out->size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    const struct arca_arena_source *now = load_acq(&arena_source); /* P:arena source acquire: with arca_arena_source_set */
    struct arca_arena_source source = { .map = NULL };
    if (now != NULL)
        source = *now;
    source.size = out->size < sizeof source ? out->size : sizeof source;
    memcpy(out, &source, source.size);
    return 0;
}

static bool source_is_complete(const struct arca_arena_source *source)
{
    return source->size >= sizeof *source && (source->map != NULL) == (source->unmap != NULL);
}

int arca_arena_source_set(const struct arca_arena_source *source)
{
    struct arca_arena_source *kept = NULL;
    if (source != NULL && !source_is_complete(source)) {
        errno = EINVAL;
        return -1;
    }
    if (source != NULL && source->map != NULL) {
        kept = meta_create(sizeof *kept);
        if (kept == NULL) {
            errno = ENOMEM;
            return -1;
        }
        *kept = *source;
    }
    store_rel(&arena_source, kept); /* P:arena source release: its fields */
    return 0;
}
