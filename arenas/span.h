/*
 * The glossary of the shared memory.
 *
 *   slice  64 KiB, the unit in which an arena is cut
 *   arena  a large reservation from the system, slices next to each other
 *   span   a run of slices with one use: a pool, or one large block
 *   pool   a span carved into blocks of one size class, owned by one heap
 *
 * A span's description lies outside the memory that it describes, so that an emptied arena leaves
 * nothing behind and a stray write of the program can not reach it.
 *
 * Law of a pool:  used + free_count + blocks that overlap an uncarved page = capacity.
 * A fresh pool is uncarved throughout; carving and giving back pages move that one mask.
 */
#ifndef ARCA_ARENAS_SPAN_H
#define ARCA_ARENAS_SPAN_H

#include "base/atomic.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/os.h"

#define SLICE_SHIFT 16
#define SLICE_SIZE ((size_t)1 << SLICE_SHIFT)

/* A page mask is one word, so that a pool has 64 pages at most. */
#define POOL_SLICES_MAX 4

enum span_kind {
    SPAN_FREE = 0,
    SPAN_POOL,
    SPAN_LARGE,
    SPAN_OBJECT, /* one large object of libarcagc */
    SPAN_PURGING, /* free slices whose pages are on their way back to the system */
    SPAN_SPARE,   /* a large block that was freed, in the cache of a heap */
};

struct heap;
struct block;
struct arena;

/* What libarcagc keeps beside a span of objects, by the index of the block. */
struct span_side {
    _Atomic uint8_t ages[1]; /* one a block: the generation; 0 for what was born since the last collection */
};

struct span {
    /* What free() reads, in one cache line. */
    _Atomic(struct heap *) heap; /* owner; NULL for a large block of no explicit heap */
    uintptr_t start; /* of its first block */
    uint64_t divider; /* the next integer above 2^64 / block_size */
    uint64_t start_bound; /* offset * divider < start_bound only at the start of a block; 0 for a large block */
    uint32_t block_size;
    uint8_t size_class;
    uint8_t bucket; /* list of its heap in which it stands: fullness, or BUCKET_NONE */
    uint16_t capacity;
    union {
        _Atomic(struct span_side *) side; /* of objects; NULL until a collector has seen them */
        uint64_t hardened_bound; /* of a hardened pool, its start_bound; that itself is 0.  0 of a hardened large block */
    };
    _Atomic uint32_t used; /* blocks outside: live, or in a bin or on a remote list */
    bool objects;        /* of libarcagc: the first word of its blocks, free or not, is a header word */
    bool exclusive;      /* of objects or of an explicit heap: its blocks go into bins of that heap only */
    _Atomic bool young;  /* of objects: blocks have gone to a bin since a collector took the bit back */
    bool hardened;       /* of heap/harden.h */
    /* Bit per page: no block on it was handed out since it was last clean.  Written by the holder; free() in any
     * thread reads it, and the bit of a live block's page was clear before the block was handed out. */
    _Atomic uint64_t uncarved;

    union {
        struct block *free_list;
        struct {
            uint64_t bytes : 48;  /* as requested; of what is none: see sample_pass() */
            uint64_t weight : 16; /* it stands for so many */
        } sample;
    };
    struct span *next, *prev;
    struct arena *arena;
    union {
        _Atomic size_t large_size; /* bytes of a large block that its owner may use */
        _Atomic uint64_t put_last; /* of a pool: where the first blocks of the last four chains are that came back, 16 bits each */
    };
    uint32_t free_count; /* of a pool: blocks in its list */
    uint32_t slices;   /* of the span; set at its first slice only */
    union {
        uint32_t site;       /* of a large block: where it was sampled, or SITE_NONE */
        uint32_t touched_ms; /* of a pool: when blocks last came or went */
    };
    uint16_t pages;      /* of a pool, that overlap a block */
    bool settled;        /* no block came back since its free pages were last given to the system */
    bool guarded;        /* of these: the pages behind what it uses are nobody's */
    bool stained;        /* claimed dirty and not trimmed since: pages that it does not use may be resident */
    _Atomic uint8_t kind;
    uint8_t portion; /* of a pool: so many of its uncarved pages are faulted in at a time; 0: each as it is touched */
    _Atomic bool lost; /* of objects: all blocks are garbage and on their way to the holder, as they are */
    /* Of a large block: 1 + the index of the heap that holds slices behind it for its growth, or 0.  Not 0: only that
     * heap resizes it without the arena lock.  From and to 0 under the lock, or by the heap that is named. */
    _Atomic uint32_t holder;
} ARCA_ALIGNED(ARCA_CACHE_LINE);

_Static_assert(offsetof(struct span, free_list) == ARCA_CACHE_LINE, "free() reads one line of a span");
_Static_assert(sizeof(struct span) == 2 * ARCA_CACHE_LINE, "a span is two lines");
_Static_assert(POOL_SLICES_MAX * SLICE_SIZE / OS_PAGE_SIZE <= 64, "the page mask is one word");

ARCA_INLINE size_t span_bytes(const struct span *span)
{
    return (size_t)span->slices << SLICE_SHIFT;
}

/* What one of its blocks takes. */
ARCA_INLINE size_t span_block_bytes(const struct span *span)
{
    return load_rlx(&span->kind) == SPAN_POOL ? span->block_size : span_bytes(span);
}

ARCA_INLINE uint32_t slices_for(size_t bytes)
{
    return (uint32_t)((bytes + SLICE_SIZE - 1) >> SLICE_SHIFT);
}

/* Of its memory, in front of its first block. */
ARCA_INLINE size_t span_offset(const struct span *span)
{
    return span->start % SLICE_SIZE;
}

ARCA_INLINE uintptr_t span_base(const struct span *span)
{
    return span->start - span_offset(span);
}

/* Where a large block of so many bytes takes them. */
ARCA_INLINE uint32_t span_slices_for(const struct span *span, size_t bytes)
{
    return slices_for(span_offset(span) + bytes);
}

#endif
