// A server after Larson and Krishnan ("Memory allocation for long-running server applications",
// 1998): threads replace random blocks of an array, then hand the array over to a new thread and
// exit, so that most blocks are freed by another thread than the one that allocated them.
//
// The work is fixed; its CPU time and memory are for the caller to look at.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "../micro/random.h"

enum {
    LINES = 4, // arrays, each served by one thread at a time
    SLOTS = 5000,
    GENERATIONS = 50,
    REPLACEMENTS = 60000, // by each thread of a line
    SMALLEST = 8,
    LARGEST = 1000,
};

struct line {
    uint64_t random;
    int generation;
    sem_t ended;
    char *slots[SLOTS];
};

static struct line lines[LINES];

static char *allocate(uint64_t *random)
{
    size_t size = SMALLEST + random_below(random, LARGEST - SMALLEST + 1);
    char *block = malloc(size);
    if (!block)
        abort();
    block[0] = block[size - 1] = 1;
    return block;
}

static void *serve(void *argument)
{
    struct line *line = argument;
    for (int i = 0; i < REPLACEMENTS; i++) {
        char **slot = &line->slots[random_below(&line->random, SLOTS)];
        free(*slot);
        *slot = allocate(&line->random);
    }
    if (++line->generation == GENERATIONS) {
        sem_post(&line->ended);
        return NULL;
    }
    pthread_t successor;
    if (pthread_create(&successor, NULL, serve, line) != 0)
        abort();
    pthread_detach(successor);
    return NULL;
}

int main(void)
{
    for (int i = 0; i < LINES; i++) {
        struct line *line = &lines[i];
        line->random = (uint64_t)i + 1;
        sem_init(&line->ended, 0, 0);
        for (int j = 0; j < SLOTS; j++)
            line->slots[j] = allocate(&line->random);
        pthread_t first;
        if (pthread_create(&first, NULL, serve, line) != 0)
            abort();
        pthread_detach(first);
    }
    for (int i = 0; i < LINES; i++)
        while (sem_wait(&lines[i].ended) != 0)
            ;
    printf("%d replacements\n", LINES * GENERATIONS * REPLACEMENTS);
    return 0;
}
