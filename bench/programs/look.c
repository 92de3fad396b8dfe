// look MIB LOOKS: fills MIB of memory with small blocks, changes some of them in another thread all the time, and
// looks LOOKS times at the statistics meanwhile, once a second, after as many looks as use up what these may take in advance.
// Prints what a look takes of a processor, in ms, and then waits for the end of its input, while the other thread goes on.
#include <arca/arca.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CHANGING = 20000, ADVANCE_MS = 100 };

static void *block_of(unsigned number)
{
    size_t size = 16 + number * 7919u % 800;
    void *block = malloc(size);
    if (!block)
        abort();
    return memset(block, 1, size);
}

static void *change(void *unused)
{
    static void *blocks[CHANGING];
    for (unsigned i = 0;; i++) {
        free(blocks[i * 31 % CHANGING]);
        blocks[i * 31 % CHANGING] = block_of(i);
    }
    return unused;
}

static double thread_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t bytes = strtoul(argv[1], NULL, 10) << 20;
    int looks = atoi(argv[2]);
    struct arca_stats stats = {.size = sizeof stats};
    pthread_t thread;
    unsigned number = 0;
    for (size_t filled = 0; filled < bytes; filled += 430)
        *(void **)block_of(number++) = NULL; // kept for ever
    if (pthread_create(&thread, NULL, change, NULL) != 0)
        return 1;
    double before = thread_ms(), took = 0;
    while (thread_ms() - before < ADVANCE_MS) {
        if (arca_stats_get(&stats) != 0)
            return 1;
    }
    for (int i = 0; i < looks; i++) {
        sleep(1);
        before = thread_ms();
        if (arca_stats_get(&stats) != 0)
            return 1;
        took += thread_ms() - before;
    }
    printf("%.3f %zu\n", took / looks, stats.resident >> 20);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    _exit(0);
}
