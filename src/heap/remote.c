/* The lock-free list of blocks freed by others, and what gathers for one. */
#include "heap/remote.h"

void remote_push(struct remote_list *list, struct block *first, struct block *last)
{
    struct block *head = load_rlx(&list->head);
    do {
        block_set_next(last, head);
    } while (!cas_weak_rel(&list->head, &head, first)); /* P:remote release: the blocks' words, to remote_drain */
}

struct block *remote_drain(struct remote_list *list)
{
    if (remote_is_empty(list))
        return NULL;
    /* P:remote acquire: with remote_push */
    return exchange_acq(&list->head, NULL);
}

void parcel_leave(struct parcel *parcel)
{
    if (parcel->destination != NULL) {
        add_rlx(&parcel->destination->bytes, (int64_t)parcel->bytes);
        remote_push(parcel->destination, block_at(parcel->first), parcel->last);
    }
    parcel->destination = NULL;
}

void parcel_open(struct parcel *parcel, struct remote_list *destination, struct block *last)
{
    parcel_leave(parcel);
    parcel->destination = destination;
    parcel->first = 0;
    parcel->last = last;
    parcel->room = PARCEL_BYTES;
    parcel->bytes = 0;
}
