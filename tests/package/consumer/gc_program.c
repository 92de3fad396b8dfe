/* Uses what libarca-dev has: objects, slots, weak references. */
#include <arca/object.h>
#include <stdio.h>

struct pair { arca_object object; arca_slot left, right; };

static const uint32_t slots[] = { sizeof(arca_object), sizeof(arca_object) + sizeof(arca_slot) };
static arca_type pair_type = { "pair", sizeof(struct pair), slots, 2, 0, NULL, NULL, NULL, 0, { 0, 0, NULL } };

int main(void)
{
    struct pair *pair = (struct pair *)arca_new(&pair_type);
    arca_weak *weak = arca_weak_bind(pair, NULL, NULL);
    arca_slot_put(&pair->left, arca_new(&pair_type));
    arca_release(arca_slot_load(&pair->left));
    if (arca_refcount(pair) != 1)
        return 1;
    arca_release(pair);
    void *gone = arca_weak_upgrade(weak);
    arca_release(weak);
    if (gone != NULL)
        return 1;
    puts("used");
    return 0;
}
