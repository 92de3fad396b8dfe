/* Allocation through domains: the functions in force, and the hooks around them. */
#include "arca/domains.h"

#include "arenas/meta.h"
#include "base/atomic.h"
#include "base/log.h"
#include "base/unwind.h"
#include "front/guard.h"
#include "front/trace.h"

#include <errno.h>
#include <string.h>

static void *own_malloc(void *unused, size_t size)
{
    (void)unused;
    return arca_malloc(size);
}

static void *own_calloc(void *unused, size_t count, size_t size)
{
    (void)unused;
    return arca_calloc(count, size);
}

static void *own_realloc(void *unused, void *block, size_t size)
{
    (void)unused;
    return arca_realloc(block, size);
}

static void own_free(void *unused, void *block)
{
    (void)unused;
    arca_free(block);
}

static const struct arca_functions own_functions = { sizeof own_functions, NULL, own_malloc, own_calloc, own_realloc, own_free };

/* A record that was current once is never changed nor taken back: a thread may be calling through it. */
static _Atomic(const struct arca_functions *) current[ARCA_DOMAINS] = { &own_functions, &own_functions, &own_functions };

static _Atomic bool guarded, used;

static void check_domain(enum arca_domain domain)
{
    if (unlikely((unsigned)domain >= ARCA_DOMAINS))
        log_abort("domain %u: there are %u", (unsigned)domain, (unsigned)ARCA_DOMAINS);
}

static const struct arca_functions *functions_of(enum arca_domain domain)
{
    check_domain(domain);
    if (unlikely(!load_rlx(&used)))
        store_rlx(&used, true);
    return load_acq(&current[domain]); /* P:domain acquire: with arca_domain_set */
}

static bool is_watched(void)
{
    return load_rlx(&guarded) || load_rlx(&trace_on);
}

/* ---- around the functions ------------------------------------------------------------------------------------ */

static void *watched_malloc(enum arca_domain domain, size_t size, const void *frame)
{
    const struct arca_functions *f = functions_of(domain);
    void *block = load_rlx(&guarded) ? guard_malloc(domain, f, size, frame) : f->malloc(f->context, size);
    if (block != NULL && load_rlx(&trace_on))
        trace_add(block, size, frame);
    return block;
}

static void *watched_calloc(enum arca_domain domain, size_t count, size_t size, const void *frame)
{
    const struct arca_functions *f = functions_of(domain);
    if (load_rlx(&guarded)) {
        void *block = watched_malloc(domain, count * size, frame);
        return block != NULL ? memset(block, 0, count * size) : NULL;
    }
    void *block = f->calloc(f->context, count, size);
    if (block != NULL && load_rlx(&trace_on))
        trace_add(block, count * size, frame);
    return block;
}

static void watched_free(enum arca_domain domain, void *block, const void *frame)
{
    const struct arca_functions *f = functions_of(domain);
    trace_remove(block);
    if (load_rlx(&guarded))
        guard_free(domain, f, block, frame);
    else
        f->free(f->context, block);
}

/* Always another block: who still uses the old one is found out. */
static void *guarded_realloc(enum arca_domain domain, void *block, size_t size, const void *frame)
{
    guard_check(domain, block, "realloc");
    size_t old = guard_size(block);
    void *fresh = watched_malloc(domain, size, frame);
    if (fresh != NULL) {
        memcpy(fresh, block, old < size ? old : size);
        watched_free(domain, block, frame);
    }
    return fresh;
}

/* Forgotten before: once it is freed another thread may get the same address. */
static void *watched_realloc(enum arca_domain domain, void *block, size_t size, const void *frame)
{
    if (load_rlx(&guarded))
        return guarded_realloc(domain, block, size, frame);
    const struct arca_functions *f = functions_of(domain);
    struct trace_record old = trace_remove(block);
    void *fresh = f->realloc(f->context, block, size);
    if (fresh == NULL)
        trace_restore(&old);
    else if (load_rlx(&trace_on))
        trace_add(fresh, size, frame);
    return fresh;
}

/* ---- the face ------------------------------------------------------------------------------------------------------ */

void *arca_domain_malloc(enum arca_domain domain, size_t size)
{
    const struct arca_functions *f = functions_of(domain);
    size += size == 0;
    if (likely(!is_watched()))
        return f->malloc(f->context, size);
    void *block = watched_malloc(domain, size, ARCA_FRAME());
    ARCA_KEEP_FRAME();
    return block;
}

void *arca_domain_calloc(enum arca_domain domain, size_t count, size_t size)
{
    const struct arca_functions *f = functions_of(domain);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    if (bytes == 0)
        count = size = 1;
    if (likely(!is_watched()))
        return f->calloc(f->context, count, size);
    void *block = watched_calloc(domain, count, size, ARCA_FRAME());
    ARCA_KEEP_FRAME();
    return block;
}

void *arca_domain_realloc(enum arca_domain domain, void *block, size_t size)
{
    const struct arca_functions *f = functions_of(domain);
    size += size == 0;
    if (likely(!is_watched()))
        return block == NULL ? f->malloc(f->context, size) : f->realloc(f->context, block, size);
    void *fresh = block == NULL ? watched_malloc(domain, size, ARCA_FRAME()) : watched_realloc(domain, block, size, ARCA_FRAME());
    ARCA_KEEP_FRAME();
    return fresh;
}

void arca_domain_free(enum arca_domain domain, void *block)
{
    const struct arca_functions *f = functions_of(domain);
    if (block == NULL)
        return;
    if (likely(!is_watched())) {
        f->free(f->context, block);
        return;
    }
    watched_free(domain, block, ARCA_FRAME());
    ARCA_KEEP_FRAME();
}

int arca_domain_get(enum arca_domain domain, struct arca_functions *out)
{
    check_domain(domain);
    if (out->size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    struct arca_functions functions = *load_acq(&current[domain]); /* P:domain acquire: with arca_domain_set */
    functions.size = out->size < sizeof functions ? out->size : sizeof functions;
    memcpy(out, &functions, functions.size);
    return 0;
}

static bool functions_are_complete(const struct arca_functions *f)
{
    return f->size >= sizeof *f && f->malloc != NULL && f->calloc != NULL && f->realloc != NULL && f->free != NULL;
}

int arca_domain_set(enum arca_domain domain, const struct arca_functions *wanted)
{
    check_domain(domain);
    if (!functions_are_complete(wanted)) {
        errno = EINVAL;
        return -1;
    }
    struct arca_functions functions = *wanted, *kept;
    functions.size = sizeof functions; /* a later version's may have more, of which nothing is known here */
    const struct arca_functions *now = load_acq(&current[domain]); /* P:domain acquire: with the release below */
    if (memcmp(&functions, now, sizeof functions) == 0)
        return 0;
    if (memcmp(&functions, &own_functions, sizeof functions) == 0) {
        store_rel(&current[domain], &own_functions); /* P:domain release: nothing, it is constant */
        return 0;
    }
    kept = meta_create(sizeof *kept);
    if (kept == NULL) {
        errno = ENOMEM;
        return -1;
    }
    *kept = functions;
    store_rel(&current[domain], kept); /* P:domain release: its fields */
    return 0;
}

int arca_domain_debug(void)
{
    if (!load_rlx(&guarded) && load_rlx(&used)) {
        errno = EBUSY;
        return -1;
    }
    if (!exchange_rlx(&guarded, true))
        guard_start();
    return 0;
}

void arca_domain_check(enum arca_domain domain, const void *block)
{
    if (load_rlx(&guarded))
        guard_check(domain, block, "check");
}
