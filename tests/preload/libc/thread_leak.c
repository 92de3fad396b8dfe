/* What a thread caches goes with the thread: neither mallinfo's count nor the resident size grows with the number of threads which
   have come and gone. Facts of glibc's tst-malloc-tcache-leak. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 20000 };

static void *worker(void *unused)
{
    (void)unused;
    free(hide(malloc(32)));
    free(hide(malloc(3000)));
    return malloc(32);
}

static void start_and_free(int count)
{
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        void *block = NULL;
        CHECK(pthread_create(&thread, NULL, worker, NULL) == 0);
        CHECK(pthread_join(thread, &block) == 0);
        CHECK(block != NULL);
        free(block);
    }
}

int main(void)
{
    start_and_free(100);
    size_t in_use = mallinfo2().uordblks, resident = resident_bytes();
    start_and_free(THREADS);
    size_t in_use_now = mallinfo2().uordblks, resident_now = resident_bytes();
    CHECK(in_use_now <= in_use + THREADS, "(%zu before, %zu after)", in_use, in_use_now);
    CHECK(resident_now <= resident + 4 * MIB, "(%zu before, %zu after)", resident, resident_now);
    return 0;
}
