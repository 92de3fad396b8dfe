/* The list of retired spans. */
#include "heap/retired.h"

#include "arenas/arena.h"
#include "base/os.h"
#include "heap/pool.h"
#include "heap/watch.h"

struct lock retired_window;
_Atomic uint32_t retired_purges;
_Atomic uint32_t retired_count;

static struct lock list_lock;
static struct span *first;

void retired_add(struct span *span)
{
    lock_acquire(&list_lock);
    span->next = first;
    first = span;
    uint32_t before = add_rlx(&retired_count, 1u);
    watch_retire((int64_t)span_bytes(span));
    lock_release(&list_lock);
    if (before == 0)
        watch_ring();
}

struct span *retired_take(void)
{
    lock_acquire(&list_lock);
    struct span *list = first;
    first = NULL;
    watch_retire(-load_rlx(&watch_retired_bytes)); /* they change under the lock */
    store_rlx(&retired_count, 0u);
    lock_release(&list_lock);
    return list;
}

void retired_return(struct span *list)
{
    uint32_t now_ms = os_now_ms();
    while (list != NULL) {
        struct span *next = list->next;
        list->next = NULL;
        if (load_rlx(&list->kind) == SPAN_POOL)
            pool_return(list, now_ms);
        else
            arena_return(list, now_ms);
        list = next;
    }
}

void retired_fork_child(void)
{
    if (lock_is_held(&list_lock)) {
        first = NULL;
        store_rlx(&retired_count, 0u);
        store_rlx(&watch_retired_bytes, 0);
        lock_reset(&list_lock);
    }
    lock_reset(&retired_window);
}
