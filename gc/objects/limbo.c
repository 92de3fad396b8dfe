/* The list of dead blocks. */
#include "gc/objects/limbo.h"

_Atomic uint32_t limbo_active;

static _Atomic(void *) head;

void limbo_push(void *first, void *last)
{
    void *before = load_rlx(&head);
    do {
        limbo_link(last, before);
    } while (!cas_weak_rel(&head, &before, first)); /* P:limbo release: the links, to limbo_drain */
}

void *limbo_drain(void)
{
    return exchange_acq(&head, NULL); /* P:limbo acquire: with limbo_push */
}

void *limbo_next(void *object)
{
    return (void *)load_rlx(kind_of(object));
}
