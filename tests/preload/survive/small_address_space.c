/* Programs start and work in 64 MB of address space (ulimit -v 65536), the allocator's own reservations included. */
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

static void run_limited(const char *path, const char *argument)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {64 * MIB, 64 * MIB};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        execl(path, path, argument, (char *)NULL);
        _exit(127);
    }
    expect_success(child);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        small_program();
    run_limited("/bin/true", NULL);
    run_limited(argv[0], "small");
    return 0;
}
