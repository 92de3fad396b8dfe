/* Shared by the black-box programs. A failed CHECK prints one line and ends the program with status 1, SKIP ends it with 77.
   Neither allocates: the malloc under test may be the thing that is broken. */
#ifndef PRELOAD_CHECK_H
#define PRELOAD_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition, ...) \
    ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition, " " __VA_ARGS__))
#define SKIP(...) check_skip("" __VA_ARGS__)
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

__attribute__((format(printf, 4, 5), noreturn, unused)) static void
check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char text[512];
    const char *name = strrchr(file, '/');
    int length = snprintf(text, sizeof text, "%s:%d: %s", name ? name + 1 : file, line, condition);
    va_list arguments;
    va_start(arguments, format);
    if (length < (int)sizeof text - 2)
        length += vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof text - 2)
        length = sizeof text - 2;
    text[length] = '\n';
    if (write(STDOUT_FILENO, text, (size_t)length + 1) < 0)
        _exit(2);
    _exit(1);
}

__attribute__((format(printf, 1, 2), noreturn, unused)) static void check_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vdprintf(STDOUT_FILENO, format, arguments);
    va_end(arguments);
    dprintf(STDOUT_FILENO, "\n");
    _exit(77);
}

/* Values the compiler may reason no further about: it knows what malloc and free do, and the tests ask for the impossible. */
__attribute__((unused)) static void *hide(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer) : : "memory");
    return pointer;
}

__attribute__((unused)) static size_t hide_size(size_t size)
{
    __asm__ volatile("" : "+r"(size));
    return size;
}

__attribute__((unused)) static int is_aligned(const void *pointer, size_t alignment)
{
    return ((uintptr_t)pointer & (alignment - 1)) == 0;
}

/* splitmix64: small, seedable, good enough to choose sizes with. */
__attribute__((unused)) static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

__attribute__((unused)) static size_t random_below(uint64_t *state, size_t bound)
{
    return (size_t)(random_next(state) % bound);
}

/* Reads a whole small file of /proc without stdio. */
__attribute__((unused)) static size_t read_file(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0, "%s", path);
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(fd, buffer + length, size - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    buffer[length] = '\0';
    return length;
}

__attribute__((unused)) static size_t resident_bytes(void)
{
    char text[4096];
    read_file("/proc/self/smaps_rollup", text, sizeof text);
    const char *line = strstr(text, "\nRss:");
    CHECK(line != NULL);
    return strtoul(line + 5, NULL, 10) * KIB;
}

__attribute__((unused)) static size_t mapping_count(void)
{
    char text[16384];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    size_t lines = 0;
    ssize_t got;
    while ((got = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < got; i++)
            lines += text[i] == '\n';
    close(fd);
    return lines;
}

__attribute__((unused)) static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

__attribute__((unused)) static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Blocks of one size, written to throughout. */
__attribute__((unused)) static void take_blocks(char **blocks, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = (char *)malloc(size);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)i, size);
    }
}

__attribute__((unused)) static void free_blocks(char **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
}

/* Blocks of one size until there are no more, for want of memory: as a list. */
__attribute__((unused)) static void **take_all(size_t size, size_t *count)
{
    void **list = NULL, **block;
    *count = 0;
    errno = 0;
    while ((block = (void **)malloc(size)) != NULL) {
        *block = list;
        list = block;
        ++*count;
    }
    CHECK(errno == ENOMEM, "(errno %d, size %zu)", errno, size);
    return list;
}

__attribute__((unused)) static void free_list(void **list)
{
    while (list != NULL) {
        void **next = (void **)*list;
        free(list);
        list = next;
    }
}

/* A child which must end with status 0; its own CHECK has said why it did not. */
__attribute__((unused)) static void expect_success(pid_t child)
{
    int status = 0;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0, "(child's status 0x%x)", (unsigned)status);
}

__attribute__((unused)) static void in_child(void (*run)(void))
{
    pid_t child = fork();
    if (child == 0) {
        run();
        _exit(0);
    }
    expect_success(child);
}

/* Allocates and frees a bit of everything and looks at what it wrote: "the heap is usable". */
__attribute__((unused)) static void exercise_heap(void)
{
    static const size_t sizes[] = {1, 16, 100, 1000, 5000, 40000, 300000, 2000000};
    for (int round = 0; round < 3; round++) {
        unsigned char *blocks[ARRAY_LENGTH(sizes)];
        for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
            blocks[i] = (unsigned char *)hide(malloc(sizes[i]));
            CHECK(blocks[i] != NULL, "(size %zu)", sizes[i]);
            memset(blocks[i], (int)i + round, sizes[i]);
        }
        for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
            CHECK(blocks[i][0] == i + (unsigned)round && blocks[i][sizes[i] - 1] == i + (unsigned)round);
            free(blocks[i]);
        }
    }
}

#endif
