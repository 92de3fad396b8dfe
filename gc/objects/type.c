/* Checking descriptors. */
#include "gc/objects/type.h"

#include "base/lock.h"
#include "base/log.h"
#include "front/objects.h"

static struct lock types_lock;
static arca_type *types[TYPES_MAX];
static struct heap *heaps[TYPES_MAX]; /* of types with their own blocks, which point there: a descriptor may have left with its
                                       * library */
static _Atomic uint32_t types_used = 1;

#define FLAGS_KNOWN (ARCA_TYPE_ACYCLIC | ARCA_TYPE_IMMORTAL | ARCA_TYPE_OWN_BLOCKS | ARCA_TYPE_ITEM_SLOTS | ARCA_TYPE_HOT)

ARCA_COLD _Noreturn static void complain(const arca_type *type, const char *what)
{
    log_abort("type '%s': %s", type->name != NULL ? type->name : "(no name)", what);
}

static void check_slots(const arca_type *type)
{
    size_t first = type->item_size != 0 ? sizeof(arca_var_object) : sizeof(arca_object);
    if ((type->slots != NULL) != (type->slot_count != 0))
        complain(type, "slots and slot_count want each other");
    if (type->slots != NULL && type->traverse != NULL)
        complain(type, "slots and traverse are one too many");
    for (size_t i = 0; i < type->slot_count; i++) {
        size_t offset = type->slots[i];
        if (offset % sizeof(arca_slot) != 0)
            complain(type, "a slot's offset is not a multiple of 8");
        if (offset < first || offset > type->size - sizeof(arca_slot))
            complain(type, "a slot lies in the header or outside the object");
        if (i != 0 && type->slots[i - 1] >= offset)
            complain(type, "slots must ascend, each named once");
    }
}

static void check(const arca_type *type)
{
    if (type->name == NULL)
        complain(type, "a type must have a name");
    if (type->size < (type->item_size != 0 ? sizeof(arca_var_object) : sizeof(arca_object)))
        complain(type, "size does not even hold the header");
    if (type->size > UINT32_MAX)
        complain(type, "size is beyond 4 GiB");
    if (type->flags & ~(unsigned)FLAGS_KNOWN)
        complain(type, "flags has unknown bits");
    check_slots(type);
    if ((type->flags & ARCA_TYPE_ITEM_SLOTS) &&
        (type->item_size != sizeof(arca_slot) || type->size % sizeof(arca_slot) != 0 || type->traverse != NULL))
        complain(type, "items that are slots are 8 bytes, begin at a multiple of 8, and want no traverse");
}

static enum type_state state_of(const arca_type *type)
{
    bool told = type->finalize != NULL || type->destroy != NULL;
    return told || type->traverse != NULL || (type->flags & ARCA_TYPE_ITEM_SLOTS) ? TYPE_READY : TYPE_PLAIN;
}

static bool register_locked(arca_type *type)
{
    uint32_t index = load_rlx(&types_used);
    if (index == TYPES_MAX)
        complain(type, "too many types");
    struct heap *heap = type->flags & ARCA_TYPE_OWN_BLOCKS ? object_heap_create() : NULL;
    if ((type->flags & ARCA_TYPE_OWN_BLOCKS) && heap == NULL)
        return false;
    heaps[index] = heap;
    type->arca_private.heap = heap != NULL ? &heaps[index] : NULL;
    type->arca_private.index = index;
    types[index] = type;
    store_rel(&types_used, index + 1); /* P:types release: the entry, to type_at */
    store_rel(type_state(type), (uint32_t)state_of(type)); /* P:type release: index and heap, to type_prepare */
    return true;
}

bool type_prepare_slow(arca_type *type)
{
    check(type);
    lock_acquire(&types_lock);
    bool ready = load_rlx(type_state(type)) != TYPE_NEW || register_locked(type);
    lock_release(&types_lock);
    return ready;
}

void type_fork_child(void)
{
    lock_reset(&types_lock);
    for (uint32_t i = 1; i < type_count(); i++) {
        if (heaps[i] != NULL)
            heaps[i] = object_heap_after_fork(heaps[i]);
    }
}

arca_type *type_at(uint32_t index)
{
    return index < type_count() ? types[index] : NULL;
}

uint32_t type_count(void)
{
    return load_acq(&types_used); /* P:types acquire: with register_locked */
}

size_t type_size(const arca_type *type, size_t count)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, type->item_size, &bytes) || __builtin_add_overflow(bytes, type->size, &bytes))
        return SIZE_MAX;
    return bytes;
}
