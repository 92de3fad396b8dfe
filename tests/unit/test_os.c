/* The kernel's face, against the kernel. */
#include "faults.h"
#include "harness.h"

#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 16

static bool is_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static bool is_mapped(void *address)
{
    unsigned char resident;
    return mincore(address, OS_PAGE_SIZE, &resident) == 0;
}

static unsigned char *map_filled(void)
{
    unsigned char *bytes = os_map(PAGES * OS_PAGE_SIZE, OS_PAGE_SIZE);
    REQUIRE(bytes != NULL);
    memset(bytes, 0xa5, PAGES * OS_PAGE_SIZE);
    return bytes;
}

TEST(os, mapped_memory_is_zero_and_writable)
{
    unsigned char *bytes = os_map(PAGES * OS_PAGE_SIZE, OS_PAGE_SIZE);
    REQUIRE(bytes != NULL);
    CHECK(is_zero(bytes, PAGES * OS_PAGE_SIZE));
    memset(bytes, 1, PAGES * OS_PAGE_SIZE);
}

TEST(os, mappings_have_the_alignment_that_was_asked_for)
{
    for (size_t align = OS_PAGE_SIZE; align <= (size_t)1 << 30; align *= 2) {
        char *bytes = os_map(3 * OS_PAGE_SIZE, align);
        REQUIRE(bytes != NULL);
        CHECK_EQ((uintptr_t)bytes % align, 0);
        bytes[3 * OS_PAGE_SIZE - 1] = 1;
    }
}

TEST(os, an_impossible_mapping_is_null_and_errno_stays)
{
    errno = EXDEV;
    CHECK(os_map((size_t)1 << 62, OS_PAGE_SIZE) == NULL);
    CHECK(os_map(SIZE_MAX - OS_PAGE_SIZE + 1, OS_PAGE_SIZE) == NULL);
    CHECK_EQ(errno, EXDEV);
}

TEST(os, unmapped_memory_is_gone)
{
    unsigned char *bytes = map_filled();
    os_unmap(bytes, PAGES * OS_PAGE_SIZE);
    CHECK(!is_mapped(bytes));
}

TEST(os, purged_pages_read_as_zeros)
{
    unsigned char *bytes = map_filled();
    CHECK(os_purge(bytes, PAGES * OS_PAGE_SIZE));
    CHECK(is_zero(bytes, PAGES * OS_PAGE_SIZE));
}

TEST(os, a_purge_leaves_its_neighbours)
{
    unsigned char *bytes = map_filled();
    CHECK(os_purge(bytes + OS_PAGE_SIZE, OS_PAGE_SIZE));
    CHECK_EQ(bytes[OS_PAGE_SIZE - 1], 0xa5);
    CHECK_EQ(bytes[2 * OS_PAGE_SIZE], 0xa5);
}

/* Threads that map memory wait while pages are taken out. */
TEST(os, much_is_removed_by_several_calls)
{
    size_t size = (size_t)64 << 20;
    unsigned char *bytes = os_map(size, OS_PAGE_SIZE);
    REQUIRE(bytes != NULL);
    bytes[0] = bytes[size - 1] = 1;
    os_fault_after(2, false);
    CHECK(!os_purge(bytes, size));
    CHECK_EQ(bytes[0] + bytes[size - 1], 1);
    struct os_range ranges[2] = { { bytes, size / 2 }, { bytes + size / 2, size / 2 } };
    bytes[0] = 1;
    os_fault_after(9, true);
    CHECK(!os_purge_ranges(ranges, 2));
    CHECK_EQ(bytes[0] + bytes[size - 1], 1);
    os_fault_after(2, false);
    os_unmap(bytes, size);
    CHECK(!is_mapped(bytes) && !is_mapped(bytes + size - OS_PAGE_SIZE));
    os_fault_after(0, false);
}

/* Pieces end between huge pages. */
TEST(os, what_is_removed_by_several_calls_cuts_no_huge_page_in_two)
{
    size_t piece = (size_t)4 << 20;
    unsigned char *bytes = os_map(2 * piece, piece), *from = bytes + piece - OS_PAGE_SIZE;
    REQUIRE(bytes != NULL);
    from[0] = from[OS_PAGE_SIZE] = 1;
    os_fault_after(2, false);
    CHECK(!os_purge(from, piece + OS_PAGE_SIZE));
    CHECK_EQ(from[0], 0);
    CHECK_EQ(from[OS_PAGE_SIZE], 1);
}

/* A refusal is one of all of it, then. */
TEST(os, what_can_be_removed_by_one_call_is_wherever_it_lies)
{
    size_t piece = (size_t)4 << 20;
    unsigned char *bytes = os_map(2 * piece, piece), *from = bytes + OS_PAGE_SIZE;
    REQUIRE(bytes != NULL);
    from[0] = from[piece - 1] = 1;
    os_fault_after(2, false);
    CHECK(os_purge(from, piece));
    CHECK_EQ(from[0] + from[piece - 1], 0);
    CHECK(os_fault());
}

static void check_purge_of_every_second_page(unsigned char *bytes)
{
    struct os_range ranges[PAGES / 2];
    for (unsigned i = 0; i < PAGES / 2; i++)
        ranges[i] = (struct os_range){ bytes + 2 * i * OS_PAGE_SIZE, OS_PAGE_SIZE };
    CHECK(os_purge_ranges(ranges, PAGES / 2));
    for (unsigned i = 0; i < PAGES / 2; i++) {
        CHECK(is_zero(bytes + 2 * i * OS_PAGE_SIZE, OS_PAGE_SIZE));
        CHECK_EQ(bytes[(2 * i + 1) * OS_PAGE_SIZE], 0xa5);
        CHECK_EQ(bytes[(2 * i + 2) * OS_PAGE_SIZE - 1], 0xa5);
    }
}

TEST(os, several_ranges_are_purged_and_nothing_else)
{
    check_purge_of_every_second_page(map_filled());
}

TEST(os, ranges_are_purged_one_by_one_where_the_kernel_takes_no_vector)
{
    unsigned char *bytes = map_filled();
    os_fault_after(1, false);
    check_purge_of_every_second_page(bytes);
}

/* Asked by a file descriptor of the process, which kernels know under one name only. */
static bool kernel_purges_ranges(unsigned char *bytes)
{
    long sent = -1;
#if defined(SYS_process_madvise) && defined(SYS_pidfd_open)
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct iovec range = { bytes, OS_PAGE_SIZE };
    sent = syscall(SYS_process_madvise, self, &range, (size_t)1, MADV_DONTNEED, 0);
    close(self);
#endif
    return sent == (long)OS_PAGE_SIZE;
}

TEST(os, ranges_are_purged_in_one_call_where_the_kernel_can)
{
    unsigned char *bytes = map_filled();
    struct os_range ranges[2] = { { bytes, OS_PAGE_SIZE }, { bytes + 2 * OS_PAGE_SIZE, OS_PAGE_SIZE } };
    bool able = kernel_purges_ranges(bytes + 4 * OS_PAGE_SIZE);
    os_fault_after(2, true); /* there is no second one */
    CHECK_EQ(os_purge_ranges(ranges, 2), able);
    os_fault_after(0, false);
}

/* A passing want of memory, as the kernel also calls a range that is not mapped, is no reason to do without for good. */
TEST(os, ranges_are_purged_in_one_call_after_one_has_failed)
{
    unsigned char *bytes = map_filled(), *gone = map_filled();
    bool able = kernel_purges_ranges(bytes + 4 * OS_PAGE_SIZE);
    os_unmap(gone, PAGES * OS_PAGE_SIZE);
    struct os_range none[2] = { { gone, OS_PAGE_SIZE }, { gone + 2 * OS_PAGE_SIZE, OS_PAGE_SIZE } };
    struct os_range ranges[2] = { { bytes, OS_PAGE_SIZE }, { bytes + 2 * OS_PAGE_SIZE, OS_PAGE_SIZE } };
    CHECK(!os_purge_ranges(none, 2));
    os_fault_after(2, true); /* there is no second one */
    CHECK_EQ(os_purge_ranges(ranges, 2), able);
    os_fault_after(0, false);
}

TEST(os, ranges_that_the_kernel_refuses_are_told)
{
    unsigned char *bytes = map_filled();
    struct os_range ranges[2] = { { bytes, OS_PAGE_SIZE }, { bytes + 2 * OS_PAGE_SIZE, OS_PAGE_SIZE } };
    os_fault_after(1, true);
    CHECK(!os_purge_ranges(ranges, 2));
    CHECK_EQ(bytes[0], 0xa5);
}

TEST(os, a_range_that_is_not_mapped_is_refused_and_errno_stays)
{
    unsigned char *bytes = map_filled();
    os_unmap(bytes, PAGES * OS_PAGE_SIZE);
    errno = EXDEV;
    CHECK(!os_purge(bytes, PAGES * OS_PAGE_SIZE));
    CHECK_EQ(errno, EXDEV);
}

TEST(os, what_can_not_be_unmapped_is_purged)
{
    unsigned char *bytes = map_filled();
    os_fault_after(1, false);
    os_unmap(bytes, PAGES * OS_PAGE_SIZE);
    REQUIRE(is_mapped(bytes));
    CHECK(is_zero(bytes, PAGES * OS_PAGE_SIZE));
}

#define WHILE_MAPPED ((size_t)1 << 30)
static _Atomic bool ends;
static _Atomic unsigned rounds;

static void *map_and_unmap(void *unused)
{
    for (; !load_rlx(&ends); add_rlx(&rounds, 1u)) {
        void *place = os_map(WHILE_MAPPED, WHILE_MAPPED); /* by several calls */
        REQUIRE(place != NULL);
        munmap(place, WHILE_MAPPED);
    }
    return unused;
}

/* Who removes memory lets by who maps, but not a thread that there is no more. */
TEST(os, a_child_of_a_fork_in_the_middle_of_a_mapping_removes_memory)
{
    enum { CHILDREN = 30, SECONDS = 30 };
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, map_and_unmap, NULL) == 0);
    for (unsigned i = 0; i < CHILDREN; i++) {
        void *bytes = os_map(OS_PAGE_SIZE, OS_PAGE_SIZE);
        for (unsigned before = load_rlx(&rounds); load_rlx(&rounds) == before;)
            os_pause(10);
        pid_t child = fork();
        if (child == 0) {
            alarm(SECONDS);
            os_unmap(bytes, OS_PAGE_SIZE);
            _exit(0);
        }
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(status == 0);
        os_unmap(bytes, OS_PAGE_SIZE);
    }
    store_rlx(&ends, true);
    pthread_join(thread, NULL);
}

TEST(os, a_moved_block_keeps_its_contents)
{
    const size_t bytes = PAGES * OS_PAGE_SIZE;
    unsigned char *old = map_filled(), *place = os_map(4 * bytes, OS_PAGE_SIZE);
    REQUIRE(place != NULL);
    REQUIRE(os_move(old, bytes, place, 4 * bytes));
    CHECK(!is_mapped(old));
    CHECK_EQ(place[0], 0xa5);
    CHECK_EQ(place[bytes - 1], 0xa5);
    CHECK(is_zero(place + bytes, 3 * bytes));
}

TEST(os, a_mapping_can_shrink_and_grow_back_where_it_is)
{
    unsigned char *bytes = map_filled();
    bool movable;
    CHECK(os_resize(bytes, PAGES * OS_PAGE_SIZE, OS_PAGE_SIZE, &movable));
    CHECK_EQ(bytes[0], 0xa5);
    CHECK(!is_mapped(bytes + OS_PAGE_SIZE));
    CHECK(os_resize(bytes, OS_PAGE_SIZE, PAGES * OS_PAGE_SIZE, &movable));
    CHECK_EQ(bytes[0], 0xa5);
    CHECK(is_zero(bytes + OS_PAGE_SIZE, (PAGES - 1) * OS_PAGE_SIZE));
}

TEST(os, a_mapping_that_can_not_be_resized_or_moved_is_as_before)
{
    unsigned char *bytes = map_filled(), *place = map_filled();
    bool movable;
    errno = EXDEV;
    CHECK(!os_resize(bytes, PAGES * OS_PAGE_SIZE, (size_t)1 << 62, &movable));
    os_fault_after(1, false);
    CHECK(!os_resize(bytes, PAGES * OS_PAGE_SIZE, 2 * PAGES * OS_PAGE_SIZE, &movable) && movable);
    os_fault_after(1, false);
    CHECK(!os_move(bytes, PAGES * OS_PAGE_SIZE, place, PAGES * OS_PAGE_SIZE));
    CHECK(is_mapped(place));
    REQUIRE(os_protect(bytes + OS_PAGE_SIZE, OS_PAGE_SIZE, false));
    CHECK(!os_resize(bytes, PAGES * OS_PAGE_SIZE, 2 * PAGES * OS_PAGE_SIZE, &movable) && !movable);
    CHECK_EQ(errno, EXDEV);
    CHECK_EQ(bytes[PAGES * OS_PAGE_SIZE - 1], 0xa5);
}

TEST(os, the_nth_call_fails_and_only_it)
{
    for (unsigned n = 1; n <= 4; n++) {
        os_fault_after(n, false);
        for (unsigned i = 1; i <= 6; i++)
            CHECK_EQ(os_map(OS_PAGE_SIZE, OS_PAGE_SIZE) == NULL, i == n);
    }
}

TEST(os, from_the_nth_call_on_all_fail_until_switched_off)
{
    unsigned char *bytes = map_filled();
    os_fault_after(3, true);
    for (unsigned i = 1; i <= 6; i++)
        CHECK_EQ(os_purge(bytes, OS_PAGE_SIZE), i < 3);
    os_fault_after(0, false);
    CHECK(os_purge(bytes, OS_PAGE_SIZE));
}

TEST(os, populated_pages_keep_their_contents)
{
    unsigned char *bytes = map_filled();
    os_populate(bytes, PAGES * OS_PAGE_SIZE);
    os_forbid_huge_pages(bytes, PAGES * OS_PAGE_SIZE);
    os_populate_huge(bytes, PAGES * OS_PAGE_SIZE);
    CHECK_EQ(bytes[5 * OS_PAGE_SIZE], 0xa5);
}

TEST(os, a_huge_page_that_is_broken_up_keeps_its_contents)
{
    size_t huge = (size_t)2 << 20;
    unsigned char *bytes = os_map(huge, huge);
    REQUIRE(bytes != NULL);
    os_forbid_huge_pages(bytes, huge);
    os_populate_huge(bytes, huge);
    memset(bytes, 0xa5, huge);
    os_break_huge_page(bytes);
    CHECK(os_purge(bytes + OS_PAGE_SIZE, OS_PAGE_SIZE));
    CHECK_EQ(bytes[0], 0xa5);
    CHECK_EQ(bytes[OS_PAGE_SIZE], 0);
    CHECK_EQ(bytes[huge - 1], 0xa5);
}

TEST(os, the_clock_does_not_run_backwards)
{
    uint32_t before = os_now_ms();
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t now = os_now_ms();
        CHECK((int32_t)(now - before) >= 0);
        before = now;
    }
}

TEST(os, a_wait_for_another_value_returns_at_once)
{
    _Atomic uint32_t word = 1;
    os_wait(&word, 0, OS_FOREVER);
}

TEST(os, a_wait_ends_with_its_time)
{
    _Atomic uint32_t word = 0;
    errno = EXDEV;
    os_wait(&word, 0, 1);
    CHECK_EQ(errno, EXDEV);
}

static void *wait_for_one(void *word)
{
    while (load_acq((_Atomic uint32_t *)word) == 0)
        os_wait(word, 0, OS_FOREVER);
    return NULL;
}

TEST(os, a_wake_ends_a_wait_without_a_limit)
{
    static _Atomic uint32_t word;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, wait_for_one, &word) == 0);
    store_rel(&word, 1u);
    os_wake(&word, 1);
    pthread_join(thread, NULL);
}

TEST(os, a_barrier_that_was_registered_works_or_says_no)
{
    bool registered = os_barrier_register();
    CHECK_EQ(os_barrier(), registered);
    os_fault_after(1, false);
    CHECK(!os_barrier());
}

TEST(os, without_registration_there_is_no_barrier)
{
    os_fault_after(1, false);
    CHECK(!os_barrier_register());
    CHECK(!os_barrier());
}

TEST(os, a_small_file_is_read_and_terminated)
{
    char text[64];
    long length = os_read_file("/proc/self/comm", text, sizeof text);
    CHECK(length > 0);
    CHECK_EQ(strlen(text), length);
    char start[4];
    CHECK_EQ(os_read_file("/proc/self/comm", start, sizeof start), 3);
    CHECK(strncmp(start, text, 3) == 0 && start[3] == '\0');
}

TEST(os, a_missing_file_is_an_answer_and_errno_stays)
{
    char text[64];
    errno = EXDEV;
    CHECK_EQ(os_read_file("/nonexistent/file", text, sizeof text), -1);
    CHECK_EQ(errno, EXDEV);
}

TEST(os, a_test_is_no_secure_process)
{
    CHECK(!os_is_secure());
}

TEST(os, the_random_value_is_the_same_for_all_of_a_process)
{
    CHECK_EQ(os_random(), os_random());
}

TEST(os, no_secret_is_like_another)
{
    errno = EXDEV;
    CHECK(os_secret() != os_secret() && os_secret() != os_random());
#ifndef NDEBUG
    os_fault_after(1, true); /* no kernel that has some */
    CHECK(os_secret() != os_secret());
    os_fault_after(0, false);
#endif
    CHECK_EQ(errno, EXDEV);
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

TEST(os, files_of_the_kernel_are_read_and_terminated)
{
    char text[8];
    errno = EXDEV;
    CHECK_EQ(os_read_file("/proc/self/status", text, sizeof text), 7);
    CHECK_STR(text, "Name:\tt");
    CHECK_EQ(os_read_file("/nowhere", text, sizeof text), (uint64_t)-1);
    CHECK_EQ(os_read_file("/", text, sizeof text), (uint64_t)-1);
    CHECK_EQ(errno, EXDEV);
}

static void interrupt(int unused)
{
    (void)unused;
}

#define MANY ((size_t)1 << 20) /* more than a pipe holds */
static int pipe_ends[2];
static _Atomic bool all_written, write_is_over;

static void *write_many(void *text)
{
    store_rlx(&all_written, os_write(pipe_ends[1], text, MANY));
    store_rlx(&write_is_over, true);
    close(pipe_ends[1]);
    return NULL;
}

/* A signal handler in the middle of it, and a reader who takes little at a time. */
TEST(os, all_is_written_whoever_interrupts)
{
    static char text[MANY], read_back[MANY];
    pthread_t writer;
    REQUIRE(pipe(pipe_ends) == 0);
    REQUIRE(sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = interrupt }, NULL) == 0);
    for (size_t i = 0; i < MANY; i++)
        text[i] = (char)(i * 7);
    REQUIRE(pthread_create(&writer, NULL, write_many, text) == 0);
    for (unsigned i = 0; i < 50; i++) {
        pthread_kill(writer, SIGUSR1);
        os_pause(1000);
    }
    CHECK(!load_rlx(&write_is_over));
    size_t length = 0;
    for (ssize_t n; (n = read(pipe_ends[0], read_back + length, MANY - length < 5000 ? MANY - length : 5000)) > 0;)
        length += (size_t)n;
    pthread_join(writer, NULL);
    CHECK(load_rlx(&all_written));
    CHECK_EQ(length, MANY);
    CHECK(memcmp(text, read_back, MANY) == 0);
}

TEST(os, a_part_is_not_all)
{
    static const char text[MANY];
    REQUIRE(pipe2(pipe_ends, O_NONBLOCK) == 0);
    errno = EXDEV;
    CHECK(!os_write(pipe_ends[1], text, MANY));
    CHECK_EQ(errno, EXDEV);
}

static _Atomic uint64_t blocked_there;
static _Atomic uint32_t said;

static void say_what_is_blocked(void)
{
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
    store_rlx(&blocked_there, mask);
    store_rel(&said, 1u);
    os_wake(&said, 1);
}

/* But those that can not be blocked, and libc's own. */
TEST(os, the_helper_thread_takes_no_signal)
{
    REQUIRE(os_thread_start(say_what_is_blocked));
    while (load_acq(&said) == 0)
        os_wait(&said, 0, 1000);
    for (int signal = 1; signal < 32; signal++)
        CHECK(signal == SIGKILL || signal == SIGSTOP || (load_rlx(&blocked_there) >> (signal - 1) & 1) != 0);
}

TEST(os, a_created_file_is_no_link)
{
    static const char path[] = "/tmp/arca-os-created", link[] = "/tmp/arca-os-link";
    char text[8];
    unlink(path);
    unlink(link);
    errno = EXDEV;
    int fd = os_create_file(path);
    REQUIRE(fd >= 0);
    CHECK(os_write(fd, "hello", 5));
    CHECK(os_close(fd));
    struct stat status;
    REQUIRE(stat(path, &status) == 0);
    CHECK_EQ(status.st_mode & 0777, 0600);
    CHECK_EQ(os_read_file(path, text, sizeof text), 5);
    CHECK_STR(text, "hello");
    REQUIRE(symlink(path, link) == 0);
    CHECK(os_create_file(link) < 0);
    CHECK(os_create_file("/nowhere/x") < 0);
    fd = os_create_file("/dev/full");
    CHECK(fd >= 0 && !os_write(fd, "hello", 5) && !os_copy_file(fd, "/proc/self/maps"));
    CHECK(!os_copy_file(OS_STDERR, "/nowhere/x"));
    os_close(fd);
    CHECK(!os_close(-1));
    CHECK_EQ(errno, EXDEV);
    unlink(path);
    unlink(link);
}
