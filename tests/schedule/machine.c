/*
 * One run of a scenario.  Its threads are contexts of this one thread; at each point the running one asks the search who goes
 * on, and hands over.
 *
 * Law: of the threads that are neither finished nor waiting one runs, unless all are paused or held up by a store
 * that nobody sees; then the stores become visible and nobody is paused.
 */
#include "machine.h"

#include "hooks.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#define STACK_BYTES (256u << 10)
#define STEPS_MAX 5000
#define STORES_MAX 64
#define STEPS_SHOWN 400
#define TLS_MAX 1024

struct step {
    const char *what, *file;
    int line, thread;
};

struct store {
    void *address;
    uint64_t value;
    size_t bytes;
};

/* A context begins once; from then on it is left and entered by jumps, which make no system call. */
static struct thread {
    ucontext_t context;
    jmp_buf left;
    bool begun;
    void (*body)(void);
    bool finished, paused;
    bool (*ready)(const void *);
    const void *argument;
    struct store stores[STORES_MAX]; /* that the others do not see, oldest first */
    unsigned store_count;
    char tls[TLS_MAX];
    char stack[STACK_BYTES] __attribute__((aligned(64)));
} threads[SCHEDULE_THREADS];

static struct {
    jmp_buf left;
    char tls[TLS_MAX];
} alone;

static const struct scenario *scenario;
static int current = -1;
static unsigned thread_count, spent;
static struct step steps[STEPS_MAX];
static unsigned step_count;

void (*schedule_on_access)(const void *address);

/* ---- thread-local data ------------------------------------------------------------------------------------ */

extern char __start_schedule_tls[] __attribute__((weak)), __stop_schedule_tls[] __attribute__((weak));

static size_t tls_bytes(void)
{
    return (size_t)(__stop_schedule_tls - __start_schedule_tls);
}

static char *tls_of(int thread)
{
    return thread < 0 ? alone.tls : threads[thread].tls;
}

static void enter(int thread)
{
    if (thread < 0)
        longjmp(alone.left, 1);
    if (threads[thread].begun)
        longjmp(threads[thread].left, 1);
    threads[thread].begun = true;
    setcontext(&threads[thread].context);
}

/* ---- stores that nobody sees ------------------------------------------------------------------------------- */

static void drain(struct thread *thread)
{
    for (unsigned i = 0; i < thread->store_count; i++)
        memcpy(thread->stores[i].address, &thread->stores[i].value, thread->stores[i].bytes);
    thread->store_count = 0;
}

void schedule_drain(void)
{
    if (current >= 0)
        drain(&threads[current]);
}

void schedule_drain_all(void)
{
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++)
        drain(&threads[i]);
}

/* ---- who goes on ------------------------------------------------------------------------------------------- */

static void switch_to(int next)
{
    int last = current;
    if (next == last)
        return;
    if (next >= 0)
        drain(&threads[next]);
    memcpy(tls_of(last), __start_schedule_tls, tls_bytes());
    memcpy(__start_schedule_tls, tls_of(next), tls_bytes());
    current = next;
    if (_setjmp(last < 0 ? alone.left : threads[last].left) == 0)
        enter(next);
}

static bool can_go_on(unsigned thread)
{
    const struct thread *t = &threads[thread];
    return !t->finished && !t->paused && (t->ready == NULL || t->ready(t->argument));
}

/* -1 when nobody can. */
static int pick(void)
{
    int options[SCHEDULE_THREADS];
    unsigned count = 0;
    if (current >= 0 && can_go_on((unsigned)current))
        options[count++] = current;
    bool stay = count != 0;
    if (stay && spent >= search_budget())
        return current;
    for (unsigned i = 0; i < thread_count; i++) {
        if ((int)i != current && can_go_on(i))
            options[count++] = (int)i;
    }
    if (count == 0)
        return -1;
    unsigned choice = search_choose(count, stay);
    spent += stay && choice != 0;
    return options[choice];
}

static bool all_finished(void)
{
    for (unsigned i = 0; i < thread_count; i++) {
        if (!threads[i].finished)
            return false;
    }
    return true;
}

static void hand_over(void)
{
    int next = pick();
    if (next < 0 && !all_finished()) {
        schedule_drain_all();
        for (unsigned i = 0; i < thread_count; i++)
            threads[i].paused = false;
        next = pick();
        if (next < 0)
            schedule_fail("deadlock: nobody can go on");
    }
    switch_to(next);
}

static void note(const char *what, const char *file, int line)
{
    if (step_count == STEPS_MAX)
        schedule_fail("livelock: %d steps and no end", STEPS_MAX);
    const char *base = strrchr(file, '/');
    steps[step_count++] = (struct step){ what, base != NULL ? base + 1 : file, line, current };
}

int schedule_self(void)
{
    return current;
}

/* The step is noted when it is done: then it is known who did what before. */
void schedule_point(const char *what, const char *file, int line)
{
    if (current < 0)
        return;
    for (unsigned i = 0; i < thread_count; i++)
        threads[i].paused &= (int)i == current;
    hand_over();
    note(what, file, line);
}

void schedule_wait(bool (*ready)(const void *argument), const void *argument, const char *what, const char *file, int line)
{
    if (current < 0) {
        if (!ready(argument))
            schedule_fail("%s:%d: waits, and nobody else runs", file, line);
        return;
    }
    struct thread *self = &threads[current];
    drain(self);
    self->ready = ready;
    self->argument = argument;
    schedule_point(what, file, line);
    self->ready = NULL;
}

void schedule_pause(const char *file, int line)
{
    if (current < 0)
        return;
    threads[current].paused = true;
    hand_over();
    threads[current].paused = false;
    note("pause", file, line);
}

/* ---- atomic accesses -------------------------------------------------------------------------------------- */

static void access_begin(const void *address, const char *what, const char *file, int line)
{
    schedule_point(what, file, line);
    if (schedule_on_access != NULL)
        schedule_on_access(address);
}

void schedule_load(const void *address, void *result, size_t bytes, const char *file, int line)
{
    access_begin(address, "load", file, line);
    memcpy(result, address, bytes);
    if (current < 0)
        return;
    const struct thread *self = &threads[current];
    for (unsigned i = 0; i < self->store_count; i++) {
        if (self->stores[i].address == address)
            memcpy(result, &self->stores[i].value, bytes);
    }
}

/* Stores become visible in their order, so that all behind a late one are late. */
static bool is_late(const struct thread *self)
{
    if (!scenario->store_buffers || self->store_count == STORES_MAX)
        return false;
    if (self->store_count != 0)
        return true;
    if (spent >= search_budget() || search_choose(2, true) == 0)
        return false;
    spent++;
    return true;
}

void schedule_store(void *address, const void *value, size_t bytes, int order, const char *file, int line)
{
    access_begin(address, "store", file, line);
    struct thread *self = current < 0 ? NULL : &threads[current];
    if (self == NULL || order == __ATOMIC_SEQ_CST || !is_late(self)) {
        schedule_drain();
        memcpy(address, value, bytes);
        return;
    }
    steps[step_count - 1].what = "late store";
    struct store *store = &self->stores[self->store_count++];
    *store = (struct store){ .address = address, .bytes = bytes };
    memcpy(&store->value, value, bytes);
}

void schedule_modify(void *address, const char *what, const char *file, int line)
{
    access_begin(address, what, file, line);
    schedule_drain();
}

void schedule_fence(const char *file, int line)
{
    schedule_point("fence", file, line);
    schedule_drain();
}

/* ---- a run ------------------------------------------------------------------------------------------------- */

/* For ever: a context that ended a body runs the next one's. */
static void thread_main(int index)
{
    for (;;) {
        threads[index].body();
        threads[index].finished = true;
        hand_over();
    }
}

static void prepare(struct thread *thread, int index)
{
    thread->body = scenario->body[index];
    thread->finished = thread->paused = false;
    thread->ready = NULL;
    memcpy(thread->tls, __start_schedule_tls, tls_bytes());
    if (thread->context.uc_stack.ss_sp == NULL) {
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack;
        thread->context.uc_stack.ss_size = sizeof thread->stack;
        makecontext(&thread->context, (void (*)(void))thread_main, 1, index);
    }
}

unsigned machine_run(const struct scenario *which)
{
    scenario = which;
    spent = step_count = thread_count = 0;
    if (tls_bytes() > TLS_MAX)
        schedule_fail("TLS_MAX is too small");
    scenario->setup();
    while (thread_count < SCHEDULE_THREADS && scenario->body[thread_count] != NULL) {
        prepare(&threads[thread_count], (int)thread_count);
        thread_count++;
    }
    hand_over();
    schedule_drain_all();
    scenario->check();
    return step_count;
}

void machine_print(void)
{
    unsigned first = step_count > STEPS_SHOWN ? step_count - STEPS_SHOWN : 0;
    if (first != 0)
        fprintf(stderr, "  (%u steps before)\n", first);
    for (unsigned i = first; i < step_count; i++) {
        if (i == first || steps[i].thread != steps[i - 1].thread)
            fprintf(stderr, "%s  thread %d:", i == first ? "" : "\n", steps[i].thread);
        fprintf(stderr, " %s:%d %s,", steps[i].file, steps[i].line, steps[i].what);
    }
    fprintf(stderr, "\n");
    for (unsigned i = 0; i < thread_count; i++) {
        if (!threads[i].finished)
            fprintf(stderr, "  thread %u %s\n", i, (int)i == current ? "is here" : threads[i].ready != NULL ? "waits" : "has more to do");
    }
}
