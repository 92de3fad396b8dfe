/* Makes garbage that only a collection frees: pairs of objects that refer to each other. */
#include <arca/gc.h>

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

struct node {
    arca_object object;
    arca_slot other;
};

static const uint32_t slots[] = { offsetof(struct node, other) };
static arca_type node_type = { .name = "node", .size = sizeof(struct node), .slots = slots, .slot_count = 1 };

int main(void)
{
    for (int i = 0; i < 10000; i++) {
        struct node *a = arca_new(&node_type), *b = arca_new(&node_type);
        arca_slot_store(&a->other, b);
        arca_slot_store(&b->other, a);
        arca_release(a);
        arca_release(b);
    }
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
