/*
 * Arenas: the memory that all heaps share, handed out in spans.
 *
 * Law of an arena:  Σ slices of its spans + free slices = slices of the arena, and dirty ⊆ free.
 * A free slice is dirty while its pages may be resident, clean when it reads as zeros at no cost.
 *
 * Choice: dirty slices before clean ones (they are paid for), from the fullest arena that has room, so
 * that the emptiest drain and can leave.  Blocks of more than half an arena are in arena_huge.c.
 *
 *   operation            claim/return/extend/shrink      purge (background)
 *   claim & co.          one lock                        the purger takes its slices out under the
 *   purge                as left                         lock and works on them without it
 *
 * The truth is spans[i].kind: a fork that interrupts a change rebuilds the rest from it.
 */
#ifndef ARCA_ARENAS_ARENA_H
#define ARCA_ARENAS_ARENA_H

#include "arenas/bitmap.h"
#include "arenas/huge_page.h"
#include "arenas/source.h"
#include "arenas/span.h"
#include "base/lock.h"

#define ARENA_SLICES 1024 /* 64 MiB */
#define ARENA_HUGE_SLICES_MIN 16 /* 1 MiB: a smaller block had better not have an arena of its own */
#define ARENA_BUCKETS 12  /* by the bit width of the number of free slices */

struct arena {
    uintptr_t base;
    uint32_t slices; /* 0 while the record is a spare */
    uint32_t free_slices, dirty_slices;
    uint8_t bucket;
    bool listed_dirty;
    bool huge; /* one large block, or a piece: no bitmaps, only spans[0] and freed_ms[0] count */
    struct huge_pages huge_pages; /* none in a huge arena, nor in one that is smaller than they are */
    const struct arca_arena_source *source; /* that its memory is from */
    uintptr_t mapping; /* huge: where it, or what it is a part of, was mapped: the kernel moves no pages of two mappings at once */
    struct arena *next, *prev;
    struct arena *all_next;   /* every record, for ever */
    struct arena *spare_next; /* records without memory */
    uint64_t free_bits[BITMAP_WORDS(ARENA_SLICES)];
    uint64_t dirty_bits[BITMAP_WORDS(ARENA_SLICES)];
    uint32_t freed_ms[ARENA_SLICES]; /* of dirty slices */
    struct span spans[ARENA_SLICES]; /* not from the start of a page on: large blocks keep the first lines of pages busy */
};

struct arenas {
    struct lock lock;
    struct arena *lists[2][ARENA_BUCKETS]; /* [has dirty slices][bucket] */
    struct arena *pieces, *youngest_piece; /* of freed huge blocks, dirty; by next, the oldest first */
    _Atomic(struct arena *) all;
    struct arena *spares;
    uint32_t purging; /* spans in the purger's hands */
    uint32_t way_owed; /* slices of new arenas that nobody has taken yet, at most what there was to give back for them */
    uint32_t way_due;  /* of those that somebody has */
    /* Read without the lock, as hints and figures. */
    _Atomic size_t mapped_slices, used_slices, dirty_slices;
    _Atomic size_t room_slices; /* of the used ones, those that were claimed clean as room behind a block, and are none of its */
    /* Set when a claim makes used and dirty slices this many; who answers sets a new mark. */
    _Atomic bool alarm;
    _Atomic size_t alarm_slices;
};

/* The first alarm: a process that small needs none. */
#define ARENA_ALARM_FIRST 32

/* Slices that may be resident. */
ARCA_INLINE size_t arena_resident_slices(const struct arenas *all)
{
    return load_rlx(&all->used_slices) + load_rlx(&all->dirty_slices) - load_rlx(&all->room_slices);
}

extern struct arenas arenas;

/* So much of the room behind a block is its own from now on. */
void arena_use_room(uint32_t slices);

/* Slices that a span has and does not use, and never used. */
ARCA_INLINE uint32_t arena_room(const struct span *span)
{
    return span->stained ? 0 : span->slices - span_slices_for(span, load_rlx(&span->large_size));
}

/* A span of exactly this many slices, half an arena's at most, whose address is a multiple of align_slices slices (a power of
 * two), entered in the page map; NULL without memory.  *zeroed: its memory reads as zeros. */
struct span *arena_claim(uint32_t slices, uint32_t align_slices, enum span_kind kind, bool *zeroed);

/* The same for a pool of a heap that will want more: what is not dirty comes by whole huge pages where they pay, and
 * the rest of the last one becomes dirty. */
struct span *arena_claim_ahead(uint32_t slices, bool *zeroed);

/* The block of a large span begins so far behind the start of its memory: under the lock, as whoever looks at all spans reads it. */
void arena_set_offset(struct span *span, size_t offset);

/* Takes a span back; a pool comes by pool_return().  now_ms is when its memory was last used. */
void arena_return(struct span *span, uint32_t now_ms);

/* Grows a large block into the free slices behind it; false when they are taken. */
bool arena_extend(struct span *span, uint32_t slices);
/* Cuts the tail off. */
void arena_shrink(struct span *span, uint32_t slices, uint32_t now_ms);

/* Cuts off what a large block does not use, if holder holds it still; then nobody does.  Of a block that uses less
 * than half a slice, so do the pages in the rest of its slice. */
void arena_cut(struct span *span, uint32_t holder, uint32_t now_ms);

/* A large block of at least so many slices that has an arena of its own, and goes by arena_return(); else as
 * arena_claim(). */
struct span *arena_claim_huge(uint32_t slices, uint32_t align_slices, bool *zeroed);
/* It grows or shrinks, and may move: without a copy.  False: it is where and at least what it was. */
bool arena_resize_huge(struct span *span, uint32_t slices);

/* Memory is made resident as it is mapped (mlockall): arenas are small from now on, or not any more. */
void arena_reserve_little(bool little);
/* Gives back what was made resident without having been used. */
void arena_drop_unused(void);

/* The arena of an address, of any slice in it, or NULL.  Slow: for messages. */
struct arena *arena_find(uintptr_t address);

/* For the parts of this module, the purger and the repair; with the lock held, where it says so. */
void arena_list_locked(struct arena *arena);
void arena_unlist_locked(struct arena *arena);
void arena_relist_locked(struct arena *arena);
void arena_list_piece_locked(struct arena *piece);
void arena_unlist_piece_locked(struct arena *piece);
void arena_return_huge_locked(struct arena *arena, uint32_t now_ms);
void arena_count_used(size_t slices);
/* A record without memory, or NULL. */
struct arena *arena_take_record(void);
void arena_spare_locked(struct arena *arena);
/* New memory, with room for at least this many slices (smaller arenas where address space is short); in no list. */
struct arena *arena_map(uint32_t slices, uint32_t align_slices, bool huge);
/* So much more is about to be mapped, and counts as such; false, and it does not, where the option `arenas` forbids it. */
bool arena_count_mapped(uint32_t slices);
/* Fresh memory is about to be used: so much of what pieces are left goes to the system first. */
void arena_make_way(uint32_t slices);
/* The same for an arena as its slices are taken: first what is owed, then how much is due after a claim. */
void arena_owe_way_locked(uint32_t slices);
uint32_t arena_due_way_locked(uint32_t slices);
/* A free arena leaves: first the lists, then without the lock its memory.  In between it counts as being purged.
 * Returns its bytes. */
void arena_forget_locked(struct arena *arena);
size_t arena_unmap(struct arena *arena);

/* Recomputes every law, or that of one arena; aborts with a line where one is broken. */
void arena_check(void);
void arena_check_locked(const struct arena *arena);

/* In the child of a fork: repairs what another thread was changing. */
void arena_fork_child(void);

#endif
