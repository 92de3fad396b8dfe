/*
 * Sequences start and fork; there is nothing to do at exit.
 *
 * The first malloc may come before libc has set `environ` and before any constructor: the tables are made
 * then, the options are read as soon as there is an environment, and threads wait for the constructor.
 *
 * Fork: nothing is locked before it, so that it costs nothing and can not deadlock with stdio's locks; the
 * child repairs or sets aside what another thread was changing.  It does so in its fork handler, or earlier, in the
 * first slow path (of a handler that was registered before ours, or after _Fork(), which runs no handlers): the
 * fast paths touch nothing that another thread can have been changing.
 */
#include "front/process.h"

#include "arenas/arena.h"
#include "arenas/meta.h"
#include "arenas/purge.h"
#include "arenas/sample.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/os.h"
#include "front/background.h"
#include "front/door.h"
#include "front/profile.h"
#include "heap/harden.h"
#include "heap/heap.h"

#include <pthread.h>
#include <unistd.h>

static struct lock start_lock = LOCK_INIT;
static _Atomic bool started;

/* alone: every heap but ours has lost its thread.  Not sure when the caller has no heap: it may be a new thread
 * of the child, and the heap of the thread that forked may be in use. */
static void repair(bool alone)
{
    lock_reset(&start_lock);
    meta_fork_child();
    purge_fork_child();
    arena_fork_child();
    sample_fork_child();
    heap_fork_child((struct heap_door *const[]){ &thread_door, &object_door }, 2, alone);
    background_fork_child();
    os_fork_mark();
}

/* Where the kernel does not tell, the fork handler is the only sign. */
static void fork_child(void)
{
    if (os_fork_state() != OS_FORK_NONE)
        repair(true);
}

void process_after_fork_slow(void)
{
    if (os_fork_claim())
        repair(thread_door.own != NULL);
}

#define QUARANTINE_HARDENED (256u << 10)

/* A guard cuts a mapping in three; half of those that the process may have are left to others. */
static uint32_t guards_max(void)
{
    char text[32];
    uint32_t mappings = 0;
    if (os_read_file("/proc/sys/vm/max_map_count", text, sizeof text) <= 0)
        return 65530 / 4; /* the kernel's default */
    for (const char *at = text; *at >= '0' && *at <= '9'; at++)
        mappings = mappings * 10 + (uint32_t)(*at - '0');
    return mappings / 4;
}

static void harden(void)
{
    if (!(options.hardened || options.guard || options.zero || options.junk || options.quarantine != 0))
        return;
    struct hardening settings = {
        .on = true,
        .guard = options.hardened || options.guard,
        .guards = guards_max(),
        .junk = options.junk,
        .quarantine = options.quarantine == 0 && options.hardened ? QUARANTINE_HARDENED : (size_t)options.quarantine,
    };
    hardening_set(settings, os_secret());
    malloc_fast_max = 0;
}

static void read_environment(void)
{
    static bool done;
    if (!done && environ != NULL) {
        done = true;
        options_read(environ);
        profile_start();
        harden();
    }
}

void process_start(void)
{
    if (load_acq(&started)) /* P:start acquire: with the store below */
        return;
    lock_acquire(&start_lock);
    if (!load_rlx(&started)) {
        read_environment();
        block_secret_set(os_secret());
        size_class_init((size_t)options.cache);
        os_barrier_register();
        os_fork_mark();
        store_rel(&started, true); /* P:start release: the tables and options */
        lock_release(&start_lock);
        pthread_atfork(NULL, NULL, fork_child); /* may call malloc */
        return;
    }
    lock_release(&start_lock);
}

/* 101: before the program's own constructors. */
__attribute__((constructor(101))) static void process_construct(void)
{
    process_start();
    lock_acquire(&start_lock);
    read_environment();
    lock_release(&start_lock);
    background_allow();
}

