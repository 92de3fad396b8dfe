/* 5,000 threads live at once, each with blocks of its own: the process takes 90 MB at the most, and less than 30 MB soon after they
   have gone. */
#include "check.h"
#include <errno.h>
#include <pthread.h>

enum { THREADS = 5000, LIMIT_ALIVE = 90 * 1000000, LIMIT_GONE = 30 * 1000000, PATIENCE_S = 20 };
static pthread_barrier_t all_alive, all_counted;

static void *live(void *argument)
{
    size_t own = (uintptr_t)argument;
    unsigned char *kept[4];
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        kept[i] = malloc(100 << i);
        CHECK(kept[i] != NULL);
        memset(kept[i], (int)own, 100 << i);
    }
    pthread_barrier_wait(&all_alive);
    pthread_barrier_wait(&all_counted);
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++) {
        CHECK(kept[i][0] == (unsigned char)own && kept[i][(100 << i) - 1] == (unsigned char)own);
        free(kept[i]);
    }
    return NULL;
}

int main(void)
{
    pthread_attr_t small_stacks;
    static pthread_t threads[THREADS];
    CHECK(pthread_attr_init(&small_stacks) == 0);
    CHECK(pthread_attr_setstacksize(&small_stacks, 64 * KIB) == 0);
    CHECK(pthread_barrier_init(&all_alive, NULL, THREADS + 1) == 0);
    CHECK(pthread_barrier_init(&all_counted, NULL, THREADS + 1) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        int error = pthread_create(&threads[i], &small_stacks, live, (void *)(uintptr_t)i);
        if (error == EAGAIN)
            SKIP("only %zu threads may be started here: raise ulimit -u or the pids limit", i);
        CHECK(error == 0, "(thread %zu: %s)", i, strerror(error));
    }
    pthread_barrier_wait(&all_alive);
    size_t alive = resident_bytes();
    pthread_barrier_wait(&all_counted);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    double end = seconds_now();
    size_t gone = resident_bytes();
    for (; gone >= LIMIT_GONE && seconds_now() < end + PATIENCE_S; gone = resident_bytes())
        sleep_ms(20);
    dprintf(STDOUT_FILENO, "%d threads: %.1f MB, %.1f seconds after their end %.1f MB\n", THREADS, (double)alive / 1e6,
            seconds_now() - end, (double)gone / 1e6);
    CHECK(alive <= LIMIT_ALIVE && gone < LIMIT_GONE, "(%zu, %zu)", alive, gone);
    return 0;
}
