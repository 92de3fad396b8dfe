/* The list of dead blocks. */
#include "gc/objects/limbo.h"

_Atomic uint32_t limbo_active;

static _Atomic(void *) head;

void limbo_push(void *object)
{
    void *first = load_rlx(&head);
    do {
        store_rlx(kind_of(object), (uintptr_t)first);
    } while (!cas_weak_rel(&head, &first, object)); /* P:limbo release: the link, to limbo_drain */
}

void *limbo_drain(void)
{
    return exchange_acq(&head, NULL); /* P:limbo acquire: with limbo_push */
}

void *limbo_next(void *object)
{
    return (void *)load_rlx(kind_of(object));
}
