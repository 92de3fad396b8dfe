/* Blocks, objects in them, and lines on fd 2. */
#include "model.h"

#include "base/log.h"
#include "base/options.h"
#include "front/objects.h"
#include "gc/objects/header.h"
#include "gc/objects/limbo.h"
#include "heap/watch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 128
#define BLOCKS 24
#define POOL_BLOCKS 8
#define DIRT 0xdd

enum block_state { BLOCK_FREE, BLOCK_USED, BLOCK_UNMAPPED };

static struct {
    char bytes[BLOCK_BYTES];
} blocks[BLOCKS] ARCA_ALIGNED(SLICE_SIZE);
static enum block_state states[BLOCKS];
static unsigned free_blocks[BLOCKS], free_count;

struct options options;
struct thing_life lives[THINGS];
void (*thing_finalizer)(struct thing *thing);
unsigned log_lines;

/* ---- blocks ------------------------------------------------------------------------------------------------ */

static unsigned block_index(const void *block)
{
    size_t offset = (size_t)((const char *)block - blocks[0].bytes);
    if (offset >= sizeof blocks || offset % BLOCK_BYTES != 0)
        schedule_fail("%p is no block", block);
    return (unsigned)(offset / BLOCK_BYTES);
}

static void check_access(const void *address)
{
    size_t offset = (size_t)((const char *)address - blocks[0].bytes);
    if (offset >= sizeof blocks)
        return;
    enum block_state state = states[offset / BLOCK_BYTES];
    if (state == BLOCK_UNMAPPED)
        schedule_fail("access to a block whose memory is gone");
    if (state == BLOCK_FREE && offset % BLOCK_BYTES >= sizeof(uint64_t))
        schedule_fail("access to a free block beyond its header word");
}

void *object_alloc(size_t size)
{
    if (size > BLOCK_BYTES || free_count == 0)
        schedule_fail("no block of %zu bytes", size);
    schedule_drain();
    unsigned index = free_blocks[--free_count];
    states[index] = BLOCK_USED;
    return &blocks[index];
}

void object_free(void *block)
{
    unsigned index = block_index(block);
    schedule_drain();
    if (states[index] != BLOCK_USED)
        schedule_fail("block %u is freed twice", index);
    if (thing_count(block) != 0)
        schedule_fail("block %u is freed with a count", index);
    memset((char *)block + sizeof(uint64_t), DIRT, BLOCK_BYTES - sizeof(uint64_t));
    states[index] = BLOCK_FREE;
    free_blocks[free_count++] = index;
}

void object_batch_free(struct object_batch *batch, void *const *freed, size_t count)
{
    (void)batch;
    for (size_t i = 0; i < count; i++)
        object_free(freed[i]);
}

void object_free_pool(struct span *pool)
{
    (void)pool;
    EXPECT(false); /* so much is never found here */
}

void object_batch_end(struct object_batch *batch)
{
    (void)batch;
}

void model_free(void *object)
{
    object_free(object);
}

void model_unmap(void *block)
{
    states[block_index(block)] = BLOCK_UNMAPPED;
}

void *object_alloc_own(struct heap *heap, size_t size)
{
    (void)heap;
    return object_alloc(size);
}

struct heap *object_heap_create(void)
{
    return NULL;
}

struct heap *object_heap_after_fork(struct heap *heap)
{
    return heap;
}

/* The first blocks, the ones that are used first, are a pool that a collection looks at. */
static struct span pool;
static struct span_side *side;

static void clear_pool(void)
{
    if (side == NULL)
        side = calloc(POOL_BLOCKS, sizeof side->ages[0]);
    memset(side, 0, POOL_BLOCKS * sizeof side->ages[0]);
    pool = (struct span){ .start = (uintptr_t)blocks, .block_size = BLOCK_BYTES, .divider = UINT64_MAX / BLOCK_BYTES + 1,
                          .capacity = POOL_BLOCKS, .slices = 1, .objects = true, .young = true, .side = side, .kind = SPAN_POOL };
}

void *object_find(uintptr_t address)
{
    return (void *)(address & ~(uintptr_t)(BLOCK_BYTES - 1));
}

struct span *object_span(uintptr_t address)
{
    return address - pool.start < POOL_BLOCKS * BLOCK_BYTES ? &pool : NULL;
}

void object_walk(void (*visit)(struct span *span, void *context), void *context)
{
    visit(&pool, context);
}

bool pool_is_carved(uint64_t uncarved, const struct span *span, uint32_t index)
{
    (void)uncarved;
    (void)span;
    (void)index;
    return true;
}

void *arca_malloc(size_t size)
{
    return malloc(size);
}

void *arca_calloc(size_t count, size_t size)
{
    return calloc(count, size);
}

void *arca_realloc(void *block, size_t size)
{
    return realloc(block, size);
}

void arca_free(void *block)
{
    free(block);
}

/* ---- things -------------------------------------------------------------------------------------------------- */

static void thing_destroy(void *object)
{
    struct thing *thing = object;
    if (thing->id >= THINGS || lives[thing->id].destroyed++ != 0)
        schedule_fail("thing %llu is destroyed twice", (unsigned long long)thing->id);
}

static void thing_finalize(void *object)
{
    struct thing *thing = object;
    if (thing->id >= THINGS || lives[thing->id].finalized++ != 0)
        schedule_fail("thing %llu is finalized twice", (unsigned long long)thing->id);
    if (thing_finalizer != NULL)
        thing_finalizer(thing);
}

static const uint32_t thing_slots[] = { offsetof(struct thing, slot), offsetof(struct thing, other) };

#define THING_TYPE(name_, finalize_, flags_)                                                                      \
    { .name = name_, .size = sizeof(struct thing), .slots = thing_slots, .slot_count = 2, .finalize = finalize_, \
      .destroy = thing_destroy, .flags = ARCA_TYPE_IMMORTAL | (flags_) }

arca_type thing_type = THING_TYPE("thing", NULL, 0);
arca_type finalized_thing_type = THING_TYPE("finalized thing", thing_finalize, 0);
arca_type hot_thing_type = THING_TYPE("hot thing", NULL, ARCA_TYPE_HOT);

static struct thing *make(arca_type *type, uint64_t id)
{
    struct thing *thing = arca_new(type);
    thing->id = id;
    return thing;
}

struct thing *thing_new(uint64_t id)
{
    return make(&thing_type, id);
}

struct thing *thing_new_finalized(uint64_t id)
{
    return make(&finalized_thing_type, id);
}

struct thing *thing_new_hot(uint64_t id)
{
    return make(&hot_thing_type, id);
}

uint32_t thing_count(const void *object)
{
    return (uint32_t)((const arca_object *)object)->arca_word & WORD_COUNT;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

void log_line(const char *format, ...)
{
    (void)format;
    log_lines++;
}

void log_abort(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    schedule_fail("aborts: %s", text);
}

/* ---- begin and end --------------------------------------------------------------------------------------------- */

/* Types are entered at their first object, which is another course of events than at the second. */
static void know_types(void)
{
    struct thing *thing = thing_new(0);
    arca_weak *weak = arca_weak_bind(thing, NULL, NULL);
    arca_release(thing_new_finalized(1));
    arca_release(thing_new_hot(2));
    arca_release(weak);
    arca_release(thing);
}

static void clear(void)
{
    memset(blocks, DIRT, sizeof blocks);
    memset(states, 0, sizeof states);
    for (unsigned i = 0; i < BLOCKS; i++) {
        memset(&blocks[i], 0, sizeof(uint64_t));
        free_blocks[i] = BLOCKS - 1 - i;
    }
    free_count = BLOCKS;
    clear_pool();
    memset(lives, 0, sizeof lives);
    thing_finalizer = NULL;
    log_lines = 0;
}

void model_begin(void)
{
    static bool known;
    schedule_on_access = check_access;
    store_rlx(&watch_call, 0u);
    store_rlx(&limbo_active, 0u);
    limbo_drain();
    model_epoch_begin();
    clear();
    if (!known) {
        know_types();
        known = true;
        clear();
    }
}

void model_end(void)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (states[i] == BLOCK_USED)
            schedule_fail("block %u is left with count %u", i, thing_count(&blocks[i]));
    }
}
