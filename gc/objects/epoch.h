/*
 * Read-side sections and grace periods: the one place that knows liburcu (its flavour bp).
 *
 * A pointer that the reader does not own is used only inside the section in which it was read.  What it points to
 * stays readable until a grace period that began after it was unlinked has passed.
 *
 *   section        grace period
 *   no order       P:epoch: all that a section did that began before is over and visible after it
 *
 * liburcu registers each thread before its first section, and ends the process where it finds no memory for that.  A
 * thread that it would find none for has its sections under a lock, which a grace period waits for.
 *
 * ThreadSanitizer does not see into liburcu's barriers: it is told.
 */
#ifndef ARCA_GC_EPOCH_H
#define ARCA_GC_EPOCH_H

#include "base/compiler.h"
#include "base/poison.h"

#include <urcu/urcu-bp.h>
#include <urcu/static/urcu-bp.h>

#ifdef __SANITIZE_THREAD__
#define EPOCH_ANNOTATE 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EPOCH_ANNOTATE 1
#endif
#endif

#ifdef EPOCH_ANNOTATE
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char epoch_tag;
#define epoch_annotate_release() __tsan_release(&epoch_tag)
#define epoch_annotate_acquire() __tsan_acquire(&epoch_tag)
#else
#define epoch_annotate_release() ((void)0)
#define epoch_annotate_acquire() ((void)0)
#endif

/* UndefinedBehaviorSanitizer, which comes with AddressSanitizer, sees that liburcu's records of readers lie less
 * aligned than their type says; the functions in the library do the same unseen. */
#ifdef POISON_BY_ASAN
#define epoch_read_lock urcu_bp_read_lock
#define epoch_read_unlock urcu_bp_read_unlock
#else
#define epoch_read_lock _urcu_bp_read_lock
#define epoch_read_unlock _urcu_bp_read_unlock
#endif

/* The calling thread is registered with liburcu: a section costs no more than two stores. */
static inline bool epoch_is_attached(void)
{
    return URCU_TLS(urcu_bp_reader) != NULL;
}

static inline void epoch_enter(void)
{
    epoch_read_lock();
}

static inline void epoch_leave(void)
{
    epoch_annotate_release(); /* P:epoch release: what the section did, to epoch_wait */
    epoch_read_unlock();
}

/* Registers the calling thread, which the first section would do: but where there is no memory for that liburcu ends the
 * process, and this is false. */
bool epoch_attach(void);

/* A section of a thread that may not be attached, with or without memory to attach it. */
void epoch_enter_anyhow(void);
void epoch_leave_anyhow(void);

/* In a section, of ours or of the program's: nobody may wait for a grace period here. */
bool epoch_inside(void);

/* Waits for a grace period.  Not inside a section, and only in the library's own thread: it may last. */
void epoch_wait(void);

#endif
