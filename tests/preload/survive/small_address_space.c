/* Programs start and work in 32 MiB of address space (ulimit -v 32768), the allocator's own reservations included; the least
   that suffices is told. */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

static void *in_thread(void *unused)
{
    exercise_heap();
    return unused;
}

static void small_program(void)
{
    exercise_heap();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_attr_t attributes;
        CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 128 * KIB) == 0);
        CHECK(pthread_create(&thread, &attributes, in_thread, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    void *blocks[8];
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        blocks[i] = malloc(MIB);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, MIB);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++)
        free(blocks[i]);
    exit(0);
}

static int works_in(const char *path, const char *argument, size_t bytes)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {bytes, bytes};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        int silence = open("/dev/null", O_WRONLY);
        dup2(silence, STDOUT_FILENO);
        dup2(silence, STDERR_FILENO);
        execl(path, path, argument, (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status == 0;
}

static size_t least(const char *path, const char *argument)
{
    size_t bytes = MIB;
    while (!works_in(path, argument, bytes))
        bytes += MIB / 2;
    return bytes;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        small_program();
    size_t start = least("/bin/true", NULL), work = least(argv[0], "small");
    dprintf(STDOUT_FILENO, "%zu KiB of address space to start, %zu to work with 8 MiB and threads\n", start / KIB, work / KIB);
    CHECK(start <= 32 * MIB && work <= 32 * MIB, "(%zu and %zu)", start, work);
    return 0;
}
