/* Birth, counts, immortality. */
#include "../unit/capture.h"
#include "nodes.h"

#include "gc/objects/header.h"

#include <errno.h>

static arca_type bytes_type = { .name = "bytes", .size = sizeof(arca_var_object), .item_size = 1 };

static bool all_zero(const unsigned char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != 0)
            return false;
    }
    return true;
}

TEST(ref, a_new_object_is_zeroed_aligned_and_counted_once)
{
    /* Twice each, dirty in between, so that reused memory is met as well; across bins, pools and large spans. */
    for (size_t count = 0; count < 300000; count = count * 5 / 4 + 1) {
        for (unsigned again = 0; again < 2; again++) {
            arca_var_object *object = arca_new_var(&bytes_type, count);
            REQUIRE(object != NULL);
            CHECK_EQ((uintptr_t)object % 16, 0);
            CHECK_EQ(object->count, count);
            CHECK_EQ(arca_refcount(object), 1);
            CHECK(arca_type_of(object) == &bytes_type);
            CHECK(!arca_is_finalized(object));
            CHECK(all_zero((unsigned char *)(object + 1), count));
            memset(object + 1, 0xa5, count);
            arca_release(object);
        }
    }
}

TEST(ref, retain_and_release_count)
{
    struct node *node = node_new();
    CHECK(arca_retain(node) == node);
    CHECK_EQ(arca_refcount(node), 2);
    arca_release(node);
    CHECK_EQ(arca_refcount(node), 1);
    CHECK_EQ(nodes_dead, 0);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

TEST(ref, null_is_no_object)
{
    CHECK(arca_retain(NULL) == NULL);
    arca_release(NULL);
    CHECK_EQ(arca_refcount(NULL), 0);
    CHECK(arca_type_of(NULL) == NULL);
    CHECK(!arca_is_finalized(NULL));
    arca_make_immortal(NULL);
    arca_auto struct node *none = NULL;
    CHECK(none == NULL);
}

TEST(ref, arca_auto_releases_at_the_end_of_the_scope)
{
    {
        arca_auto struct node *node = node_new();
        node_check(node);
    }
    nodes_check_gone();
}

TEST(ref, retain_bumps_the_version_and_release_does_not)
{
    struct node *node = node_new();
    uint64_t before = *word_of(node);
    arca_retain(node);
    CHECK_EQ(*word_of(node), before + WORD_VERSION + 1);
    arca_release(node);
    CHECK_EQ(*word_of(node), before + WORD_VERSION);
    arca_release(node);
}

/* ---- the end of the count ---------------------------------------------------------------------------- */

static struct node *crowded;

static void retain_thrice(void)
{
    for (unsigned i = 0; i < 3; i++)
        arca_retain(crowded);
}

TEST(ref, a_count_at_its_end_makes_immortal_and_says_so_once)
{
    crowded = node_new();
    store_rlx(word_of(crowded), load_rlx(word_of(crowded)) + ARCA_PRIVATE_COUNT_LIMIT - 2); /* count limit - 1 */
    CHECK_EQ(arca_refcount(crowded), ARCA_PRIVATE_COUNT_LIMIT - 1);
    char expected[200];
    snprintf(expected, sizeof expected,
             "arca: arca_retain(): %p: the count of this 'node' has reached its end: it is immortal now\n", (void *)crowded);
    CHECK_STR(capture(retain_thrice), expected);
    CHECK_EQ(arca_refcount(crowded), SIZE_MAX);
    for (unsigned i = 0; i < 10; i++)
        arca_release(crowded);
    CHECK_EQ(arca_refcount(crowded), SIZE_MAX);
    node_check(crowded);
}

TEST(ref, a_count_that_falls_from_just_below_its_end_is_exact)
{
    struct node *node = node_new();
    store_rlx(word_of(node), load_rlx(word_of(node)) + ARCA_PRIVATE_COUNT_LIMIT - 2);
    arca_retain(node); /* at the limit */
    CHECK_EQ(arca_refcount(node), ARCA_PRIVATE_COUNT_LIMIT);
    arca_release(node);
    arca_release(node);
    CHECK_EQ(arca_refcount(node), ARCA_PRIVATE_COUNT_LIMIT - 2);
    store_rlx(word_of(node), load_rlx(word_of(node)) - (ARCA_PRIVATE_COUNT_LIMIT - 3));
    arca_release(node);
    nodes_check_gone();
}

static void *retain_much(void *object)
{
    for (unsigned i = 0; i < 100000; i++)
        arca_retain(object);
    return NULL;
}

TEST(ref, racing_retains_at_the_end_do_not_wrap)
{
    pthread_t threads[4];
    crowded = node_new();
    store_rlx(word_of(crowded), load_rlx(word_of(crowded)) + ARCA_PRIVATE_COUNT_LIMIT - 5000);
    for (unsigned i = 0; i < 4; i++)
        threads[i] = start_thread(retain_much, crowded);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(arca_refcount(crowded), SIZE_MAX);
    node_check(crowded);
}

/* ---- immortal ------------------------------------------------------------------------------------------ */

static arca_type god_type = {
    .name = "god", .size = sizeof(struct node), .destroy = node_destroy, .flags = ARCA_TYPE_IMMORTAL
};

TEST(ref, an_immortal_object_survives_all_releases)
{
    struct node *node = node_of(&god_type);
    arca_make_immortal(node);
    arca_make_immortal(node);
    for (unsigned i = 0; i < 5; i++)
        arca_release(node);
    arca_retain(node);
    CHECK_EQ(arca_refcount(node), SIZE_MAX);
    struct node *owner = node_new();
    arca_slot_store(&owner->left, node);
    void *loaded = arca_slot_load(&owner->left);
    CHECK(loaded == node);
    void *taken = arca_slot_take(&owner->left);
    CHECK(taken == node);
    arca_slot_put(&owner->left, node);
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    void *upgraded = arca_weak_upgrade(weak);
    CHECK(upgraded == node);
    arca_release(owner);
    upgraded = arca_weak_upgrade(weak);
    CHECK(upgraded == node);
    arca_release(weak);
    node_check(node);
}

/* The most that a count can drift before somebody sees it. */
TEST(ref, the_count_of_an_immortal_object_never_meets_an_end)
{
    struct node *node = node_of(&god_type);
    arca_make_immortal(node);
    uint64_t word = load_rlx(word_of(node)) & ~WORD_COUNT;
    store_rlx(word_of(node), word + 2); /* as after very many releases */
    arca_release(node);
    CHECK(word_count(load_rlx(word_of(node))) > ARCA_PRIVATE_COUNT_LIMIT / 2);
    store_rlx(word_of(node), word + WORD_COUNT - 2);
    arca_slot slot = { node };
    void *loaded = arca_slot_load(&slot);
    CHECK(loaded == node);
    CHECK(word_count(load_rlx(word_of(node))) < WORD_COUNT / 4 * 3);
    CHECK_EQ(arca_refcount(node), SIZE_MAX);
}

static ARCA_STATIC(struct node) rock = { .object = { .object = ARCA_IMMORTAL(&god_type) } };
#define stone rock.object

TEST(ref, static_objects_are_immortal_and_written_by_nobody)
{
    uint64_t word = *word_of(&stone);
    struct node *owner = node_new();
    CHECK_EQ(arca_refcount(&stone), SIZE_MAX);
    CHECK(arca_type_of(&stone) == &god_type);
    arca_slot_store(&owner->right, &stone);
    arca_release(owner);
    arca_release(&stone);
    arca_release(&stone);
    CHECK_EQ(arca_refcount(&stone), SIZE_MAX);
    CHECK_EQ(*word_of(&stone), word);
    CHECK_EQ(nodes_dead, 1);
}

TEST_ABORTS(ref, an_immortal_object_wants_a_type_that_allows_it, "type 'node' has no immortal objects\n")
{
    arca_make_immortal(node_new());
}

/* ---- crimes -------------------------------------------------------------------------------------------- */

TEST_ABORTS(ref, a_release_too_many_is_named, "the object is dead already (released too often)\n")
{
    void *node = node_new();
    arca_release(node);
    arca_release(node);
}

TEST_ABORTS(ref, a_dead_object_is_not_made_immortal, "arca: arca_make_immortal(): ")
{
    static arca_type type = { .name = "brief", .size = 32, .flags = ARCA_TYPE_IMMORTAL };
    void *object = arca_new(&type);
    arca_release(object);
    arca_make_immortal(object);
}

TEST_ABORTS(ref, a_retain_after_death_is_named, "arca: arca_retain(): ")
{
    void *node = node_new();
    arca_release(node);
    arca_retain(node);
}

static void release_self(void *object)
{
    arca_release(object);
}

TEST_ABORTS(ref, a_destroy_that_releases_its_object_is_named, "the object is dead already (released too often)\n")
{
    static arca_type suicidal = { .name = "suicidal", .size = 16, .destroy = release_self };
    arca_release(arca_new(&suicidal));
}

static void retain_self(void *object)
{
    arca_retain(object);
}

TEST_ABORTS(ref, a_destroy_that_retains_its_object_is_named, "arca: arca_retain(): ")
{
    static arca_type zombie = { .name = "zombie", .size = 16, .destroy = retain_self };
    arca_release(arca_new(&zombie));
}

TEST_ABORTS(ref, a_slot_that_does_not_own_what_it_holds_is_named, "in a slot of a dying object and dead already")
{
    struct node *owner = node_new(), *node = node_new();
    arca_slot_store(&owner->left, node);
    arca_release(node);
    arca_release(node); /* the slot's */
    arca_release(owner);
}

/* ---- no memory ------------------------------------------------------------------------------------------ */

TEST(ref, sizes_that_nobody_has_are_enomem)
{
    static arca_type wide = { .name = "wide", .size = 32, .item_size = 1000 };
    const size_t counts[] = { SIZE_MAX, SIZE_MAX / 1000, SIZE_MAX / 1000 + 1, PTRDIFF_MAX / 1000, (size_t)1 << 46 };
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        errno = 0;
        CHECK(arca_new_var(&wide, counts[i]) == NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    arca_release(node_new());
}

TEST(ref, release_preserves_errno)
{
    errno = 4711;
    for (unsigned i = 0; i < 1000; i++)
        arca_release(node_new());
    arca_release(arca_new_var(&bytes_type, 1 << 20));
    CHECK_EQ(errno, 4711);
}

TEST(ref, attaching_may_be_done_again)
{
    CHECK_EQ(arca_thread_attach(), 0);
    CHECK_EQ(arca_thread_attach(), 0);
    arca_release(node_new());
    CHECK_EQ(arca_thread_attach(), 0);
}
