/*
 * Large blocks with an arena of their own, and the pieces that are left of those that were freed.
 *
 * Law: memory that is paid for serves first.  A block that comes or grows takes the piece that fits, a part of a larger
 * one, or of the one behind it; only what is missing comes from the system, and as much of what could not serve goes
 * there first.  So a program that grows one buffer after another never has more than the largest of them.
 */
#include "arenas/arena.h"

#include "arenas/page_map.h"
#include "base/stats.h"

/* How many pieces are looked at, the youngest first. */
#define SEARCH_PIECES_MAX 32

/* ---- pieces ------------------------------------------------------------------------------------------ */

static uintptr_t huge_end(const struct arena *arena)
{
    return arena->base + ((uintptr_t)arena->slices << SLICE_SHIFT);
}

void arena_list_piece_locked(struct arena *piece)
{
    piece->next = NULL;
    piece->prev = arenas.youngest_piece;
    *(piece->prev != NULL ? &piece->prev->next : &arenas.pieces) = piece;
    arenas.youngest_piece = piece;
}

void arena_unlist_piece_locked(struct arena *piece)
{
    *(piece->prev != NULL ? &piece->prev->next : &arenas.pieces) = piece->next;
    *(piece->next != NULL ? &piece->next->prev : &arenas.youngest_piece) = piece->prev;
    piece->next = piece->prev = NULL;
}

/* All of its slices are free, or none. */
static void set_free(struct arena *arena, bool is_free)
{
    arena->free_slices = arena->dirty_slices = is_free ? arena->slices : 0;
}

static void end_piece_locked(struct arena *piece)
{
    arena_unlist_piece_locked(piece);
    arena_spare_locked(piece);
}

/* Takes in the pieces in front of a free arena and behind it.  They end first: a fork in between must not find memory
 * twice. */
static void join_neighbours_locked(struct arena *arena)
{
    unsigned searched = 0;
    struct arena *prev;
    for (struct arena *a = arenas.youngest_piece; a != NULL && searched++ < SEARCH_PIECES_MAX; a = prev) {
        prev = a->prev;
        if (a->mapping != arena->mapping || (huge_end(a) != arena->base && a->base != huge_end(arena)))
            continue;
        uintptr_t base = a->base < arena->base ? a->base : arena->base;
        uint32_t slices = a->slices;
        end_piece_locked(a);
        arena->base = base;
        arena->slices += slices;
    }
}

void arena_return_huge_locked(struct arena *arena, uint32_t now_ms)
{
    arena->freed_ms[0] = now_ms;
    sub_rlx(&arenas.used_slices, arena->slices);
    add_rlx(&arenas.dirty_slices, arena->slices);
    join_neighbours_locked(arena);
    set_free(arena, true);
    arena_list_piece_locked(arena);
}

/* ---- claim --------------------------------------------------------------------------------------------- */

static struct span *fill_span(struct arena *arena)
{
    struct span *span = &arena->spans[0];
    set_free(arena, false);
    span->arena = arena;
    span->start = arena->base;
    span->slices = arena->slices;
    span->start_bound = 0;
    span->hardened_bound = 0;
    span->hardened = false;
    assert(load_rlx(&span->holder) == 0);
    store_rlx(&span->kind, (uint8_t)SPAN_LARGE);
    return span;
}

/* A piece from this slice of another one on, in its place.  It is cut off first: see above. */
static void cut_locked(struct arena *piece, uint32_t slices, struct arena *rest)
{
    uint32_t left = piece->slices - slices;
    piece->slices = slices;
    rest->base = rest->huge_pages.base = huge_end(piece);
    rest->huge = true;
    rest->source = NULL;
    rest->mapping = piece->mapping;
    rest->freed_ms[0] = piece->freed_ms[0];
    store_rlx(&rest->huge_pages.whole, 0u);
    store_rlx(&rest->spans[0].kind, (uint8_t)SPAN_FREE);
    rest->next = piece->next;
    rest->prev = piece;
    *(rest->next != NULL ? &rest->next->prev : &arenas.youngest_piece) = rest;
    piece->next = rest;
    rest->slices = left;
    set_free(rest, true);
}

static struct arena *find_piece_locked(uint32_t slices, uint32_t align)
{
    struct arena *best = NULL;
    unsigned searched = 0;
    for (struct arena *a = arenas.youngest_piece; a != NULL && searched++ < SEARCH_PIECES_MAX; a = a->prev) {
        bool fits = a->slices >= slices && (a->source == NULL || a->slices - slices <= slices / 4);
        bool aligned = (a->base >> SLICE_SHIFT & (align - 1)) == 0;
        if (fits && aligned && (best == NULL || a->slices < best->slices))
            best = a;
    }
    return best;
}

/* *rest: a record for what is left over, if that is a piece; then NULL. */
static struct span *claim_piece_locked(uint32_t slices, uint32_t align, struct arena **rest)
{
    struct arena *piece = find_piece_locked(slices, align);
    if (piece == NULL)
        return NULL;
    if (*rest != NULL && piece->source == NULL && piece->slices - slices >= ARENA_HUGE_SLICES_MIN) {
        cut_locked(piece, slices, *rest);
        *rest = NULL;
    }
    arena_unlist_piece_locked(piece);
    sub_rlx(&arenas.dirty_slices, piece->slices);
    arena_count_used(piece->slices);
    return fill_span(piece);
}

static struct span *reuse_piece(uint32_t slices, uint32_t align)
{
    struct arena *rest = arena_take_record();
    lock_acquire(&arenas.lock);
    struct span *span = claim_piece_locked(slices, align, &rest);
    if (rest != NULL)
        arena_spare_locked(rest);
    lock_release(&arenas.lock);
    return span;
}

static struct span *claim_fresh(uint32_t slices, uint32_t align)
{
    struct arena *arena = arena_map(slices, align, true);
    if (arena == NULL)
        return NULL;
    lock_acquire(&arenas.lock);
    arena_count_used(slices);
    struct span *span = fill_span(arena);
    lock_release(&arenas.lock);
    return span;
}

struct span *arena_claim_huge(uint32_t slices, uint32_t align_slices, bool *zeroed)
{
    struct span *span = load_rlx(&arenas.dirty_slices) == 0 ? NULL : reuse_piece(slices, align_slices);
    *zeroed = span == NULL;
    if (span == NULL)
        span = claim_fresh(slices, align_slices);
    if (span != NULL)
        page_map_set(span->start, 1, span);
    return span;
}

/* ---- resize -------------------------------------------------------------------------------------------- */

/* Into the piece behind. */
static void extend(struct arena *arena, uint32_t slices)
{
    lock_acquire(&arenas.lock);
    unsigned searched = 0;
    struct arena *piece = arenas.youngest_piece;
    while (piece != NULL && (piece->base != huge_end(arena) || piece->mapping != arena->mapping))
        piece = ++searched < SEARCH_PIECES_MAX ? piece->prev : NULL;
    if (piece != NULL) {
        uint32_t missing = slices - arena->slices, more = missing < piece->slices ? missing : piece->slices;
        if (more == piece->slices) {
            end_piece_locked(piece);
        } else {
            piece->slices -= more;
            piece->base += (uintptr_t)more << SLICE_SHIFT;
            set_free(piece, true);
        }
        sub_rlx(&arenas.dirty_slices, more);
        arena->slices += more;
        arena->spans[0].slices = arena->slices;
        arena_count_used(more);
    }
    lock_release(&arenas.lock);
}

/* Where its pages are afterwards, in the reach of the page map, or NULL.  The new place is chosen here: the kernel knows
 * of no alignment, and once it has moved the pages it is too late to find out that they are out of reach.  From one
 * boundary of huge pages to another it moves tables, not pages. */
static void *remap(const struct arena *arena, size_t old_bytes, size_t new_bytes)
{
    void *base = (void *)arena->base;
    bool reached = page_map_reserve(arena->base, new_bytes), movable;
    /* Out of reach, this asks for *movable only: up to the end of all addresses there is no room, for the stack lies there. */
    size_t asked = reached ? new_bytes : ((size_t)1 << PAGE_MAP_ADDRESS_BITS) - arena->base;
    if (os_resize(base, old_bytes, asked, &movable))
        return reached ? base : NULL;
    void *place = !movable ? NULL : os_map(new_bytes, new_bytes < HUGE_PAGE_SIZE ? SLICE_SIZE : HUGE_PAGE_SIZE);
    if (place == NULL)
        return NULL;
    if (page_map_reserve((uintptr_t)place, new_bytes) && os_move(base, old_bytes, place, new_bytes))
        return place;
    os_unmap(place, new_bytes);
    return NULL;
}

static void give_back(uintptr_t from, uint32_t slices)
{
    size_t bytes = (size_t)slices << SLICE_SHIFT;
    os_unmap((void *)from, bytes);
    stats_add(released_bytes, bytes);
    stats_add(unmapped_bytes, bytes);
}

/* Not by one call of mremap(): it would hold up whoever maps memory meanwhile, 30 ms for each GiB. */
static void cut_off(struct span *span, uint32_t slices)
{
    struct arena *arena = span->arena;
    lock_acquire(&arenas.lock);
    uint32_t less = arena->slices - slices;
    arena->slices = span->slices = slices;
    sub_rlx(&arenas.used_slices, less);
    sub_rlx(&arenas.mapped_slices, less);
    uintptr_t end = huge_end(arena);
    lock_release(&arenas.lock);
    give_back(end, less);
}

bool arena_resize_huge(struct span *span, uint32_t slices)
{
    struct arena *arena = span->arena;
    if (arena->source != NULL)
        return false;
    if (slices < arena->slices) {
        cut_off(span, slices);
        return true;
    }
    if (slices > arena->slices)
        extend(arena, slices);
    if (slices == arena->slices)
        return true;
    size_t old_bytes = (size_t)arena->slices << SLICE_SHIFT, new_bytes = (size_t)slices << SLICE_SHIFT;
    arena_make_way(slices - arena->slices);
    if (!arena_count_mapped(slices - arena->slices))
        return false;
    /* The old address may be mapped by somebody else as soon as the kernel has moved it. */
    page_map_set(arena->base, 1, NULL);
    void *moved = remap(arena, old_bytes, new_bytes);
    if (moved == NULL) {
        sub_rlx(&arenas.mapped_slices, slices - arena->slices);
        page_map_set(arena->base, 1, span);
        return false;
    }
    lock_acquire(&arenas.lock);
    arena_count_used(slices - arena->slices);
    if (arena->base != (uintptr_t)moved)
        arena->base = arena->mapping = (uintptr_t)moved;
    arena->slices = slices;
    span->start = arena->base + span_offset(span);
    span->slices = slices;
    lock_release(&arenas.lock);
    page_map_set(arena->base, 1, span);
    return true;
}

/* ---- making way ------------------------------------------------------------------------------------------ */

/* Of the oldest piece so much goes; returns how much, 0 without one.  First from the records: see arena_unmap(). */
static uint32_t make_way_by_one(uint32_t slices)
{
    lock_acquire(&arenas.lock);
    struct arena *oldest = arenas.pieces;
    if (oldest == NULL) {
        lock_release(&arenas.lock);
        return 0;
    }
    if (oldest->slices <= slices || oldest->source != NULL) {
        slices = oldest->slices;
        arena_forget_locked(oldest);
        arenas.purging++;
        lock_release(&arenas.lock);
        arena_unmap(oldest);
        return slices;
    }
    oldest->slices -= slices;
    set_free(oldest, true);
    sub_rlx(&arenas.dirty_slices, slices);
    sub_rlx(&arenas.mapped_slices, slices);
    uintptr_t end = huge_end(oldest);
    lock_release(&arenas.lock);
    give_back(end, slices);
    return slices;
}

void arena_make_way(uint32_t slices)
{
    for (uint32_t gone = 0; gone < slices;) {
        uint32_t more = make_way_by_one(slices - gone);
        if (more == 0)
            return;
        gone += more;
    }
}

/* A new arena is taken slice by slice, and so pieces give back: all at once would hold up the thread that needed one. */
#define WAY_AT_ONCE 16

void arena_owe_way_locked(uint32_t slices)
{
    size_t owed = (size_t)arenas.way_owed + slices, most = load_rlx(&arenas.dirty_slices);
    arenas.way_owed = (uint32_t)(owed < most ? owed : most);
}

uint32_t arena_due_way_locked(uint32_t slices)
{
    uint32_t taken = slices < arenas.way_owed ? slices : arenas.way_owed, due = arenas.way_due + taken;
    arenas.way_owed -= taken;
    arenas.way_due = due < WAY_AT_ONCE && arenas.way_owed != 0 ? due : 0;
    return due - arenas.way_due;
}
