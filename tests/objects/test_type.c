/* Descriptors: what is right, and a line for each thing that is wrong. */
#include "nodes.h"

static const uint32_t one_slot[] = { 16 };

static void make(arca_type type)
{
    static arca_type kept; /* the library keeps a pointer */
    kept = type;
    arca_release(arca_new(&kept));
}

TEST_ABORTS(type, a_name_is_wanted, "arca: type '(no name)': a type must have a name\n")
{
    make((arca_type){ .size = 16 });
}

TEST_ABORTS(type, a_size_without_the_header_is_refused, "arca: type 't': size does not even hold the header\n")
{
    make((arca_type){ .name = "t", .size = 8 });
}

TEST_ABORTS(type, a_variable_part_wants_its_own_header, "arca: type 't': size does not even hold the header\n")
{
    make((arca_type){ .name = "t", .size = 16, .item_size = 1 });
}

TEST_ABORTS(type, a_size_beyond_4_gib_is_refused, "arca: type 't': size is beyond 4 GiB\n")
{
    make((arca_type){ .name = "t", .size = (size_t)1 << 32 });
}

TEST_ABORTS(type, unknown_flags_are_refused, "arca: type 't': flags has unknown bits\n")
{
    make((arca_type){ .name = "t", .size = 16, .flags = 32 });
}

TEST_ABORTS(type, slots_without_offsets_are_refused, "arca: type 't': slots and slot_count want each other")
{
    make((arca_type){ .name = "t", .size = 24, .slot_count = 1 });
}

static void visit_nothing(void *object, arca_visit *visit, void *context)
{
    (void)object, (void)visit, (void)context;
}

/* Easily forgotten, and its objects would keep what they hold for ever. */
TEST_ABORTS(type, offsets_that_nobody_counts_are_refused, "arca: type 't': slots and slot_count want each other")
{
    make((arca_type){ .name = "t", .size = 24, .slots = one_slot });
}

TEST_ABORTS(type, offsets_and_traverse_are_one_too_many, "arca: type 't': slots and traverse are one too many\n")
{
    make((arca_type){ .name = "t", .size = 24, .slots = one_slot, .slot_count = 1, .traverse = visit_nothing });
}

TEST_ABORTS(type, a_crooked_offset_is_refused, "arca: type 't': a slot's offset is not a multiple of 8\n")
{
    make((arca_type){ .name = "t", .size = 32, .slots = (const uint32_t[]){ 20 }, .slot_count = 1 });
}

TEST_ABORTS(type, a_slot_in_the_header_is_refused, "arca: type 't': a slot lies in the header or outside the object\n")
{
    make((arca_type){ .name = "t", .size = 32, .slots = (const uint32_t[]){ 8 }, .slot_count = 1 });
}

TEST_ABORTS(type, a_slot_over_the_count_of_items_is_refused, "arca: type 't': a slot lies in the header or outside")
{
    make((arca_type){ .name = "t", .size = 32, .item_size = 1, .slots = one_slot, .slot_count = 1 });
}

TEST_ABORTS(type, a_slot_behind_the_object_is_refused, "arca: type 't': a slot lies in the header or outside the object\n")
{
    make((arca_type){ .name = "t", .size = 20, .slots = one_slot, .slot_count = 1 });
}

TEST_ABORTS(type, a_slot_named_twice_is_refused, "arca: type 't': slots must ascend, each named once\n")
{
    make((arca_type){ .name = "t", .size = 32, .slots = (const uint32_t[]){ 16, 16 }, .slot_count = 2 });
}

TEST_ABORTS(type, slots_that_descend_are_refused, "arca: type 't': slots must ascend, each named once\n")
{
    make((arca_type){ .name = "t", .size = 32, .slots = (const uint32_t[]){ 24, 16 }, .slot_count = 2 });
}

TEST_ABORTS(type, item_slots_of_another_size_are_refused, "arca: type 't': items that are slots are 8 bytes")
{
    make((arca_type){ .name = "t", .size = 24, .item_size = 16, .flags = ARCA_TYPE_ITEM_SLOTS });
}

TEST_ABORTS(type, item_slots_at_a_crooked_place_are_refused, "arca: type 't': items that are slots are 8 bytes")
{
    make((arca_type){ .name = "t", .size = 28, .item_size = 8, .flags = ARCA_TYPE_ITEM_SLOTS });
}

TEST_ABORTS(type, item_slots_and_traverse_are_one_too_many, "arca: type 't': items that are slots are 8 bytes")
{
    make((arca_type){ .name = "t", .size = 24, .item_size = 8, .flags = ARCA_TYPE_ITEM_SLOTS, .traverse = visit_nothing });
}

TEST_ABORTS(type, items_of_a_type_without_them_are_refused, "arca: arca_new_var(): type 'node' has no variable part\n")
{
    arca_release(arca_new_var(&node_type, 3));
}

TEST(type, the_smallest_object_is_a_header)
{
    static arca_type bare = { .name = "bare", .size = sizeof(arca_object) };
    arca_object *object = arca_new(&bare);
    CHECK(arca_type_of(object) == &bare);
    arca_release(object);
}

TEST(type, an_offset_may_be_the_last_one)
{
    static arca_type tail = { .name = "tail", .size = 24, .slots = one_slot, .slot_count = 1 };
    arca_object *object = arca_new(&tail);
    arca_slot_put((arca_slot *)(object + 1), node_new());
    arca_release(object);
    nodes_check_gone();
}

TEST(type, the_type_of_an_object_stays_known_with_weak_references)
{
    struct node *node = node_new();
    CHECK(arca_type_of(node) == &node_type);
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    CHECK(arca_type_of(node) == &node_type);
    CHECK_STR(arca_type_of(weak)->name, "arca_weak");
    arca_release(weak);
    arca_release(node);
}

/* ---- first use from several threads ------------------------------------------------------------------ */

#define RACERS 4

static pthread_barrier_t start;
static arca_type raced = { .name = "raced", .size = sizeof(struct node), .flags = ARCA_TYPE_OWN_BLOCKS };

static void *race(void *argument)
{
    pthread_barrier_wait(&start);
    void **made = argument;
    *made = arca_new(&raced);
    return NULL;
}

TEST(type, is_prepared_once_by_racing_threads)
{
    pthread_t threads[RACERS];
    void *made[RACERS];
    pthread_barrier_init(&start, NULL, RACERS);
    for (unsigned i = 0; i < RACERS; i++)
        threads[i] = start_thread(race, &made[i]);
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        REQUIRE(made[i] != NULL);
        CHECK(arca_type_of(made[i]) == &raced);
        /* One heap for all of them. */
        CHECK_EQ((uintptr_t)made[i] >> 16, (uintptr_t)made[0] >> 16);
        arca_release(made[i]);
    }
}
