/* Handlers the program registers with pthread_atfork, before and after the allocator's own (from .preinit_array, a constructor,
   and main), which allocate and free in all three phases while other threads allocate too. */
#include "check.h"
#include <pthread.h>

enum { FORKS = 100, THREADS = 3, HANDLERS = 3 };
static void *held[HANDLERS];
static int stop, phases[3];

static void allocate_in_phase(int phase, int handler)
{
    phases[phase]++;
    exercise_heap();
    free(held[handler]);
    held[handler] = malloc(5000);
    CHECK(held[handler] != NULL);
    memset(held[handler], phase, 5000);
    void *aligned = NULL;
    CHECK(posix_memalign(&aligned, 4096, 100000) == 0);
    free(aligned);
}

#define HANDLER(number)                                                          \
    static void prepare_##number(void) { allocate_in_phase(0, number); }         \
    static void parent_##number(void) { allocate_in_phase(1, number); }          \
    static void child_##number(void) { allocate_in_phase(2, number); }           \
    static void register_##number(void)                                          \
    {                                                                            \
        CHECK(pthread_atfork(prepare_##number, parent_##number, child_##number) == 0); \
    }
HANDLER(0)
HANDLER(1)
HANDLER(2)

__attribute__((section(".preinit_array"), used)) static void (*before_all_libraries)(void) = register_0;

__attribute__((constructor)) static void with_constructors(void)
{
    register_1();
}

static void *churn(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        exercise_heap();
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];
    register_2();
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(phases[2] == HANDLERS);
            exercise_heap();
            _exit(0);
        }
        expect_success(child);
    }
    CHECK(phases[0] == FORKS * HANDLERS && phases[1] == FORKS * HANDLERS);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
