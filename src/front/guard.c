/* Fences, fills and the blocks that are kept back. */
#include "front/guard.h"

#include "base/bits.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/os.h"
#include "base/unwind.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define FENCE 0xfd
#define NEW_FILL 0xcd
#define FREED_FILL 0xdd
#define TAIL_BYTES 16

struct guard {
    size_t size;
    uintptr_t allocated_at, freed_at; /* the call sites */
    uint8_t domain; /* of a live block, as LIVE(); else FREED */
    uint8_t fence[7];
};

#define LIVE(domain) ((uint8_t)(0xa0 + (domain)))
#define FREED FREED_FILL

_Static_assert(sizeof(struct guard) == 32, "a guarded block is as aligned as its functions' blocks");

/* The last freed blocks; the oldest leaves when there are too many, or too many bytes. */
#define KEPT_BLOCKS 1024
#define KEPT_BYTES ((size_t)1 << 20)

struct kept {
    struct guard *guard;
    const struct arca_functions *functions;
    size_t size; /* as it was when the block was freed */
};

static struct {
    struct lock lock;
    struct kept ring[KEPT_BLOCKS];
    uint32_t first, count;
    size_t bytes;
} kept ARCA_SPARSE;

static const char *name_of(unsigned domain)
{
    static const char *const names[ARCA_DOMAINS] = { "raw", "general", "object" };
    return domain < ARCA_DOMAINS ? names[domain] : "unknown";
}

static struct guard *guard_of(const void *block)
{
    return (struct guard *)((uintptr_t)block - sizeof(struct guard));
}

static uint8_t *data_of(const struct guard *guard)
{
    return (uint8_t *)(uintptr_t)(guard + 1);
}

static uintptr_t call_site(const void *frame)
{
    uintptr_t address;
    return unwind(frame, &address, 1) == 1 ? address : 0;
}

/* The first byte that is not as it was filled; bytes when there is none. */
static size_t first_other(const uint8_t *at, size_t bytes, uint8_t fill)
{
    size_t i = 0;
    while (i < bytes && at[i] == fill)
        i++;
    return i;
}

#define SITE_TEXT 160

ARCA_COLD _Noreturn static void accuse(const struct guard *guard, enum arca_domain domain, const char *function, const char *what)
{
    char site[SITE_TEXT];
    unwind_name(guard->allocated_at, site, sizeof site);
    log_abort("%s(): %p: %s (%zu bytes of domain %s, allocated at %s)", function, (void *)data_of(guard), what, guard->size,
              name_of(domain), site);
}

ARCA_COLD _Noreturn static void accuse_of_reuse(const struct guard *guard, const char *function, const char *what, size_t size)
{
    char allocated[SITE_TEXT], freed[SITE_TEXT];
    unwind_name(guard->allocated_at, allocated, sizeof allocated);
    unwind_name(guard->freed_at, freed, sizeof freed);
    log_abort("%s(): %p: %s (%zu bytes, allocated at %s, freed at %s)", function, (void *)data_of(guard), what, size, allocated, freed);
}

static void check_fences(const struct guard *guard, enum arca_domain domain, const char *function)
{
    if (first_other(guard->fence, sizeof guard->fence, FENCE) != sizeof guard->fence)
        accuse(guard, domain, function, "written before its start");
    if (first_other(data_of(guard) + guard->size, TAIL_BYTES, FENCE) != TAIL_BYTES)
        accuse(guard, domain, function, "written past its end");
}

void guard_check(enum arca_domain domain, const void *block, const char *function)
{
    const struct guard *guard = guard_of(block);
    if (!os_readable(guard))
        log_abort("%s(): %p: not a block of a domain", function, block);
    if (guard->domain == FREED)
        accuse_of_reuse(guard, function, "freed before", guard->size);
    unsigned owner = guard->domain - LIVE(0);
    if (owner >= ARCA_DOMAINS)
        log_abort("%s(): %p: not a block of a domain, or written before its start", function, block);
    if (owner != domain) {
        char what[48];
        log_format(what, sizeof what, "a block of another domain than %s", name_of(domain));
        accuse(guard, owner, function, what);
    }
    check_fences(guard, domain, function);
}

size_t guard_size(const void *block)
{
    return guard_of(block)->size;
}

void *guard_malloc(enum arca_domain domain, const struct arca_functions *functions, size_t size, const void *frame)
{
    if (size > PTRDIFF_MAX - sizeof(struct guard) - TAIL_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    struct guard *guard = functions->malloc(functions->context, sizeof *guard + size + TAIL_BYTES);
    if (guard == NULL)
        return NULL;
    *guard = (struct guard){ .size = size, .allocated_at = call_site(frame), .domain = LIVE(domain) };
    memset(guard->fence, FENCE, sizeof guard->fence);
    memset(data_of(guard), NEW_FILL, size);
    memset(data_of(guard) + size, FENCE, TAIL_BYTES);
    return data_of(guard);
}

/* ---- freed blocks --------------------------------------------------------------------------------------------- */

static bool too_many_locked(size_t more)
{
    return kept.count == KEPT_BLOCKS || (kept.count != 0 && kept.bytes + more > KEPT_BYTES);
}

static struct kept pop_oldest_locked(void)
{
    struct kept oldest = kept.ring[kept.first];
    kept.first = (kept.first + 1) % KEPT_BLOCKS;
    kept.count--;
    kept.bytes -= oldest.size;
    return oldest;
}

static void let_go(const struct kept *block)
{
    if (block->guard->domain != FREED || first_other(data_of(block->guard), block->size, FREED_FILL) != block->size)
        accuse_of_reuse(block->guard, "free", "written after it was freed", block->size);
    block->functions->free(block->functions->context, block->guard);
}

/* Decided under the lock, looked at and freed after it. */
static bool make_room(size_t more)
{
    struct kept oldest = { .guard = NULL };
    lock_acquire(&kept.lock);
    if (too_many_locked(more))
        oldest = pop_oldest_locked();
    lock_release(&kept.lock);
    if (oldest.guard != NULL)
        let_go(&oldest);
    return oldest.guard != NULL;
}

static void keep(struct kept block)
{
    struct kept oldest = { .guard = NULL };
    lock_acquire(&kept.lock);
    if (kept.count == KEPT_BLOCKS) /* others were quicker */
        oldest = pop_oldest_locked();
    kept.ring[(kept.first + kept.count) % KEPT_BLOCKS] = block;
    kept.count++;
    kept.bytes += block.size;
    lock_release(&kept.lock);
    if (oldest.guard != NULL)
        let_go(&oldest);
}

void guard_free(enum arca_domain domain, const struct arca_functions *functions, void *block, const void *frame)
{
    guard_check(domain, block, "free");
    struct guard *guard = guard_of(block);
    guard->freed_at = call_site(frame);
    guard->domain = FREED;
    memset(block, FREED_FILL, guard->size);
    while (make_room(guard->size))
        continue;
    keep((struct kept){ guard, functions, guard->size });
}

static void guard_fork_child(void)
{
    if (lock_is_held(&kept.lock)) {
        kept.first = kept.count = 0;
        kept.bytes = 0;
        lock_reset(&kept.lock);
    }
}

void guard_start(void)
{
    pthread_atfork(NULL, NULL, guard_fork_child);
}
