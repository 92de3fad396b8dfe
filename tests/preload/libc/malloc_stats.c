/* malloc_stats writes text to stderr and nothing to stdout; called by a thread with a cancellation pending it leaves stderr and
   the heap usable, and later writes to stderr stay cancellation points. Facts of glibc's tst-malloc-stats-cancellation. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

static void *stats_then_write(void *unused)
{
    (void)unused;
    malloc_stats();
    for (;;)
        fputs("x", stderr); /* a cancellation point: stderr is not buffered */
    return NULL;
}

int main(void)
{
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    int real_out = dup(STDOUT_FILENO);
    CHECK(out >= 0 && err >= 0 && real_out >= 0);
    CHECK(dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0);
    void *block = malloc(12345);
    malloc_stats();
    free(block);
    fflush(NULL);
    CHECK(dup2(real_out, STDOUT_FILENO) >= 0);
    CHECK(lseek(out, 0, SEEK_END) == 0);
    CHECK(lseek(err, 0, SEEK_END) > 20);

    CHECK(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) >= 0);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK(pthread_create(&thread, NULL, stats_then_write, NULL) == 0);
        if (i % 2 == 0)
            sched_yield();
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    malloc_stats();
    exercise_heap();
    return 0;
}
