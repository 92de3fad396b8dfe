/* objects WHAT: uses objects as it should, or commits what memcheck has to see. */
#include <arca/containers.h>
#include <arca/gc.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct node {
    arca_object object;
    arca_slot next;
    uint64_t payload[5];
};

static const uint32_t node_slots[] = { offsetof(struct node, next) };
static arca_type node_type = { .name = "node", .size = sizeof(struct node), .slots = node_slots, .slot_count = 1 };

static struct node *node_new(void)
{
    struct node *node = arca_new(&node_type);
    if (node == NULL)
        abort();
    node->payload[4] = 7;
    return node;
}

static struct node *ring_new(void)
{
    struct node *first = node_new(), *second = node_new();
    arca_slot_store(&first->next, second);
    arca_slot_put(&second->next, arca_retain(first));
    arca_release(second);
    return first;
}

/* Births, deaths, weak references, rings that are collected, a large object, in two threads. */
static void *behave(void *unused)
{
    static const char text[100000] = "long";
    arca_release(arca_str_new(text, sizeof text));
    for (int i = 0; i < 300; i++) {
        struct node *kept = node_new();
        arca_weak *weak = arca_weak_bind(kept, NULL, NULL);
        for (int k = 0; k < 20; k++)
            arca_release(ring_new());
        struct node *again = arca_weak_upgrade(weak);
        if (again != kept || again->payload[4] != 7)
            abort();
        arca_release(again);
        arca_release(kept);
        arca_release(weak);
    }
    arca_gc_collect(2);
    return unused;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "behave") == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, behave, NULL) != 0)
            abort();
        behave(NULL);
        pthread_join(thread, NULL);
        return 0;
    }
    struct node *node = node_new(), *ring = ring_new();
    volatile uint64_t *payload = node->payload;
    if (strcmp(what, "read-dead") == 0) {
        arca_release(node);
        return payload[4] == 1;
    }
    if (strcmp(what, "write-dead") == 0) {
        arca_release(node);
        payload[4] = 1;
        return 0;
    }
    if (strcmp(what, "read-collected") == 0) {
        payload = ring->payload;
        arca_release(ring);
        arca_gc_collect(2);
        return payload[4] == 1;
    }
    return 2;
}
