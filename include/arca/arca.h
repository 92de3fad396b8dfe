/*
 * Arca: a malloc that gives memory back.
 *
 * Link with -larca, or preload libarca.so: malloc, free and their kin, and C++'s operators, are then Arca's.
 * The functions below are the same allocator under names of its own: blocks of one may be passed to the other.
 *
 * Every function is thread-safe unless it says otherwise.  Sizes are bytes.  Every block is aligned to 16.
 * Functions that return a block return NULL with errno = ENOMEM when there is none; the heap stays usable.
 * A pointer that is not a block of this heap, or that was freed and has not been handed out again, costs one line on fd 2
 * and abort().
 *
 * As malloc, they are not for signal handlers.  None is a cancellation point by itself, and no thread may be cancelled
 * asynchronously inside one.  After a fork the child may call all of them, whatever other threads were doing then.
 */
#ifndef ARCA_ARCA_H
#define ARCA_ARCA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARCA_VERSION_MAJOR 0
#define ARCA_VERSION_MINOR 1
#define ARCA_VERSION_PATCH 0

#if defined(__GNUC__)
#define ARCA_API __attribute__((visibility("default")))
#define ARCA_RETURNS_BLOCK __attribute__((malloc, warn_unused_result))
#else
#define ARCA_API
#define ARCA_RETURNS_BLOCK
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the libc names, mirrored ------------------------------------------------------------------ */

/* size 0 gives a block of its own. */
ARCA_API void *arca_malloc(size_t size) ARCA_RETURNS_BLOCK;
/* ENOMEM also when count * size overflows. */
ARCA_API void *arca_calloc(size_t count, size_t size) ARCA_RETURNS_BLOCK;
/* NULL as block: malloc.  size 0: frees the block and returns NULL, which is no failure: errno stays as it was.  On failure
 * the block is unchanged. */
ARCA_API void *arca_realloc(void *block, size_t size) __attribute__((warn_unused_result));
ARCA_API void *arca_reallocarray(void *block, size_t count, size_t size) __attribute__((warn_unused_result));
/* NULL is allowed; errno is preserved. */
ARCA_API void arca_free(void *block);

/* alignment: a power of two (else EINVAL); size need not be a multiple of it. */
ARCA_API void *arca_aligned_alloc(size_t alignment, size_t size) ARCA_RETURNS_BLOCK;
/* Returns 0, EINVAL (alignment is no power of two multiple of sizeof(void *)) or ENOMEM; errno is unchanged. */
ARCA_API int arca_posix_memalign(void **block, size_t alignment, size_t size);
/* As aligned_alloc, but an alignment that is no power of two is rounded up to one, as glibc does (EINVAL: there is none so
 * large). */
ARCA_API void *arca_memalign(size_t alignment, size_t size) ARCA_RETURNS_BLOCK;
/* Page-aligned; pvalloc also rounds the size up to pages. */
ARCA_API void *arca_valloc(size_t size) ARCA_RETURNS_BLOCK;
ARCA_API void *arca_pvalloc(size_t size) ARCA_RETURNS_BLOCK;

/* C23: size (and alignment) as requested; a size that the block can not have costs a line and abort(). */
ARCA_API void arca_free_sized(void *block, size_t size);
ARCA_API void arca_free_aligned_sized(void *block, size_t alignment, size_t size);

/* Bytes of the block that the program may use; 0 for NULL. */
ARCA_API size_t arca_malloc_usable_size(const void *block);
/* What malloc_usable_size would say of a block of this size. */
ARCA_API size_t arca_good_size(size_t size);

/* ---- giving memory back ------------------------------------------------------------------------- */

/* Gives back at once all that is free: caches of the calling thread and of threads that sleep, pages inside
 * pools, free slices.  keep is ignored: there is no top of the heap.  Returns 1 when memory was
 * returned, else 0.  Needed by nobody in normal operation. */
ARCA_API int arca_trim(size_t keep);

/* ---- explicit heaps ------------------------------------------------------------------------------- */

/* A heap whose blocks can be destroyed together.  A lock inside: for lifetimes, not for speed.  Its blocks
 * may also be passed one by one to arca_free and arca_realloc (which keeps them in their heap).  The child of a fork may go
 * on with it; where another thread was in it at that moment, the library's own perhaps, what it had then is not given back
 * there. */
typedef struct arca_heap arca_heap;

ARCA_API arca_heap *arca_heap_create(void) __attribute__((warn_unused_result));
/* Frees all its blocks.  Nobody may use the heap or its blocks meanwhile or afterwards.  NULL is allowed. */
ARCA_API void arca_heap_destroy(arca_heap *heap);
/* As arca_malloc, arca_calloc and arca_aligned_alloc. */
ARCA_API void *arca_heap_malloc(arca_heap *heap, size_t size) ARCA_RETURNS_BLOCK;
ARCA_API void *arca_heap_calloc(arca_heap *heap, size_t count, size_t size) ARCA_RETURNS_BLOCK;
ARCA_API void *arca_heap_aligned_alloc(arca_heap *heap, size_t alignment, size_t size) ARCA_RETURNS_BLOCK;

/* ---- settings and figures -------------------------------------------------------------------------- */

/* Options of the program's own, "key=value,key=value": a program that needs some defines this variable where this header
 * is included (one that gets Arca by preload must export it, as by -rdynamic).  /etc/arca.conf is weaker, the environment stronger. */
extern ARCA_API const char *arca_conf;

/* The value in force of an option of ARCA_CONF (milliseconds, bytes, 0/1, or the place of a word among those that `arca
 * options` lists, from 0; UINT64_MAX is `never`).  What `hardened=on` brings along does not show in the options of these names.
 * False for an unknown name, and for an option whose value is a text. */
ARCA_API bool arca_option_get(const char *name, uint64_t *value);
/* The same as text, as it would be written.  False for an unknown name, and where capacity is too small. */
ARCA_API bool arca_option_text(const char *name, char *text, size_t capacity);
/* Who set it: "/etc/arca.conf:3" (a line), "arca_conf", "ARCA_CONF", "ARCA_PURGE"; or "default".  NULL for an unknown name. */
ARCA_API const char *arca_option_source(const char *name);

/*
 * Where the memory is:  live + slack + cached + dirty + meta = resident.
 *
 * Each of these six is a number of bytes that the kernel counts as resident, by whole pages, in memory that Arca took
 * from the system for blocks and for its own records.  Memory that was never touched, or was given back, is in none of
 * them; pages that were read and never written are, which the kernel does not count (it has one page of zeros for all of
 * them: a process can not tell, `arca stat` can).  What threads change while it is counted is counted before or after the
 * change.
 */
struct arca_stats {
    size_t size; /* of this struct, set by the caller: later versions append */

    /* Bytes now. */
    size_t live;   /* in blocks that the program holds, each rounded up to its size class */
    size_t free;   /* in pools and no block in use, resident or not */
    size_t dirty;  /* in free slices: on their way back to the system, or to the next pool or large block */
    size_t meta;   /* in Arca's own records */
    size_t mapped; /* address space of arenas, resident or not */

    /* Events since the start. */
    uint64_t purge_runs, purged_bytes, trimmed_bytes, purge_failures;
    uint64_t arenas_mapped, arenas_unmapped, unmapped_bytes;
    uint64_t heaps_swept, threads_attached, background_rounds;

    /* Bytes now, continued. */
    size_t slack;     /* in pools, between and beside blocks in use, and behind the ends of large blocks */
    size_t cached;    /* in blocks that threads keep for the next malloc, or that are on their way to their own thread */
    size_t resident;  /* the sum of the five */
    size_t allocated; /* in blocks that the program holds, resident or not */
    size_t pinned;    /* of slack: in pools that hold a block in use.  Beyond the hold of option `purge`: because of it */
    size_t large;     /* of allocated: in blocks of more than 32 KiB */
    uint64_t returned; /* since the start: purged, trimmed or released bytes */
    uint64_t released_bytes; /* of unmapped_bytes: what was not clean already */
    uint64_t heaps;    /* of threads, of objects, explicit ones, and of threads that have ended */

    /* Why the last purge of free slices left some: asked = returned + waiting + refused, but for what was freed
     * meanwhile. */
    uint64_t last_asked_bytes;    /* that were free when it began */
    uint64_t last_returned_bytes;
    uint64_t last_waiting_bytes;  /* had not been unused for as long as option `purge` says */
    uint64_t last_refused_bytes;  /* the kernel refused */
    uint64_t last_busy_heaps;     /* could not be swept, their threads were at work */

    uint64_t pressure_events; /* times that memory became short */
    uint64_t pressure_rounds; /* rounds that held nothing back therefore */

    uint64_t age_ms; /* how long ago the oldest part of these figures was seen; 0: all of it now */
};

/* Fills in what stats->size covers: 0, or -1 with EINVAL for a size that is too small.  Walks the records of all memory and
 * asks the kernel what is resident, about a millisecond a gigabyte; where more than 256 MiB are mapped no more of these than a
 * thousandth of the time pays for, a minute in advance, so that who looks all the time pays no more than that, and who looks now and
 * then sees all.  What is left out counts as it did when it was last seen, age_ms ago at the most.  The sum is right to within a hundredth at each look:
 * where the kernel's total or the arenas' own counts say otherwise, more is looked at. */
ARCA_API int arca_stats_get(struct arca_stats *stats);

/* By size class, the smallest first. */
struct arca_class_stats {
    size_t block_size;
    uint64_t pools;
    uint64_t blocks; /* in use: held by the program, or cached */
    size_t pinned;   /* bytes that stay resident beside them */
};
/* Fills in at most count rows of so many bytes each (sizeof *rows: later versions append); returns how many size
 * classes there are. */
ARCA_API size_t arca_stats_classes(struct arca_class_stats *rows, size_t count, size_t row_size);

/* All of it as text on fd 2, with the collector's figures when libarcagc is loaded. */
ARCA_API void arca_stats_print(void);

/* Walks every invariant that can be walked while other threads run: the arenas, the calling thread's heap, heaps
 * of ended threads.  Aborts with a line where one is broken.  Returns the number of heaps that were walked. */
ARCA_API int arca_heap_check(void);

/* ---- heap profile -------------------------------------------------------------------------------------- */

/* With the option `profile` a sample of the blocks, one in so many bytes, is remembered with the call stack that
 * allocated it, which is walked by frame pointers: compile with -fno-omit-frame-pointer to see whole stacks. */
enum arca_profile_view {
    ARCA_PROFILE_LIVE, /* blocks that live now; at the end of a program, those that it did not free */
    ARCA_PROFILE_PEAK, /* those that lived when they were most */
};

/* Writes the profile to a new or emptied file, in the form that google-pprof reads.  0, or -1 with errno: ENOTSUP without the
 * option, EINVAL for a view that there is not, ENOMEM, what open() says when the file can not be made, EIO when not all of it can be written. */
ARCA_API int arca_profile_dump(const char *path, enum arca_profile_view view);

#ifdef __cplusplus
}
#endif

#endif
