/* 200 forks while other threads allocate: each child allocates at once, frees blocks of its parent (of its own thread and of the
   threads which do not exist there), starts threads of its own, and some fork again; the parent's threads never notice.
   run: timeout=150 */
#include "check.h"
#include <pthread.h>

enum { FORKS = 200, THREADS = 4, SLOTS = 300, SHARED = 2000 };
static int stop;
static unsigned char *shared_blocks[SHARED];
static unsigned char *orphans[THREADS][SLOTS];

static void *churn(void *argument)
{
    size_t own = (uintptr_t)argument;
    static __thread unsigned char *blocks[SLOTS];
    static __thread size_t sizes[SLOTS];
    uint64_t random = own * 77 + 1;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        size_t i = random_below(&random, SLOTS);
        if (blocks[i] != NULL && sizes[i] > 0)
            CHECK(blocks[i][0] == (unsigned char)i && blocks[i][sizes[i] - 1] == (unsigned char)i);
        free(blocks[i]);
        sizes[i] = random_below(&random, random_below(&random, 100) == 0 ? 3 * MIB : 3000);
        blocks[i] = malloc(sizes[i]);
        CHECK(blocks[i] != NULL);
        if (sizes[i] > 0)
            blocks[i][0] = blocks[i][sizes[i] - 1] = (unsigned char)i;
    }
    for (size_t i = 0; i < SLOTS; i++)
        free(blocks[i]);
    return NULL;
}

static void *make_orphans(void *argument)
{
    size_t own = (uintptr_t)argument;
    for (size_t i = 0; i < SLOTS; i++) {
        unsigned char *block = malloc(200 + i);
        CHECK(block != NULL);
        memset(block, (int)own, 200 + i);
        __atomic_store_n(&orphans[own][i], block, __ATOMIC_RELEASE);
    }
    return churn(argument);
}

static void *short_thread(void *unused)
{
    exercise_heap();
    return unused;
}

static void live_as_child(int number)
{
    exercise_heap();
    for (size_t i = 0; i < SHARED; i++) {
        CHECK(shared_blocks[i][0] == (unsigned char)i);
        free(shared_blocks[i]);
    }
    for (size_t t = 0; t < THREADS; t++)
        for (size_t i = 0; i < SLOTS; i++) {
            CHECK(orphans[t][i][199] == (unsigned char)t);
            free(orphans[t][i]);
        }
    pthread_t threads[3];
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, short_thread, NULL) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    if (number % 10 == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            exercise_heap();
            _exit(0);
        }
        expect_success(grandchild);
    }
    exercise_heap();
    if (number % 3 == 0)
        exit(0); /* through atexit handlers and destructors */
    _exit(0);
}

static int orphans_ready(void)
{
    for (size_t t = 0; t < THREADS; t++)
        if (__atomic_load_n(&orphans[t][SLOTS - 1], __ATOMIC_ACQUIRE) == NULL)
            return 0;
    return 1;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < SHARED; i++) {
        shared_blocks[i] = malloc(1 + i * 3);
        CHECK(shared_blocks[i] != NULL);
        shared_blocks[i][0] = (unsigned char)i;
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, make_orphans, (void *)(uintptr_t)i) == 0);
    while (!orphans_ready())
        usleep(1000);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0)
            live_as_child(i);
        expect_success(child);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    exercise_heap();
    return 0;
}
