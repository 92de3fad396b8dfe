// A server mix: threads answer requests, each of which builds a tree of objects beside a growing
// scratch buffer. Most trees die with their request, some live on in a session of the thread for a
// random time, and some change places with one that another thread left behind, and die there.
//
// The work is fixed; its CPU time and memory are for the caller to look at.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../micro/random.h"

enum {
    THREADS = 4,
    REQUESTS = 12000, // of each thread
    SESSIONS = 400,   // of each thread
    EXCHANGE = 256,   // trees on their way from thread to thread
    NODES_LEAST = 20,
    NODES_MOST = 300,
    PAYLOAD_DOUBLINGS = 6, // up to 2 KiB
    LARGE_EVERY = 500,     // one payload in so many is large:
    LARGE_MOST = 64 << 10,
    SCRATCH_STEP = 96, // bytes a node adds to the answer
    DIE_AT_ONCE_PERCENT = 65,
    SESSION_PERCENT = 25, // and the rest is exchanged
};

// A tree is owned by whoever holds its root; `payload` is the node's own.
struct node {
    struct node *child, *sibling;
    char *payload;
    size_t size;
};

static _Atomic(struct node *) exchange[EXCHANGE];

static void *check(void *block)
{
    if (!block)
        abort();
    return block;
}

static size_t payload_size(uint64_t *random)
{
    if (random_below(random, LARGE_EVERY) == 0)
        return 1 + random_below(random, LARGE_MOST);
    return random_size(random, PAYLOAD_DOUBLINGS);
}

static struct node *node_create(uint64_t *random)
{
    struct node *node = check(calloc(1, sizeof *node));
    node->size = payload_size(random);
    node->payload = check(malloc(node->size));
    memset(node->payload, 'x', node->size < 256 ? node->size : 256);
    return node;
}

// Each new node hangs below one of the last few, which makes trees neither flat nor deep.
static struct node *tree_create(uint64_t *random, size_t nodes)
{
    struct node *recent[8];
    struct node *root = node_create(random);
    for (size_t i = 0; i < 8; i++)
        recent[i] = root;
    for (size_t i = 1; i < nodes; i++) {
        struct node *node = node_create(random), *parent = recent[random_below(random, 8)];
        node->sibling = parent->child;
        parent->child = node;
        recent[i % 8] = node;
    }
    return root;
}

static void tree_destroy(struct node *node)
{
    while (node) {
        struct node *sibling = node->sibling;
        tree_destroy(node->child);
        free(node->payload);
        free(node);
        node = sibling;
    }
}

// The answer is written into a buffer that grows as it fills.
static char *answer(const struct node *node, char *buffer, size_t *used)
{
    for (; node; node = node->sibling) {
        size_t taken = node->size < SCRATCH_STEP ? node->size : SCRATCH_STEP;
        buffer = check(realloc(buffer, *used + SCRATCH_STEP));
        memcpy(buffer + *used, node->payload, taken);
        *used += taken;
        buffer = answer(node->child, buffer, used);
    }
    return buffer;
}

static void *work(void *argument)
{
    uint64_t random = (uint64_t)(size_t)argument + 1;
    struct node **sessions = check(calloc(SESSIONS, sizeof *sessions));
    for (int i = 0; i < REQUESTS; i++) {
        struct node *tree = tree_create(&random, NODES_LEAST + random_below(&random, NODES_MOST - NODES_LEAST));
        size_t used = 0;
        free(answer(tree, NULL, &used));
        size_t fate = random_below(&random, 100);
        if (fate >= DIE_AT_ONCE_PERCENT + SESSION_PERCENT) {
            tree = atomic_exchange(&exchange[random_below(&random, EXCHANGE)], tree);
        } else if (fate >= DIE_AT_ONCE_PERCENT) {
            struct node **session = &sessions[random_below(&random, SESSIONS)], *old = *session;
            *session = tree;
            tree = old;
        }
        tree_destroy(tree);
    }
    for (int i = 0; i < SESSIONS; i++)
        tree_destroy(sessions[i]);
    free(sessions);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0)
            abort();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < EXCHANGE; i++)
        tree_destroy(exchange[i]);
    printf("%d requests\n", THREADS * REQUESTS);
    return 0;
}
