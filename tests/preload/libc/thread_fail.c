/* Threads allocate until the address space is used up: every function answers NULL, what was given stays aligned and zeroed, all
   of it can be freed, and afterwards the process can allocate again. Facts of glibc's tst-malloc-thread-fail.
   run: timeout=120 */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

enum { THREADS = 4 };
enum function { MALLOC, CALLOC, REALLOC, VALLOC, PVALLOC, ALIGNED_ALLOC, MEMALIGN, POSIX_MEMALIGN };
static const size_t LIMIT = 160 * MIB;

static enum function function;
static size_t size, alignment;
static pthread_barrier_t all_started, all_full;

static void *allocate(void)
{
    void *block = NULL, *small;
    errno = 0;
    switch (function) {
    case MALLOC:
        return malloc(size);
    case CALLOC:
        block = calloc(1, size);
        for (size_t i = 0; block != NULL && i < size; i++)
            CHECK(((char *)block)[i] == 0, "(byte %zu of %zu)", i, size);
        return block;
    case REALLOC:
        small = malloc(16);
        block = small == NULL ? NULL : realloc(small, size);
        if (block == NULL)
            free(small);
        return block;
    case VALLOC:
        return valloc(size);
    case PVALLOC:
        return pvalloc(size);
    case ALIGNED_ALLOC:
        return aligned_alloc(alignment, size);
    case MEMALIGN:
        return memalign(alignment, size);
    case POSIX_MEMALIGN:
        errno = posix_memalign(&block, alignment, size);
        return block;
    }
    return NULL;
}

static void *fill_memory(void *unused)
{
    size_t wanted = function >= ALIGNED_ALLOC ? alignment : function == VALLOC || function == PVALLOC ? 4096 : 16;
    void **list = NULL, **block;
    pthread_barrier_wait(&all_started);
    while ((block = allocate()) != NULL) {
        CHECK(is_aligned(block, wanted), "(function %d, size %zu: %p)", (int)function, size, (void *)block);
        *block = list;
        list = block;
    }
    CHECK(errno == ENOMEM, "(function %d, errno %d)", (int)function, errno);
    pthread_barrier_wait(&all_full);
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
    return unused;
}

static void run_in_child(void)
{
    pid_t child = fork();
    if (child != 0) {
        expect_success(child);
        return;
    }
    pthread_attr_t small_stacks;
    pthread_t threads[THREADS];
    CHECK(pthread_attr_init(&small_stacks) == 0);
    CHECK(pthread_attr_setstacksize(&small_stacks, 256 * KIB) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], &small_stacks, fill_memory, NULL) == 0);
    fill_memory(NULL);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    exercise_heap();
    _exit(0);
}

int main(void)
{
    CHECK(mallopt(M_ARENA_MAX, 2) != 0); /* glibc reserves 64 MiB an arena */
    CHECK(pthread_barrier_init(&all_started, NULL, THREADS + 1) == 0);
    CHECK(pthread_barrier_init(&all_full, NULL, THREADS + 1) == 0);
    struct rlimit limit = {LIMIT, LIMIT};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    static const size_t plain_sizes[] = {144, 4096, 70000};
    static const size_t aligned_sizes[] = {512, 4096, 17 * 4096};
    for (size_t i = 0; i < 3; i++) {
        size = plain_sizes[i];
        for (function = MALLOC; function <= PVALLOC; function++)
            run_in_child();
        size = aligned_sizes[i];
        alignment = 128;
        for (function = ALIGNED_ALLOC; function <= POSIX_MEMALIGN; function++)
            run_in_child();
    }
    return 0;
}
