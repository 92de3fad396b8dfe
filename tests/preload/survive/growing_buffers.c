/* Buffers of many megabytes that grow, one after the other and two in turn, keep their contents and cost no more than what
   lives; nor do buffers of changing sizes; and a zeroed table that comes where a buffer was is not resident before it is used. */
#include "check.h"

static size_t memory(const char *key)
{
    char text[4096];
    read_file("/proc/self/status", text, sizeof text);
    const char *line = strstr(text, key);
    CHECK(line != NULL);
    return strtoul(line + strlen(key), NULL, 10) * KIB;
}

static uint64_t word_at(size_t offset)
{
    return offset * 0x9e3779b97f4a7c15u;
}

/* One word of each page. */
static void fill(char *buffer, size_t from, size_t to)
{
    for (size_t at = from & ~(size_t)4095; at + 8 <= to; at += 4096)
        *(uint64_t *)(buffer + at) = word_at(at);
}

static void check(const char *buffer, size_t size)
{
    for (size_t at = 0; at + 8 <= size; at += 4096)
        CHECK(*(const uint64_t *)(buffer + at) == word_at(at), "(at %zu of %zu)", at, size);
}

static char *grow(char *buffer, size_t from, size_t to)
{
    buffer = realloc(buffer, to);
    CHECK(buffer != NULL);
    fill(buffer, from, to);
    return buffer;
}

static void grow_by_an_eighth(unsigned buffers, size_t limit)
{
    char *buffer[2] = {NULL};
    size_t size = 0;
    for (size_t next = 64 * KIB; next < limit; size = next, next += next / 8)
        for (unsigned i = 0; i < buffers; i++)
            buffer[i] = grow(buffer[i], size, next);
    for (unsigned i = 0; i < buffers; i++) {
        check(buffer[i], size);
        free(buffer[i]);
    }
}

static void one_after_the_other(void)
{
    for (int round = 0; round < 4; round++)
        grow_by_an_eighth(1, 200 * MIB);
    CHECK(memory("VmHWM:") < 220 * MIB, "(%zu MiB)", memory("VmHWM:") / MIB);
}

static void two_in_turn(void)
{
    for (int round = 0; round < 4; round++)
        grow_by_an_eighth(2, 80 * MIB);
    CHECK(memory("VmHWM:") < 190 * MIB, "(%zu MiB)", memory("VmHWM:") / MIB);
}

static void sizes_that_change(void)
{
    static const unsigned sizes[] = {150, 60, 100, 200, 40, 120, 70, 180, 33, 90};
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
            char *buffer = malloc(sizes[i] * MIB);
            CHECK(buffer != NULL);
            fill(buffer, 0, sizes[i] * MIB);
            check(buffer, sizes[i] * MIB);
            free(buffer);
        }
    CHECK(memory("VmHWM:") < 220 * MIB, "(%zu MiB)", memory("VmHWM:") / MIB);
}

static void a_table_of_zeros(void)
{
    char *buffer = malloc(200 * MIB);
    CHECK(buffer != NULL);
    fill(buffer, 0, 200 * MIB);
    free(buffer);
    char *table = calloc(190, MIB);
    CHECK(table != NULL);
    CHECK(memory("VmRSS:") < 30 * MIB, "(%zu MiB)", memory("VmRSS:") / MIB);
    for (size_t at = 0; at < 190 * MIB; at += 4096)
        CHECK(*(uint64_t *)(table + at) == 0);
    free(table);
}

static void shrinking(void)
{
    char *buffer = grow(NULL, 0, 100 * MIB);
    for (size_t size = 90 * MIB; size > 64 * KIB; size -= size / 4) {
        buffer = realloc(buffer, size);
        CHECK(buffer != NULL);
        check(buffer, size);
    }
    CHECK(memory("VmRSS:") < 20 * MIB, "(%zu MiB)", memory("VmRSS:") / MIB);
    free(buffer);
}

/* Each in a process of its own, for its peak. */
static void apart(void (*body)(void))
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0)
        _exit(1);
}

int main(void)
{
    apart(one_after_the_other);
    apart(two_in_turn);
    apart(sizes_that_change);
    apart(a_table_of_zeros);
    apart(shrinking);
    return 0;
}
