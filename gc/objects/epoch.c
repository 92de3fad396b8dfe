/* Grace periods and fork. */
#include "gc/objects/epoch.h"

#include "base/compiler.h"
#include "base/lock.h"
#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#ifdef EPOCH_ANNOTATE
char epoch_tag;
#endif

/* What the register may ask for: its pieces double, and this one is for some thousand threads. */
#define REGISTER_BYTES ((size_t)256 << 10)

static void register_thread(void)
{
    epoch_enter();
    epoch_leave();
}

bool epoch_attach(void)
{
    if (!epoch_is_attached()) {
        void *there = os_map(REGISTER_BYTES, OS_PAGE_SIZE);
        if (there == NULL)
            return false;
        os_unmap(there, REGISTER_BYTES);
    }
    register_thread();
    return true;
}

/* ---- sections without memory ------------------------------------------------------------------------- */

static struct lock alone; /* in a section: who could not be registered */
static ARCA_TLS unsigned alone_depth;

void epoch_enter_anyhow(void)
{
    int saved = errno;
    if (alone_depth == 0 && (epoch_is_attached() || epoch_attach()))
        epoch_enter();
    else if (alone_depth++ == 0)
        lock_acquire(&alone);
    errno = saved;
}

void epoch_leave_anyhow(void)
{
    if (alone_depth == 0)
        epoch_leave();
    else if (--alone_depth == 0)
        lock_release(&alone);
}

/* liburcu would register the thread to answer. */
bool epoch_inside(void)
{
    return alone_depth != 0 || (epoch_is_attached() && urcu_bp_read_ongoing());
}

void epoch_wait(void)
{
    urcu_bp_synchronize_rcu();
    epoch_annotate_acquire(); /* P:epoch acquire: with epoch_leave */
    lock_acquire(&alone);
    lock_release(&alone);
}

/* ---- fork ---------------------------------------------------------------------------------------------- */

/*
 * liburcu's own handlers must bracket a fork, once.  A program that uses this flavour itself may have registered
 * them, and taking its locks twice would hang: ours are registered first, so that they run last before a fork, and they
 * stand back where they find the program's at work, by the mark that those leave: every signal is blocked.
 */
static bool forking;

static bool all_signals_blocked(void)
{
    sigset_t set;
    if (pthread_sigmask(SIG_BLOCK, NULL, &set) != 0)
        return false;
    for (int signal = 1; signal < SIGRTMIN; signal++) {
        bool maskable = signal != SIGKILL && signal != SIGSTOP && signal < 32;
        if (maskable && sigismember(&set, signal) == 0)
            return false;
    }
    return true;
}

static void before_fork(void)
{
    int saved = errno;
    epoch_attach(); /* a handler that runs later may want a section, which must not wait for a lock of ours */
    errno = saved;
    if (all_signals_blocked())
        return;
    urcu_bp_before_fork();
    forking = true;
}

static void after_fork_parent(void)
{
    if (forking) {
        forking = false;
        urcu_bp_after_fork_parent();
    }
}

static void after_fork_child(void)
{
    lock_reset(&alone);
    if (alone_depth != 0) /* its own section goes on */
        lock_acquire(&alone);
    if (forking) {
        forking = false;
        urcu_bp_after_fork_child();
    }
}

__attribute__((constructor(101))) static void epoch_construct(void)
{
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}
