/* Threads which start threads, allocate, and end while their children work on what they were given: every block stays valid and
   can be freed by whoever has it last. Facts of glibc's tst-malloc-thread-exit. */
#include "check.h"
#include <pthread.h>

enum { OUTER = 8, INNER = 40, BLOCKS = 64 };

struct task {
    unsigned char *blocks[BLOCKS];
    size_t depth;
};

static struct task *new_task(size_t depth)
{
    struct task *task = malloc(sizeof *task);
    CHECK(task != NULL);
    task->depth = depth;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + i * i * 5;
        task->blocks[i] = malloc(size);
        CHECK(task->blocks[i] != NULL);
        memset(task->blocks[i], (int)(i + depth), size);
    }
    return task;
}

static void free_task(struct task *task)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(task->blocks[i][0] == (unsigned char)(i + task->depth));
        CHECK(task->blocks[i][i * i * 5] == (unsigned char)(i + task->depth));
        free(task->blocks[i]);
    }
    free(task);
}

/* The parent of a chain ends at once; the chain's last thread tells that all is done. */
static int finished;

static void *link_of_chain(void *argument)
{
    struct task *task = argument;
    size_t depth = task->depth;
    free_task(task);
    if (depth == INNER) {
        __atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
        return NULL;
    }
    pthread_t next;
    CHECK(pthread_create(&next, NULL, link_of_chain, new_task(depth + 1)) == 0);
    CHECK(pthread_detach(next) == 0);
    return NULL;
}

int main(void)
{
    for (size_t i = 0; i < OUTER; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, link_of_chain, new_task(1)) == 0);
        CHECK(pthread_detach(thread) == 0);
    }
    while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < OUTER)
        usleep(1000);
    exercise_heap();
    return 0;
}
