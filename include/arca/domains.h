/*
 * Allocation domains, as CPython's programmers know them: layers that can be replaced, watched and traced.
 *
 * A program that embeds something (an interpreter, plug-ins) allocates through domains to be able to say later what
 * serves each of them.  All three are served by arca_malloc() and its kin until they are told otherwise.  The libc names,
 * the other arca_ functions and the objects of libarcagc do not pass here.
 *
 * Every function is thread-safe unless it says otherwise.
 */
#ifndef ARCA_DOMAINS_H
#define ARCA_DOMAINS_H

#include <arca/arca.h>

#ifdef __cplusplus
extern "C" {
#endif

enum arca_domain {
    ARCA_DOMAIN_RAW,     /* buffers, wherever they are needed */
    ARCA_DOMAIN_GENERAL, /* what belongs to the program's own structures */
    ARCA_DOMAIN_OBJECT,  /* its objects */
    ARCA_DOMAINS
};

/* size 0 gives a block of its own; NULL with ENOMEM, also when count * size overflows.  A block is freed and resized by its
 * own domain.  A domain that there is not costs, here and below, one line on fd 2 and abort(). */
ARCA_API void *arca_domain_malloc(enum arca_domain domain, size_t size) ARCA_RETURNS_BLOCK;
ARCA_API void *arca_domain_calloc(enum arca_domain domain, size_t count, size_t size) ARCA_RETURNS_BLOCK;
/* NULL as block: malloc.  size 0 counts as 1.  On failure the block is unchanged. */
ARCA_API void *arca_domain_realloc(enum arca_domain domain, void *block, size_t size) __attribute__((warn_unused_result));
ARCA_API void arca_domain_free(enum arca_domain domain, void *block);

/* ---- what serves a domain ----------------------------------------------------------------------------------- */

/* All four; they are called by every thread at once, never with size 0 (it has become 1), nor with free of NULL. */
struct arca_functions {
    size_t size; /* of this struct, set by the caller: later versions append */
    void *context;
    void *(*malloc)(void *context, size_t size);
    void *(*calloc)(void *context, size_t count, size_t size);
    void *(*realloc)(void *context, void *block, size_t size);
    void (*free)(void *context, void *block);
};

/* Fills in what functions->size covers; -1 with EINVAL for a size that is too small. */
ARCA_API int arca_domain_get(enum arca_domain domain, struct arca_functions *functions);
/* A copy is kept.  Blocks that live must be freed by the new functions, too: either set them before the first block, or
 * call those that arca_domain_get() gave from within.  -1 with EINVAL where the size does not cover all four, or one of
 * them is NULL, and with ENOMEM: nothing has changed. */
ARCA_API int arca_domain_set(enum arca_domain domain, const struct arca_functions *functions);

/* ---- where arenas come from ----------------------------------------------------------------------------------- */

/*
 * map() returns zeroed, private, anonymous memory (pages of it are taken back by madvise) whose address is a multiple of
 * align, a power of two, or NULL.  unmap() gets a whole mapping of map() back.  unmap() may run on Arca's helper thread:
 * both must not allocate, not use thread-local data, and call nothing in libc but thin wrappers of system calls.
 */
struct arca_arena_source {
    size_t size; /* of this struct, set by the caller: later versions append */
    void *context;
    void *(*map)(void *context, size_t bytes, size_t align);
    void (*unmap)(void *context, void *address, size_t bytes);
};

/* The present one, as far as source->size covers it; the system's has NULL for functions.  -1 with EINVAL for a size that
 * is too small. */
ARCA_API int arca_arena_source_get(struct arca_arena_source *source);
/* From now on; arenas that are there go back to where they came from.  NULL, or NULL for both functions: the system.  -1
 * with EINVAL where the size does not cover both, or one of them is NULL, and with ENOMEM: nothing has changed. */
ARCA_API int arca_arena_source_set(const struct arca_arena_source *source);

/* ---- debug hooks ------------------------------------------------------------------------------------------------ */

/*
 * From now on each block of a domain is fenced and filled: new bytes are 0xcd, freed ones 0xdd, and the last freed blocks
 * are kept back.  A write past either end, one into a block that was freed, a second free, and a block that is given to
 * another domain than its own end in one line that names the block's size, its domain and who allocated it, and abort().
 * Costs 48 bytes a block.  Before the first block of any domain: else -1 with EBUSY.
 */
ARCA_API int arca_domain_debug(void);
/* Looks at the fences of a block that lives. */
ARCA_API void arca_domain_check(enum arca_domain domain, const void *block);

/* ---- tracing ---------------------------------------------------------------------------------------------------- */

/* Blocks that are allocated through the domains from now on are remembered with their call stacks (by frame pointers:
 * compile with -fno-omit-frame-pointer).  Starting twice is starting once. */
ARCA_API void arca_trace_start(void);
/* Forgets all of them. */
ARCA_API void arca_trace_stop(void);
ARCA_API bool arca_trace_is_on(void);

struct arca_trace_figures {
    size_t size; /* of this struct, set by the caller: later versions append */
    uint64_t blocks, bytes;           /* that live */
    uint64_t peak_blocks, peak_bytes; /* when bytes were most */
    uint64_t lost;                    /* blocks that could not be remembered */
};
/* Fills in what figures->size covers; -1 with EINVAL for a size that is too small. */
ARCA_API int arca_trace_get(struct arca_trace_figures *figures);
/* The peak is what lives now. */
ARCA_API void arca_trace_reset_peak(void);

/* A call stack and its blocks; in a difference, how many more than before. */
struct arca_trace_site {
    int64_t blocks, bytes;
    int64_t peak_bytes;     /* its share of the peak */
    const uintptr_t *stack; /* return addresses, innermost first; valid for ever */
    size_t depth;
};

/* What lives at one moment, the sites with the most bytes first. */
struct arca_trace_sites {
    size_t count;
    size_t site_size; /* bytes from one site to the next: later versions append */
    struct arca_trace_site *sites; /* in the snapshot's own block */
};

/* To be freed by arca_free(); NULL with ENOMEM. */
ARCA_API struct arca_trace_sites *arca_trace_snapshot(void) __attribute__((warn_unused_result));
/* later - earlier, the largest changes first; a site that has not changed is left out.  To be freed by arca_free(). */
ARCA_API struct arca_trace_sites *arca_trace_difference(const struct arca_trace_sites *later,
                                                        const struct arca_trace_sites *earlier)
    __attribute__((warn_unused_result));
/* The first sites of a snapshot or a difference on fd 2, by file+offset and function where there is a name. */
ARCA_API void arca_trace_print(const struct arca_trace_sites *snapshot, size_t count);
/* A file of what lives, or of the peak, for google-pprof: `google-pprof --text --lines program file` is the top by
 * file:line, and with --base=EARLIER a difference.  -1 with errno as arca_profile_dump(). */
ARCA_API int arca_trace_dump(const char *path, enum arca_profile_view view);

/* ---- the whole heap ------------------------------------------------------------------------------------------------ */

/* Every size class and arena, and with pools each pool, as text on a file descriptor. */
ARCA_API void arca_dump(int fd, bool pools);

#ifdef __cplusplus
}
#endif

#endif
