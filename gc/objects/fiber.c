/* The stack, and switching to it. */
#include "gc/objects/fiber.h"

#include "base/os.h"
#include "base/poison.h"

#include <signal.h>
#include <ucontext.h>

/* The program's finalizers and callbacks run on it.  Only what is used of it takes memory. */
#define STACK_BYTES ((size_t)1 << 20)
#define GUARD_BYTES ((size_t)1 << 16)

static struct {
    char *stack; /* NULL: there was no need for one yet */
    void (*work)(void);
    bool begun, running, helped, private;
    uint64_t part, end; /* of the one that runs */
    uint64_t rested_us;
    ucontext_t caller, self;
} fiber;

/* ---- sanitizers are told which stack is in use ------------------------------------------------------------------ */

#if defined(__SANITIZE_THREAD__)
#define TELL_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TELL_THREADS 1
#endif
#endif

#ifdef TELL_THREADS
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif
#ifdef POISON_BY_ASAN
void __sanitizer_start_switch_fiber(void **saved, const void *bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void *saved, const void **old_bottom, size_t *old_bytes);
#endif

#if defined(TELL_THREADS) || defined(POISON_BY_ASAN)
static struct {
    bool used, forked; /* forked after it was used */
    void *caller, *self;
    const void *caller_bottom;
    size_t caller_bytes;
} told;
#endif

static void tell_entering(void)
{
#ifdef TELL_THREADS
    told.caller = __tsan_get_current_fiber();
    if (told.self == NULL)
        told.self = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(told.self, 0);
#endif
#ifdef POISON_BY_ASAN
    __sanitizer_start_switch_fiber(&told.caller, fiber.stack, STACK_BYTES);
#endif
}

static void tell_entered(void)
{
#ifdef POISON_BY_ASAN
    __sanitizer_finish_switch_fiber(told.self, &told.caller_bottom, &told.caller_bytes);
#endif
}

static void tell_leaving(void)
{
#ifdef TELL_THREADS
    __tsan_switch_to_fiber(told.caller, 0);
#endif
#ifdef POISON_BY_ASAN
    __sanitizer_start_switch_fiber(fiber.begun ? &told.self : NULL, told.caller_bottom, told.caller_bytes);
#endif
}

static void tell_left(void)
{
#ifdef POISON_BY_ASAN
    __sanitizer_finish_switch_fiber(told.caller, NULL, NULL);
    if (!fiber.begun)
        told.self = NULL;
#endif
}

/* To ThreadSanitizer a fiber is a thread, of which there may be no new one in the child of a process that had some. */
static bool can_tell(void)
{
#ifdef TELL_THREADS
    told.used = true;
    return !told.forked;
#else
    return true;
#endif
}

/* ---- the fiber ---------------------------------------------------------------------------------------------------- */

static void fiber_main(void)
{
    tell_entered();
    fiber.work();
    fiber.begun = false;
    tell_leaving();
    setcontext(&fiber.caller);
}

static bool begin(void (*work)(void))
{
    if (!can_tell())
        return false;
    if (fiber.stack == NULL) {
        char *mapping = os_map(GUARD_BYTES + STACK_BYTES, GUARD_BYTES);
        if (mapping == NULL)
            return false;
        os_protect(mapping, GUARD_BYTES, false);
        fiber.stack = mapping + GUARD_BYTES;
    }
    getcontext(&fiber.self);
    fiber.self.uc_stack.ss_sp = fiber.stack;
    fiber.self.uc_stack.ss_size = STACK_BYTES;
    fiber.self.uc_link = NULL;
    makecontext(&fiber.self, fiber_main, 0);
    fiber.work = work;
    fiber.begun = true;
    fiber.private = false;
    return true;
}

static void run_part(uint64_t microseconds)
{
    fiber.part = microseconds;
    fiber.end = microseconds == FIBER_TO_THE_END ? FIBER_TO_THE_END : os_thread_time_us() + microseconds;
    fiber.running = true;
    pthread_sigmask(SIG_SETMASK, NULL, &fiber.self.uc_sigmask); /* of the thread that goes on, not of the one that began */
    tell_entering();
    swapcontext(&fiber.caller, &fiber.self);
    tell_left();
    fiber.running = false;
}

bool fiber_run(void (*work)(void), uint64_t microseconds)
{
    if (fiber.begun || begin(work))
        run_part(microseconds);
    else
        work();
    return !fiber.begun;
}

void fiber_help(uint64_t microseconds)
{
    if (!fiber_is_resting() || fiber.private)
        return;
    fiber.helped = true;
    run_part(microseconds);
    fiber.helped = false;
}

bool fiber_is_resting(void)
{
    return fiber.begun && !fiber.running;
}

bool fiber_is_hurried(void)
{
    return fiber.running && fiber.end == FIBER_TO_THE_END;
}

static void rest(void)
{
    uint64_t before_us = os_now_us();
    tell_leaving();
    swapcontext(&fiber.self, &fiber.caller);
    tell_entered();
    fiber.rested_us += os_now_us() - before_us;
}

bool fiber_must_rest(void)
{
    return fiber.running && fiber.helped && fiber.private;
}

bool fiber_time_is_over(void)
{
    if (!fiber.running || fiber.end == FIBER_TO_THE_END)
        return false;
    return fiber_must_rest() || os_thread_time_us() >= fiber.end;
}

void fiber_rest(void)
{
    if (fiber_time_is_over())
        rest();
}

bool fiber_set_private(bool private)
{
    bool before = fiber.private;
    fiber.private = private;
    return before;
}

uint64_t fiber_rested_us(void)
{
    return fiber.rested_us;
}

bool fiber_fork_child(bool cut)
{
#ifdef TELL_THREADS
    told.forked |= told.used;
    cut |= fiber_is_resting();
#endif
    if (cut)
        fiber.begun = fiber.running = false;
    if (fiber.running && fiber.end != FIBER_TO_THE_END) /* a thread's time begins anew */
        fiber.end = os_thread_time_us() + fiber.part;
    return cut;
}
