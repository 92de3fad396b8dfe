/* Call stacks by frame pointers, and words that are none. */
#include "harness.h"

#include "base/os.h"
#include "base/unwind.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

struct trace {
    uintptr_t addresses[UNWIND_MAX];
    unsigned count;
};

__attribute__((noinline)) static void trace_here(struct trace *trace)
{
    trace->count = unwind(ARCA_FRAME(), trace->addresses, UNWIND_MAX);
}

/* Each call leaves its return address; nothing is done by a jump. */
#define AFTER_CALL() __asm__ volatile("" : : : "memory")

__attribute__((noinline)) static void inner(struct trace *trace)
{
    ARCA_KEEP_FRAME();
    trace_here(trace);
    AFTER_CALL();
}

__attribute__((noinline)) static void outer(struct trace *trace)
{
    ARCA_KEEP_FRAME();
    inner(trace);
    AFTER_CALL();
}

/* An address right behind a call in it. */
static bool is_in(uintptr_t address, const void *function)
{
    return address - (uintptr_t)function < 512;
}

TEST(unwind, callers_come_innermost_first)
{
    struct trace trace;
    ARCA_KEEP_FRAME();
    outer(&trace);
    AFTER_CALL();
    REQUIRE(trace.count >= 3);
    CHECK(is_in(trace.addresses[0], (const void *)inner));
    CHECK(is_in(trace.addresses[1], (const void *)outer));
}

__attribute__((noinline)) static void deep(struct trace *trace, unsigned depth)
{
    ARCA_KEEP_FRAME();
    if (depth == 0)
        trace_here(trace);
    else
        deep(trace, depth - 1);
    AFTER_CALL();
}

TEST(unwind, a_deep_stack_is_cut)
{
    struct trace trace;
    deep(&trace, 100);
    CHECK_EQ(trace.count, UNWIND_MAX);
}

static void *run_outer(void *trace)
{
    outer(trace);
    return NULL;
}

TEST(unwind, a_thread_s_stack_ends_where_it_began)
{
    struct trace trace;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, run_outer, &trace) == 0);
    pthread_join(thread, NULL);
    REQUIRE(trace.count >= 2);
    CHECK(is_in(trace.addresses[0], (const void *)inner));
}

/* Frames of our own making: {up, return address}. */
#define FRAMES 4
static void *code_after_call; /* a true return address */

static void note_return_address(void)
{
    code_after_call = __builtin_return_address(0);
}

static void make_frames(uintptr_t (*frames)[2])
{
    note_return_address();
    AFTER_CALL();
    for (unsigned i = 0; i < FRAMES; i++) {
        frames[i][0] = (uintptr_t)frames[i + 1];
        frames[i][1] = (uintptr_t)code_after_call;
    }
    frames[FRAMES - 1][0] = 0;
}

static unsigned walk(const void *frame)
{
    uintptr_t addresses[UNWIND_MAX];
    return unwind(frame, addresses, UNWIND_MAX);
}

TEST(unwind, frames_are_followed_to_the_last)
{
    uintptr_t frames[FRAMES][2];
    make_frames(frames);
    CHECK_EQ(walk(frames), FRAMES);
}

TEST(unwind, a_frame_in_memory_that_can_not_be_read_ends_the_walk)
{
    char *pages = mmap(NULL, 2 * OS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    REQUIRE(mprotect(pages + OS_PAGE_SIZE, OS_PAGE_SIZE, PROT_NONE) == 0);
    uintptr_t(*frames)[2] = (uintptr_t(*)[2])pages;
    make_frames(frames);
    frames[1][0] = (uintptr_t)pages + OS_PAGE_SIZE;
    CHECK_EQ(walk(frames), 2);
    /* Only its second word lies there. */
    frames[1][0] = (uintptr_t)pages + OS_PAGE_SIZE - sizeof(uintptr_t);
    CHECK_EQ(walk(frames), 2);
}

TEST(unwind, a_frame_below_or_far_above_is_none)
{
    uintptr_t frames[FRAMES][2];
    make_frames(frames);
    frames[1][0] = (uintptr_t)frames;
    CHECK_EQ(walk(frames), 2);
    frames[1][0] = (uintptr_t)frames + (64 << 20);
    CHECK_EQ(walk(frames), 2);
    frames[1][0] = 0xdeadbeefdeadbee8u;
    CHECK_EQ(walk(frames), 2);
    frames[1][0] = (uintptr_t)frames[2] + 1;
    CHECK_EQ(walk(frames), 2);
}

/* Whatever stands there: no function has so much on its stack. */
TEST(unwind, a_frame_more_than_a_megabyte_above_is_none)
{
    const size_t bytes = (size_t)4 << 20;
    char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    uintptr_t(*frames)[2] = (uintptr_t(*)[2])pages, (*far)[2] = (uintptr_t(*)[2])(pages + bytes / 2);
    make_frames(frames);
    make_frames(far);
    frames[1][0] = (uintptr_t)far;
    CHECK_EQ(walk(frames), 2);
    frames[1][0] = (uintptr_t)frames[2];
    CHECK_EQ(walk(frames), FRAMES);
}

#define THREAD_STACK ((size_t)4 << 20)
static uintptr_t (*beyond)[2];

static void *walk_beyond(void *unused)
{
    uintptr_t frames[FRAMES][2];
    make_frames(frames);
    make_frames(beyond);
    frames[1][0] = (uintptr_t)beyond;
    CHECK_EQ(walk(frames), 2);
    return unused;
}

/* Whatever stands behind its stack. */
TEST(unwind, a_frame_behind_a_thread_s_stack_is_none)
{
    pthread_t thread;
    pthread_attr_t attributes;
    char *region = mmap(NULL, 2 * THREAD_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(region != MAP_FAILED);
    beyond = (uintptr_t(*)[2])(region + THREAD_STACK + OS_PAGE_SIZE);
    REQUIRE(pthread_attr_init(&attributes) == 0 && pthread_attr_setstack(&attributes, region, THREAD_STACK) == 0);
    REQUIRE(pthread_create(&thread, &attributes, walk_beyond, NULL) == 0);
    pthread_join(thread, NULL);
}

TEST(unwind, an_address_that_no_call_left_ends_the_walk)
{
    static int data;
    uintptr_t frames[FRAMES][2], not_code[] = { 0, 1, (uintptr_t)&data, (uintptr_t)frames, (uintptr_t)code_after_call + 1,
                                                (uintptr_t)outer, UINTPTR_MAX };
    for (unsigned i = 0; i < sizeof not_code / sizeof not_code[0]; i++) {
        make_frames(frames);
        frames[2][1] = not_code[i];
        CHECK_EQ(walk(frames), 2);
    }
}

static ucontext_t back, coroutine;
static struct trace on_coroutine;

static void run_on_coroutine(void)
{
    outer(&on_coroutine);
    swapcontext(&coroutine, &back);
}

/* Its stack ends at memory that is not there. */
TEST(unwind, a_stack_of_the_program_s_own_is_walked)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    SKIP("sanitizers do not follow ucontext");
#endif
    enum { BYTES = 256 << 10 };
    char *stack = mmap(NULL, BYTES + OS_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(stack != MAP_FAILED && mprotect(stack + BYTES, OS_PAGE_SIZE, PROT_NONE) == 0);
    REQUIRE(getcontext(&coroutine) == 0);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = BYTES;
    makecontext(&coroutine, run_on_coroutine, 0);
    swapcontext(&back, &coroutine);
    REQUIRE(on_coroutine.count >= 2);
    CHECK(is_in(on_coroutine.addresses[0], (const void *)inner));
    CHECK(is_in(on_coroutine.addresses[1], (const void *)outer));
}

TEST(unwind, what_can_be_read_is_known)
{
    static const char constant[16] = "constant";
    char *pages = mmap(NULL, 2 * OS_PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *page = pages + OS_PAGE_SIZE;
    REQUIRE(mprotect(page, OS_PAGE_SIZE, PROT_NONE) == 0);
    CHECK(os_readable(constant));
    CHECK(!os_readable(NULL));
    CHECK(!os_readable(page));
    CHECK(os_readable(page - sizeof(uint64_t)));
    CHECK(!os_readable(page - sizeof(uint64_t) / 2));
    CHECK(!os_readable((const void *)0xdeadbeefdeadbeef));
}
