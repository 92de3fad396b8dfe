/* The child of a fork has its objects, and everything that it needs to use them. */
#include "nodes.h"

#include "arenas/arena.h"
#include "base/options.h"
#include "gc/objects/type.h"
#include "heap/heap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <urcu/urcu-bp.h>

static arca_type bytes_type = { .name = "bytes", .size = sizeof(arca_var_object), .item_size = 1 };
static arca_type private_type = {
    .name = "private", .size = sizeof(struct node), .destroy = node_destroy, .flags = ARCA_TYPE_OWN_BLOCKS
};

static void use_everything(void)
{
    struct node *owner = node_new();
    for (unsigned i = 0; i < 1000; i++) {
        arca_slot_store(&owner->left, owner);
        arca_slot_put(&owner->right, node_of(i % 2 ? &private_type : &node_type));
        arca_slot_swap(&owner->left, &owner->right);
        arca_release(arca_slot_load(&owner->left));
        arca_weak *weak = arca_weak_bind(arca_slot_borrow(&owner->left), NULL, NULL);
        arca_release(arca_weak_upgrade(weak));
        arca_slot_clear(&owner->left);
        arca_slot_clear(&owner->right);
        CHECK(arca_weak_upgrade(weak) == NULL);
        arca_release(weak);
    }
    arca_release(arca_new_var(&bytes_type, 100000));
    arca_release(owner);
    arca_heap_check();
}

/* What the body's child found wrong is printed there. */
static void in_a_child(void (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60); /* a hang ends, and shows */
        body();
        _exit((int)(harness_end() != 0));
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

/* Sanitizers' locks do not survive the fork; starting a thread takes them. */
static void start_no_threads_in_sanitized_children(void)
{
    if (SANITIZED)
        options.background = 0, options.collector = COLLECTOR_INLINE;
}

static struct node *inherited;

static void use_in_a_grandchild(void)
{
    node_check(inherited);
    arca_release(inherited);
    use_everything();
    in_a_child(use_everything);
}

TEST(objects_fork, the_child_has_its_objects_and_forks_again)
{
    start_no_threads_in_sanitized_children();
    inherited = node_new();
    use_everything();
    in_a_child(use_in_a_grandchild);
    node_check(inherited);
    arca_release(inherited);
    use_everything();
    nodes_check_gone();
}

/* ---- among threads that are using objects -------------------------------------------------------------- */

static _Atomic bool done;
static struct node *shared;

static void *use_objects(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    struct node *mine = node_new();
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        arca_weak *weak = arca_weak_bind(mine, NULL, NULL);
        void *loaded = arca_slot_load(&shared->left);
        arca_slot_store(&mine->left, loaded);
        arca_release(loaded);
        arca_slot_put(&mine->right, node_of(harness_random(&random) % 2 ? &private_type : &node_type));
        arca_slot_store(&shared->left, arca_slot_borrow(&mine->right));
        arca_slot_clear(&mine->left);
        arca_slot_clear(&mine->right);
        arca_release(arca_weak_upgrade(weak));
        arca_release(weak);
        if (harness_random(&random) % 64 == 0)
            arca_release(arca_new_var(&bytes_type, harness_random(&random) % 200000));
    }
    arca_release(mine);
    return NULL;
}

#define FORKS STEPS(200)

TEST(objects_fork, children_of_a_busy_process_can_use_objects)
{
    pthread_t threads[3];
    uint64_t seed = harness_seed();
    start_no_threads_in_sanitized_children();
    shared = node_new();
    for (unsigned i = 0; i < 3; i++)
        threads[i] = start_thread(use_objects, (void *)(uintptr_t)(seed + i));
    for (unsigned i = 0; i < FORKS; i++)
        in_a_child(use_everything);
    atomic_store(&done, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    arca_release(shared);
    nodes_check_gone();
}

static void *sleep_in_a_section(void *barrier)
{
    urcu_bp_read_lock();
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    urcu_bp_read_unlock();
    return NULL;
}

/* The child does not wait for readers that it does not have. */
static void give_memory_back(void)
{
    arca_release(node_new());
    size_t before = load_rlx(&arenas.used_slices);
    void *large = arca_new_var(&bytes_type, (size_t)8 << 20);
    REQUIRE(large != NULL);
    arca_release(large);
    if (SANITIZED)
        return;
    WAIT_UNTIL((arca_release(node_new()), load_rlx(&arenas.used_slices) <= before + 8));
}

static void fork_beside_a_reader(void)
{
    pthread_barrier_t barrier;
    start_no_threads_in_sanitized_children();
    arca_release(node_new());
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_t reader = start_thread(sleep_in_a_section, &barrier);
    pthread_barrier_wait(&barrier);
    in_a_child(give_memory_back);
    pthread_barrier_wait(&barrier);
    pthread_join(reader, NULL);
}

TEST(objects_fork, the_child_does_not_wait_for_its_parent_s_readers)
{
    fork_beside_a_reader();
}

/* ---- a program that uses the same flavour itself --------------------------------------------------------- */

static void fork_again(void)
{
    use_everything();
    in_a_child(use_everything);
}

TEST(objects_fork, a_program_that_brackets_forks_itself_does_not_hang)
{
    start_no_threads_in_sanitized_children();
    pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent, urcu_bp_after_fork_child);
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    use_everything();
    in_a_child(fork_again);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < 32; signal++)
        CHECK_EQ(sigismember(&before, signal), sigismember(&after, signal));
    use_everything();
    nodes_check_gone();
}

/* ---- a fork that catches others half way -------------------------------------------------------------------- */

static struct heap *held_heap;

static void use_private_type(void)
{
    for (unsigned i = 0; i < 100; i++) {
        struct node *node = arca_new(&private_type);
        CHECK(node != NULL);
        if (node != NULL)
            arca_release(node_init(node));
    }
}

TEST(objects_fork, a_type_s_own_blocks_survive_a_fork_that_catches_their_heap)
{
    start_no_threads_in_sanitized_children();
    arca_release(node_of(&private_type));
    held_heap = type_heap(&private_type);
    lock_acquire(&held_heap->lock); /* as if another thread were in it */
    in_a_child(use_private_type);
    lock_release(&held_heap->lock);
    use_private_type();
}

/* As in a library that is unloaded.  Returns its heap. */
static struct heap *use_a_type_that_leaves(const arca_type *like)
{
    arca_type *type = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(type != MAP_FAILED);
    *type = *like;
    memset(&type->arca_private, 0, sizeof type->arca_private);
    arca_release(node_of(type));
    struct heap *heap = type_heap(type);
    CHECK_EQ(munmap(type, 4096), 0);
    return heap;
}

TEST(objects_fork, a_type_may_have_left_with_its_library)
{
    start_no_threads_in_sanitized_children();
    use_a_type_that_leaves(&node_type);
    use_a_type_that_leaves(&private_type);
    in_a_child(use_everything);
}

/* A thread that sweeps may be in it. */
TEST(objects_fork, the_heap_of_a_type_that_has_left_may_be_caught)
{
    start_no_threads_in_sanitized_children();
    struct heap *heap = use_a_type_that_leaves(&private_type);
    lock_acquire(&heap->lock);
    in_a_child(use_everything);
    lock_release(&heap->lock);
}
