/* Counting, marking. */
#include "gc/cycles/finder.h"

#include "base/os.h"
#include "gc/cycles/audit.h"
#include "gc/cycles/carry.h"
#include "gc/objects/debug.h"
#include "gc/objects/fiber.h"
#include "gc/objects/limbo.h"
#include "heap/retired.h"

/* Units and objects lie anywhere: each is asked for so many steps before it is used. */
#define AHEAD 32
/* Bytes: the processor's own prefetching ends with each page. */
#define COUNT_AHEAD 2048

/* Reached objects are looked at in passes over the bitmap, that is in the order of their addresses: the order of the
 * references would cost a miss of the caches and of the address translation for each.  Where a pass would find less than
 * one in so many, as along a chain, the order is that of the references, with a stack, until that overflows. */
#define PASS_SHARE 1024
#define STACK_OBJECTS 4096

struct finder {
    struct scope *scope;
    struct carries carries;
    struct scope_kind seen;
    size_t looked; /* at objects, since the limbo was drained */
    unsigned index_at;
    uint32_t indices[AHEAD]; /* of what is referred to */
    unsigned object_at;
    void *objects[AHEAD]; /* whose slots are to be looked at, by addresses; NULL: none */
    unsigned deep_at, deep_waiting;
    void *deep[AHEAD]; /* the same by references, the first to come first */
    size_t seen_in_pass;
    size_t stacked, stack_limit;
    void *stack[STACK_OBJECTS];
};

/* Puts one in, and gets back the one that came so many steps before. */
ARCA_INLINE uint32_t index_ahead(struct finder *finder, unsigned *at, uint32_t index)
{
    uint32_t *place = &finder->indices[(*at)++ % AHEAD], before = *place;
    *place = index;
    return before;
}

/* Dead objects as they come.  Of many, what was made together dies together, mostly, and goes home to its pool together. */
struct dead {
    void *objects[64];
    uint32_t count, near; /* so many lie in the slice of the one before */
};

/* None wait while the work rests. */
_Static_assert(FIBER_LOOK_EVERY % ARCA_ARRAY_LENGTH(((struct dead *)0)->objects) == 0, "a rest comes when all are free");

static void free_dead(struct dead *dead)
{
    struct object_batch batch = { .count = 0 };
    if (dead->near >= ARCA_ARRAY_LENGTH(dead->objects) / 2 && !debug_is_on()) {
        object_batch_free(&batch, dead->objects, dead->count);
        object_batch_end(&batch);
    } else {
        for (uint32_t i = 0; i < dead->count; i++)
            debug_free(dead->objects[i]);
    }
    dead->count = dead->near = 0;
}

ARCA_INLINE void free_soon(struct dead *dead, void *object)
{
    if (dead->count != 0)
        dead->near += ((uintptr_t)object ^ (uintptr_t)dead->objects[dead->count - 1]) < SLICE_SIZE;
    dead->objects[dead->count++] = object;
    if (dead->count == ARCA_ARRAY_LENGTH(dead->objects))
        free_dead(dead);
}

size_t finder_drain(struct scope *scope)
{
    struct dead dead = { .count = 0 };
    size_t drained = 0;
    for (void *object = limbo_drain(), *next; object != NULL; object = next) {
        uint32_t index = scope != NULL ? scope_index(scope, object) : NO_INDEX;
        next = limbo_next(object);
        if (index != NO_INDEX)
            scope->found[index / 64] &= ~index_bit(index);
        free_soon(&dead, object);
        drained++;
        if (scope == NULL) /* else there was time for it a moment ago, and as much would come meanwhile */
            fiber_rest_sometimes(drained);
    }
    free_dead(&dead);
    return drained;
}

/* Between two objects. */
ARCA_INLINE void pause_sometimes(struct finder *finder)
{
    if (likely(finder->looked < DRAIN_EVERY))
        return;
    finder->looked = 0;
    fiber_rest();
    finder_drain(finder->scope);
}

/* ---- counting: after it, an object's units are what of its count the scope does not account for ----------- */

/* What a slot needs of the finder and its scope: in registers, for nobody else knows where it is. */
struct counting {
    struct finder *finder;
    struct scope_map map;
    struct scope_near near; /* the span whose blocks are counted */
    uint8_t *units;
    unsigned index_at;
};

/* Who is near has its units in the caches. */
ARCA_INLINE void count_slot(arca_slot *slot, void *context)
{
    struct counting *counting = context;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    if (object == NULL)
        return;
    uint32_t index = scope_near_index(&counting->near, object);
    if (index == NO_INDEX) {
        index = scope_map_index(&counting->map, object);
        if (index == NO_INDEX)
            return;
        __builtin_prefetch(&counting->units[index], 1);
        index = index_ahead(counting->finder, &counting->index_at, index);
    }
    carry_take_one(&counting->finder->carries, counting->units, index);
}

ARCA_NOINLINE static struct counting count_traversed(struct counting counting, const arca_type *type, void *object)
{
    type->traverse(object, count_slot, &counting);
    return counting;
}

/* Of up to 64 blocks, as a word of the bitmap has them; returns how many of them live. */
static uint32_t count_blocks(struct finder *finder, const struct span *span, const struct scope_near *near, uint32_t from, uint32_t to)
{
    struct scope *scope = finder->scope;
    struct span_side *side = load_rlx(&span->side);
    uint32_t first = near->first;
    struct counting counting = { finder, scope->map, *near, scope->units, finder->index_at };
    struct scope_kind seen = finder->seen;
    uint8_t generation = (uint8_t)scope->generation, older = generation + 1 < GENERATIONS ? generation + 1 : GENERATIONS - 1;
    uint64_t uncarved = load_rlx(&span->kind) == SPAN_POOL ? pool_uncarved(span) : 0, found = 0, noted = 0;
    uint64_t *note = scope->noting ? scope_make_notes(scope) : NULL;
    uint32_t alive = 0;
    size_t block_size = span->block_size;
    char *block = span_block(span, from);
    for (uint32_t i = from; i < to; i++, block += block_size) {
        uint64_t word;
        if (unlikely(uncarved != 0) && !pool_is_carved(uncarved, span, i))
            continue;
        uint8_t age = load_rlx(&side->ages[i]);
        if (age > generation) { /* its death would have cleared it */
            alive++;
            continue;
        }
        __builtin_prefetch(block + COUNT_AHEAD);
        const arca_type *type = scope_look(block, &word, &seen);
        alive += word_count(word) != 0;
        if (type == NULL)
            continue;
        if (age < older) /* if it lives on, it does so older */
            store_rlx(&side->ages[i], older);
        carry_add(&finder->carries, counting.units, first + i, word_count(word));
        found |= index_bit(i);
        if (age == 0 && note != NULL) {
            *note++ = word;
            noted |= index_bit(i);
        }
        type_visit_told(type, block, count_slot, &counting);
        if (type_traverses(type))
            counting = count_traversed(counting, type, block);
    }
    finder->index_at = counting.index_at;
    finder->seen = seen;
    scope->found[(first + from) / 64] = found;
    scope_take_notes(scope, first + from, noted);
    scope->tracked += bits_count(found);
    finder->looked += to - from;
    pause_sometimes(finder);
    return alive;
}

static void count_span(struct finder *finder, struct span *span)
{
    uint32_t blocks = span_blocks(span), alive = 0;
    struct scope_near near = scope_near(finder->scope, span);
    store_rlx(&span->young, false);
    for (uint32_t i = 0; i < blocks; i += 64)
        alive += count_blocks(finder, span, &near, i, blocks - i < 64 ? blocks : i + 64);
    /* Blocks in bins are born without a sign: the span stays young while it has some. */
    if (load_rlx(&span->kind) == SPAN_POOL && load_rlx(&span->used) != alive)
        store_rlx(&span->young, true);
}

static void count(struct finder *finder)
{
    finder->scope->noted_ms = os_now_ms();
    finder->scope->noted_purges = load_rlx(&retired_purges);
    finder->scope->notes_hold = true;
    for (size_t s = 0; s < finder->scope->count; s++) {
        struct span *span = finder->scope->spans[s];
        count_span(finder, span);
        fiber_rest();
    }
    for (unsigned i = 0; i < AHEAD; i++)
        carry_take_one(&finder->carries, finder->scope->units, index_ahead(finder, &finder->index_at, finder->scope->indices));
    if (unlikely(debug_is_on()) && !finder->carries.failed)
        audit_counts(finder->scope, &finder->carries);
    carry_settle(&finder->carries, finder->scope->units);
}

/* ---- marking: what is kept alive from outside, and what that keeps alive ------------------------------------ */

/* What has units that the scope does not account for. */
static void mark_roots(struct finder *finder)
{
    struct scope *scope = finder->scope;
    for (uint32_t base = 0; base < scope->indices; base += 64) {
        uint64_t found = scope->found[base / 64], roots = found != 0 ? found & scope_with_units(scope, base) : 0;
        scope->unseen[base / 64] = found;
        scope->found[base / 64] = found ^ roots;
        finder->seen_in_pass += bits_count(roots);
        fiber_rest_sometimes(base / 64);
    }
}

/* There is more to reach than the stack holds: the rest of the pass goes by addresses. */
ARCA_COLD static void unload_stack(struct finder *finder)
{
    while (finder->stacked != 0) {
        uint32_t index = scope_index(finder->scope, finder->stack[--finder->stacked]);
        if (index != NO_INDEX)
            finder->scope->unseen[index / 64] |= index_bit(index);
    }
    finder->stack_limit = 0;
}

/* By references. */
ARCA_INLINE void stack_slot(arca_slot *slot, void *context)
{
    struct finder *finder = context;
    struct scope *scope = finder->scope;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    uint32_t index = scope_index(scope, object);
    if (index == NO_INDEX || !(scope->found[index / 64] & index_bit(index)))
        return;
    scope->found[index / 64] &= ~index_bit(index);
    if (finder->stacked == finder->stack_limit)
        unload_stack(finder);
    if (finder->stacked < finder->stack_limit) {
        scope->unseen[index / 64] &= ~index_bit(index);
        finder->stack[finder->stacked++] = object;
    }
}

/* By addresses. */
ARCA_INLINE void mark_slot(arca_slot *slot, void *context)
{
    struct finder *finder = context;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    uint32_t index = scope_index(finder->scope, object);
    if (index == NO_INDEX)
        return;
    __builtin_prefetch(&finder->scope->found[index / 64], 1);
    index = index_ahead(finder, &finder->index_at, index);
    finder->scope->found[index / 64] &= ~index_bit(index);
}

ARCA_INLINE void ask_for(const void *object)
{
    __builtin_prefetch(object);
    __builtin_prefetch((const char *)object + ARCA_CACHE_LINE / 2); /* its first slots */
}

ARCA_INLINE void mark_object(struct finder *finder, void *object)
{
    uint64_t word;
    const arca_type *type = scope_look(object, &word, &finder->seen);
    if (type != NULL)
        type_visit(type, object, mark_slot, finder);
}

/* Puts one in, or NULL, and looks at the one that came so many steps before. */
ARCA_INLINE void mark_object_ahead(struct finder *finder, void *object)
{
    void **place = &finder->objects[finder->object_at++ % AHEAD], *before = *place;
    *place = object;
    if (object != NULL)
        ask_for(object);
    if (likely(before != NULL))
        mark_object(finder, before);
}

/* What waits of 64 objects, as a word of the bitmaps has them, by addresses. */
static void mark_blocks(struct finder *finder, const struct span *span, uint32_t from, const uint64_t *found, uint64_t *unseen)
{
    uint64_t waiting;
    while ((waiting = *unseen & ~*found) != 0) {
        *unseen ^= waiting;
        finder->looked += bits_count(waiting);
        finder->seen_in_pass += bits_count(waiting);
        for (; waiting != 0; waiting &= waiting - 1)
            mark_object_ahead(finder, span_block(span, from + bits_lowest(waiting)));
    }
    pause_sometimes(finder);
}

static void look_at_first(struct finder *finder)
{
    uint64_t word;
    void *object = finder->deep[finder->deep_at++ % AHEAD];
    const arca_type *type = scope_look(object, &word, &finder->seen);
    finder->deep_waiting--;
    finder->looked++;
    finder->seen_in_pass++;
    if (type != NULL)
        type_visit(type, object, stack_slot, finder);
    pause_sometimes(finder);
}

static void look_later(struct finder *finder, void *object)
{
    if (finder->deep_waiting == AHEAD)
        look_at_first(finder);
    ask_for(object);
    finder->deep[(finder->deep_at + finder->deep_waiting++) % AHEAD] = object;
}

static void mark_stack(struct finder *finder)
{
    while (finder->stacked + finder->deep_waiting != 0) {
        while (finder->stacked != 0 && finder->deep_waiting < AHEAD)
            look_later(finder, finder->stack[--finder->stacked]);
        look_at_first(finder);
    }
}

/* The same by references, until there is more to reach than the stack holds. */
static void mark_blocks_deep(struct finder *finder, const struct span *span, uint32_t from, const uint64_t *found, uint64_t *unseen)
{
    uint64_t waiting;
    while ((waiting = *unseen & ~*found) != 0 && finder->stack_limit != 0) {
        *unseen &= ~(waiting & -waiting);
        look_later(finder, span_block(span, from + bits_lowest(waiting)));
        mark_stack(finder);
    }
}

/* What waits, and what begins to before it is passed by. */
static void mark_pass(struct finder *finder)
{
    uint64_t *found = finder->scope->found, *unseen = finder->scope->unseen;
    for (size_t s = 0; s < finder->scope->count; s++) {
        struct span *span = finder->scope->spans[s];
        uint32_t indices = span_indices(span);
        for (uint32_t from = 0; from < indices; from += 64, found++, unseen++) {
            if (finder->stack_limit != 0)
                mark_blocks_deep(finder, span, from, found, unseen);
            mark_blocks(finder, span, from, found, unseen);
        }
        fiber_rest();
    }
    for (unsigned i = 0; i < AHEAD; i++)
        mark_object_ahead(finder, NULL);
    for (unsigned i = 0; i < AHEAD; i++) {
        uint32_t index = index_ahead(finder, &finder->index_at, finder->scope->indices);
        finder->scope->found[index / 64] &= ~index_bit(index);
    }
}

static void mark(struct finder *finder)
{
    mark_roots(finder);
    while (finder->seen_in_pass != 0) {
        finder->stack_limit = finder->seen_in_pass < AHEAD + finder->scope->indices / PASS_SHARE ? STACK_OBJECTS : 0;
        finder->seen_in_pass = 0;
        mark_pass(finder);
    }
}

bool finder_run(struct scope *scope)
{
    struct finder *finder = arca_calloc(1, sizeof *finder);
    if (finder == NULL)
        return false;
    finder->scope = scope;
    for (unsigned i = 0; i < AHEAD; i++)
        finder->indices[i] = scope->indices; /* nobody's */
    count(finder);
    mark(finder);
    bool done = !finder->carries.failed;
    carry_close(&finder->carries);
    arca_free(finder);
    return done;
}
