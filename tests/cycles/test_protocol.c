/*
 * Scripted interleavings for the rows of the protocol's table: what a step is there for happens while it matters.
 *
 * traverse is called where the collector looks at an object: first when it counts, and, when it is proposed, again in the
 * certifier's scan.  A script does there what another thread could do at that moment.
 */
#include "graph.h"

#include "gc/cycles/certifier.h"
#include "gc/cycles/finder.h"
#include "gc/objects/epoch.h"
#include "gc/objects/header.h"
#include "gc/objects/weak.h"
#include "heap/retired.h"

#include <sched.h>

enum { COUNT = 1, SCAN = 2 };

struct actor {
    struct node node;
    _Atomic unsigned looks;
    void (*script)(struct actor *self); /* before its slots are visited */
    void (*after)(struct actor *self);
};

static void actor_traverse(void *object, arca_visit *visit, void *context)
{
    struct actor *self = object;
    self->looks++;
    if (self->script != NULL)
        self->script(self);
    for (unsigned i = 0; i < SLOTS; i++)
        visit(&self->node.slots[i], context);
    if (self->after != NULL)
        self->after(self);
}

static arca_type actor_type = {
    .name = "actor", .size = sizeof(struct actor), .traverse = actor_traverse, .destroy = node_destroy,
    .flags = NODE_FLAGS
};

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

/* The collector goes by address: a is seen before b before c. */
static struct actor *a, *b, *c;
static arca_weak *to_a;
static void *hand, *other_hand;

static void actors_make(void)
{
    struct actor *actors[3];
    manual();
    for (unsigned i = 0; i < 3; i++)
        actors[i] = node_of(&actor_type);
    qsort(actors, 3, sizeof *actors, by_address);
    a = actors[0];
    b = actors[1];
    c = actors[2];
    to_a = arca_weak_bind(a, NULL, NULL);
}

/* a holds b by slot 0 and c by slot 1; b holds a. */
static void actors_ring(void)
{
    arca_slot_put(&a->node.slots[0], b);
    arca_slot_put(&a->node.slots[1], c);
    arca_slot_put(&b->node.slots[0], a);
}

/* The words of the young are noted when they are counted.  These are read again when they have been proposed. */
static void actors_age(void)
{
    CHECK_EQ(arca_gc_collect(2), 0);
    a->looks = b->looks = c->looks = 0;
}

/* In the last look of counting: a is proposed, since its count was read before. */
static void get_hold_of_a(struct actor *self)
{
    if (self == c && self->looks == COUNT)
        hand = arca_weak_upgrade(to_a);
}

static void check_nothing_is_freed(void)
{
    unsigned looks = b->looks;
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK(b->looks >= looks + SCAN); /* else it was not proposed, and nothing tried */
    node_check(&a->node);
    node_check(&b->node);
    node_check(&c->node);
}

/* When all units are given back, the rest is garbage and goes. */
static void check_all_goes(void)
{
    arca_release(hand);
    arca_release(other_hand);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    CHECK(arca_weak_upgrade(to_a) == NULL);
    arca_release(to_a);
}

TEST(protocol, a_garbage_ring_is_looked_at_twice_and_goes)
{
    actors_make();
    actors_ring();
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(nodes_alive(), 0);
}

/* ---- the word's version: retain, put, release restore the count ------------------------------------------------- */

static void restore_the_count(struct actor *self)
{
    get_hold_of_a(self);
    if (self->looks == SCAN) { /* b's slot has been scanned */
        other_hand = arca_retain(a);
        arca_slot_put(&c->node.slots[2], hand);
        hand = NULL;
        arca_slot_clear(&b->node.slots[0]);
    }
}

TEST(protocol, a_count_that_is_as_before_proves_nothing)
{
    actors_make();
    actors_age();
    actors_ring();
    c->script = restore_the_count;
    check_nothing_is_freed();
    CHECK(other_hand == a);
    check_all_goes();
}

/* ---- the touch in take -------------------------------------------------------------------------------------------- */

static void move_out(struct actor *self)
{
    if (self->looks == SCAN && hand != NULL) { /* a's slots have been scanned */
        other_hand = arca_slot_take(&a->node.slots[0]);
        arca_slot_put(&b->node.slots[2], hand);
        hand = NULL;
    }
}

static void exchange_out(struct actor *self)
{
    if (self->looks == SCAN && hand != NULL) {
        other_hand = arca_slot_exchange(&a->node.slots[0], arca_retain(c));
        arca_slot_put(&b->node.slots[2], hand);
        hand = NULL;
    }
}

static void check_move(void (*script)(struct actor *))
{
    actors_make();
    actors_age();
    actors_ring();
    arca_slot_put(&b->node.slots[3], arca_retain(c));
    c->script = get_hold_of_a;
    b->script = script;
    check_nothing_is_freed();
    CHECK(other_hand == b);
    check_all_goes();
}

TEST(protocol, a_unit_that_was_taken_out_after_the_scan_is_noticed)
{
    check_move(move_out);
}

TEST(protocol, a_unit_that_was_exchanged_after_the_scan_is_noticed)
{
    check_move(exchange_out);
}

/* ---- all words before all slots --------------------------------------------------------------------------------- */

static void load_and_clear(struct actor *self)
{
    if (self->looks == SCAN && hand != NULL) {
        other_hand = arca_slot_load(&a->node.slots[0]);
        arca_slot_clear(&a->node.slots[0]);
        arca_slot_put(&b->node.slots[2], hand);
        hand = NULL;
    }
}

TEST(protocol, a_decrement_after_the_scan_of_its_slot_is_noticed)
{
    check_move(load_and_clear);
}

/* ---- edit: units change places inside an object -------------------------------------------------------------------- */

TEST(protocol, an_edit_changes_the_word)
{
    actors_make();
    actors_ring();
    uint64_t word = a->node.object.arca_word;
    arca_edit_begin(a);
    arca_slot first = a->node.slots[0];
    a->node.slots[0] = a->node.slots[1];
    a->node.slots[1] = first;
    arca_edit_end(a);
    CHECK(a->node.object.arca_word != word);
    check_all_goes();
}

/* ---- the purge of pages waits --------------------------------------------------------------------------------------- */

static bool window[SCAN + 1];

static void note_window(struct actor *self)
{
    if (self->looks <= SCAN)
        window[self->looks] = lock_is_held(&retired_window);
}

TEST(protocol, no_page_of_objects_is_purged_while_words_are_compared)
{
    actors_make();
    actors_ring();
    b->script = note_window;
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK(!window[COUNT]);
    CHECK(window[SCAN]);
    CHECK(!lock_is_held(&retired_window));
}

/* ---- what was noted when it was counted is a reading, or is read anew ---------------------------------------------- */

/* As if c had died, its page had been purged, and it had been born again: its version has gone back. */
static void purge_below_c(struct actor *self)
{
    if (self->looks != COUNT)
        return;
    lock_acquire(&retired_window);
    sub_rlx(word_of(c), WORD_VERSION);
    bump_rlx(&retired_purges, 1u);
    lock_release(&retired_window);
}

static void take_c_out(struct actor *self)
{
    if (self->looks == SCAN) /* a's slots have been scanned */
        hand = arca_slot_take(&a->node.slots[1]);
}

TEST(protocol, a_word_that_came_back_after_a_purge_proves_nothing)
{
    actors_make();
    actors_ring();
    c->script = purge_below_c;
    b->script = take_c_out;
    uint64_t word = c->node.object.arca_word;
    CHECK_EQ(arca_gc_collect(2), 2);
    CHECK(hand == c);
    CHECK_EQ(c->node.object.arca_word, word);
    node_check(&c->node);
    check_all_goes();
}

#define MANY ((size_t)80000) /* more than is proved at once */
#define FIRST (MANY / 4)

/* Units of all others are given back when the first are freed. */
TEST(protocol, a_word_that_the_collection_changes_itself_is_read_anew)
{
    struct node **nodes = malloc(MANY * sizeof *nodes);
    REQUIRE(nodes != NULL);
    manual();
    for (size_t i = 0; i < MANY; i++)
        nodes[i] = node_new();
    qsort(nodes, MANY, sizeof *nodes, by_address);
    for (size_t i = 0; i < MANY; i++)
        node_link(nodes[i], 0, nodes[i]);
    for (size_t i = FIRST; i < MANY; i++)
        node_link(nodes[i % FIRST], (unsigned)(i / FIRST), nodes[i]);
    for (size_t i = 0; i < MANY; i++)
        arca_release(nodes[i]);
    free(nodes);
    CHECK_EQ(arca_gc_collect(2), MANY);
    CHECK_EQ(nodes_alive(), 0);
}

/* ---- limbo -------------------------------------------------------------------------------------------------------------- */

/* As large as an actor. */
static arca_type victim_type = {
    .name = "victim", .size = sizeof(struct actor), .slots = node_slots, .slot_count = SLOTS
};
static void *victim;
static unsigned reused;

/* The address comes back as soon as the block is free: the last one freed is the next one born. */
static bool comes_back(void *address)
{
    void *nodes[64];
    bool back = false;
    for (unsigned i = 0; i < 64; i++)
        back |= (nodes[i] = arca_new(&victim_type)) == address;
    for (unsigned i = 0; i < 64; i++)
        arca_release(nodes[i]);
    return back;
}

static void kill_victim(struct actor *self)
{
    (void)self;
    arca_release(victim);
    reused += victim != NULL && comes_back(victim);
}

static void look_for_victim(struct actor *self)
{
    (void)self;
    reused += victim != NULL && comes_back(victim);
    victim = NULL;
}

TEST(protocol, what_dies_while_an_object_is_looked_at_is_not_reused)
{
    actors_make();
    victim = arca_new(&victim_type);
    REQUIRE(victim != NULL);
    void *address = victim;
    b->script = kill_victim;
    b->after = look_for_victim;
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(reused, 0);
    CHECK(comes_back(address)); /* or the test would show nothing */
}

static void wait_for_scan(struct actor *self)
{
    if (self->looks == SCAN)
        kill_victim(self);
}

static void let_go_of_a(struct actor *self)
{
    if (self == b && self->looks == COUNT)
        arca_release(hand);
}

/* Nobody has to wait for a proof. */
TEST(protocol, what_dies_while_it_is_looked_for_is_not_proposed)
{
    static struct node *others[4 * DRAIN_EVERY]; /* between which the limbo is drained */
    actors_make();
    arca_release(to_a);
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(others); i++)
        others[i] = node_new();
    hand = a;
    b->script = let_go_of_a;
    uint64_t found = stats_now().generations[2].found;
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(stats_now().generations[2].found, found);
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(others); i++)
        arca_release(others[i]);
    arca_release(b);
    arca_release(c);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(protocol, what_dies_during_the_scan_is_not_reused)
{
    actors_make();
    actors_ring();
    victim = arca_new(&victim_type);
    REQUIRE(victim != NULL);
    a->script = wait_for_scan;
    b->script = look_for_victim;
    b->looks = 10;
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(reused, 0);
}

/* A block in limbo is nobody's until it is drained, and young then. */
TEST(protocol, a_block_of_who_died_meanwhile_is_born_young)
{
    enum { CROWD = 9000 }; /* more than lie between two looks at the limbo */
    static struct actor *crowd[CROWD];
    manual();
    for (unsigned i = 0; i < CROWD; i++)
        crowd[i] = node_of(&actor_type);
    qsort(crowd, CROWD, sizeof *crowd, by_address);
    victim = crowd[0];
    crowd[1]->script = kill_victim;
    crowd[1]->after = look_for_victim;
    arca_gc_collect(2);
    struct actor *born[64];
    bool back = false;
    for (unsigned i = 0; i < 64; i++) {
        born[i] = node_of(&actor_type);
        back |= born[i] == crowd[0];
        CHECK_EQ(arca_gc_generation(born[i]), 0);
    }
    CHECK(back);
}

/* ---- sections and the grace period ---------------------------------------------------------------------------------- */

static _Atomic bool in_section, torn_down;

static void *stay_in_section(void *unused)
{
    epoch_enter();
    atomic_store(&in_section, true);
    for (unsigned i = 0; i < 100 && !atomic_load(&torn_down); i++)
        wait_ms(1);
    CHECK(!atomic_load(&torn_down));
    epoch_leave();
    return unused;
}

static void note_teardown(arca_weak *weak, void *data)
{
    (void)weak;
    (void)data;
    atomic_store(&torn_down, true);
}

TEST(protocol, nothing_is_torn_down_while_a_section_from_before_lasts)
{
    actors_make();
    actors_ring();
    arca_weak *weak = arca_weak_bind(c, note_teardown, NULL);
    pthread_t reader = start_thread(stay_in_section, NULL);
    while (!atomic_load(&in_section))
        wait_ms(1);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK(atomic_load(&torn_down));
    pthread_join(reader, NULL);
    arca_release(weak);
}

/* An upgrade whose section lasts, which has its unit before the grace period ends. */
static void *upgrade_late(void *unused)
{
    epoch_enter();
    atomic_store(&in_section, true);
    wait_ms(20); /* words are read, slots are scanned */
    hand = word_try_retain(a) ? a : NULL;
    epoch_leave();
    return unused;
}

TEST(protocol, a_reader_that_gets_a_unit_in_its_section_keeps_it)
{
    actors_make();
    actors_ring();
    pthread_t reader = start_thread(upgrade_late, NULL);
    while (!atomic_load(&in_section))
        wait_ms(1);
    CHECK_EQ(arca_gc_collect(2), 0);
    pthread_join(reader, NULL);
    CHECK(hand == a);
    node_check(&a->node);
    node_check(&b->node);
    check_all_goes();
}

/* ---- what the certifier sees of weak references ----------------------------------------------------------------------- */

static arca_weak *late_weak;

static void bind_in_scan(struct actor *self)
{
    if (self->looks == SCAN && hand != NULL) {
        late_weak = arca_weak_bind(b, NULL, NULL);
        arca_slot_put(&b->node.slots[2], hand);
        hand = NULL;
    }
}

/* The unit of a has been given away and is scanned where it is: all are garbage, and the new cell is seen. */
TEST(protocol, a_cell_that_is_made_during_the_scan_is_cut_off)
{
    actors_make();
    actors_age();
    actors_ring();
    arca_slot_put(&b->node.slots[3], arca_retain(c));
    c->script = get_hold_of_a;
    b->script = bind_in_scan;
    arca_gc_collect(2);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    CHECK(arca_weak_upgrade(late_weak) == NULL);
    arca_release(late_weak);
    check_all_goes();
}

/* As a slow upgrade does it; the collector has passed its second look at the words and waits for the lock. */
static void *upgrade_and_kill(void *unused)
{
    epoch_enter();
    atomic_store(&in_section, true);
    while (load_acq(&weak_certifying) == 0)
        sched_yield();
    lock_acquire(&weak_lock);
    epoch_leave();
    wait_ms(100);
    REQUIRE(word_try_retain(a));
    hand = arca_slot_load(&a->node.slots[0]);
    CHECK(hand == b);
    arca_slot_clear(&b->node.slots[0]);
    arca_release(a); /* the last unit: it dies, and has no cell any more */
    lock_release(&weak_lock);
    return unused;
}

TEST(protocol, one_that_was_upgraded_and_has_died_is_noticed)
{
    actors_make();
    actors_ring();
    pthread_t thread = start_thread(upgrade_and_kill, NULL);
    while (!atomic_load(&in_section))
        wait_ms(1);
    CHECK_EQ(arca_gc_collect(2), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(nodes_alive(), 1);
    node_check(&b->node);
    check_all_goes();
}

/* ---- what failed is tried again ----------------------------------------------------------------------------------------- */

TEST(protocol, what_could_not_be_proved_is_found_by_a_later_collection_of_its_generation)
{
    actors_make();
    actors_ring();
    c->script = get_hold_of_a;
    CHECK_EQ(arca_gc_collect(0), 0);
    CHECK(hand == a);
    c->script = NULL;
    arca_release(hand);
    hand = NULL;
    int generation = arca_gc_generation(a);
    CHECK_EQ(generation, 1);
    CHECK_EQ(arca_gc_collect(generation), 3);
}

/* ---- a collector that has no time -------------------------------------------------------------------------------------------- */

#define SLOW_MEMBERS 3072
#define SLOW_WINDOW_MS 500

static unsigned members_seen;

/* In all a longer time than a window, in the three thousand looks of a scan. */
static void look_slowly(struct actor *self)
{
    if (self->looks >= SCAN && certifier_window_ms == SLOW_WINDOW_MS && members_seen++ % 1024 == 512)
        wait_ms(SLOW_WINDOW_MS * 6 / 10);
}

static long collect_slowly(void)
{
    uint32_t window_ms = certifier_window_ms;
    struct actor *first = node_of(&actor_type), *last = first;
    for (unsigned i = 1; i < SLOW_MEMBERS; i++) {
        struct actor *next = node_of(&actor_type);
        next->script = look_slowly;
        arca_slot_put(&last->node.slots[0], next);
        last = next;
    }
    node_link(&last->node, 0, first);
    arca_release(first);
    certifier_window_ms = SLOW_WINDOW_MS;
    long collected = arca_gc_collect(2);
    certifier_window_ms = window_ms;
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    return collected;
}

/* It may be held up for the rest of a window by others. */
TEST(protocol, words_that_are_read_often_enough_prove_garbage_however_long_it_takes)
{
    long collected = 0;
    manual();
    for (unsigned tries = 0; tries < 10 && collected != SLOW_MEMBERS; tries++)
        collected = collect_slowly();
    CHECK_EQ(collected, SLOW_MEMBERS);
}

/* ---- looking at a block that dies ----------------------------------------------------------------------------------------- */

/* Who waits for its finalize in a list has a link for a kind; its finalize gives it a count again.  A look that reads the
 * kind before and the word after sees both. */
TEST(protocol, a_link_is_never_taken_for_a_type)
{
    uint64_t word;
    struct scope_kind seen = { 0, NULL };
    manual();
    struct node *node = node_new(), *next = node_new();
    uintptr_t kind = node->object.arca_kind;
    CHECK(scope_look(node, &word, &seen) == &node_type);
    node->object.arca_kind = (uintptr_t)1 << KIND_INDEX_SHIFT | (uintptr_t)next | KIND_PENDING;
    CHECK(scope_look(node, &word, &seen) == NULL);
    node->object.arca_kind = kind;
    arca_release(node);
    CHECK(scope_look(node, &word, &seen) == NULL);
    arca_release(next);
}
