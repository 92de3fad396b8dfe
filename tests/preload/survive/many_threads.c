/* 10,000 threads in waves of 500 which live at once, on small stacks, each allocating, handing a block on and freeing one of
   another: all come and go, and memory does not grow with their number. */
#include "check.h"
#include <pthread.h>

enum { WAVES = 20, WAVE = 500 };
static pthread_barrier_t all_alive;
static unsigned char *handed[WAVE];

static void *live(void *argument)
{
    size_t own = (uintptr_t)argument;
    unsigned char *kept = malloc(300);
    CHECK(kept != NULL);
    memset(kept, (int)own, 300);
    unsigned char *gift = malloc(1 + own % 5000);
    CHECK(gift != NULL);
    gift[0] = (unsigned char)own;
    handed[own] = gift;
    for (int i = 0; i < 50; i++)
        free(hide(malloc((size_t)i * 30)));
    pthread_barrier_wait(&all_alive);
    size_t other = (own + 7) % WAVE;
    CHECK(handed[other][0] == (unsigned char)other);
    free(handed[other]);
    CHECK(kept[0] == (unsigned char)own && kept[299] == (unsigned char)own);
    free(kept);
    return NULL;
}

int main(void)
{
    pthread_attr_t small_stacks;
    static pthread_t threads[WAVE];
    size_t settled = 0;
    CHECK(pthread_attr_init(&small_stacks) == 0);
    CHECK(pthread_attr_setstacksize(&small_stacks, 64 * KIB) == 0);
    CHECK(pthread_barrier_init(&all_alive, NULL, WAVE) == 0);
    for (int wave = 0; wave < WAVES; wave++) {
        for (size_t i = 0; i < WAVE; i++) {
            int error = pthread_create(&threads[i], &small_stacks, live, (void *)(uintptr_t)i);
            CHECK(error == 0, "(wave %d, thread %zu: %s)", wave, i, strerror(error));
        }
        for (size_t i = 0; i < WAVE; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        if (wave == 3)
            settled = resident_bytes();
    }
    CHECK(resident_bytes() < settled + 16 * MIB, "(%zu after wave 3, %zu at the end)", settled, resident_bytes());
    return 0;
}
