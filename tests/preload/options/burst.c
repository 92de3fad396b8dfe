/* A burst for a process whose memory is limited to LIMIT: never more than three quarters of it live.  Says how far it
 * came. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LIMIT (128 * MIB)
#define THREADS 8
#define BLOCK 1000

static pthread_barrier_t done;

static void *fill_and_sleep(void *unused)
{
    static size_t count = LIMIT / 4 / BLOCK;
    char **blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++)
        blocks[i] = memset(malloc(BLOCK), 1, BLOCK);
    for (size_t i = 0; i + 1 < count; i++) /* the last one stays */
        free(blocks[i]);
    free(blocks);
    pthread_barrier_wait(&done);
    pause();
    return unused;
}

/* Threads that each had a quarter, one after the other, and now sleep. */
static void threads_in_turn(void)
{
    pthread_barrier_init(&done, NULL, 2);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, fill_and_sleep, NULL) != 0)
            exit(1);
        pthread_barrier_wait(&done);
    }
}

/* A buffer that is thrown away for a larger one, again and again. */
static void growing_buffers(void)
{
    for (size_t size = 36 * MIB; size <= LIMIT / 4 * 3; size += 10 * MIB) {
        char *buffer = malloc(size);
        if (buffer == NULL)
            exit(1);
        memset(buffer, 1, size);
        free(buffer);
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("start");
    growing_buffers();
    printf(" buffers");
    threads_in_turn();
    printf(" threads");
    growing_buffers();
    printf(" end\n");
    return 0;
}
