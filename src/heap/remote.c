/* The lock-free list of blocks freed by others, and what gathers for one. */
#include "heap/remote.h"

void remote_push(struct remote_list *list, struct block *first, struct block *last)
{
    struct block *head = load_rlx(&list->head);
    do {
        last->next = head;
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
    if (parcel->destination != NULL)
        remote_push(parcel->destination, parcel->first, parcel->last);
    parcel->destination = NULL;
}

bool parcel_add(struct parcel *parcel, struct remote_list *destination, struct block *block, uint32_t block_size)
{
    if (parcel->destination != destination) {
        parcel_leave(parcel);
        parcel->destination = destination;
        parcel->first = parcel->last = block;
        parcel->count = parcel->bytes = 0;
        block->next = NULL;
    } else {
        block->next = parcel->first;
        parcel->first = block;
    }
    parcel->bytes += block_size;
    if (++parcel->count < PARCEL_BLOCKS && parcel->bytes < PARCEL_BYTES)
        return false;
    parcel_leave(parcel);
    return true;
}
