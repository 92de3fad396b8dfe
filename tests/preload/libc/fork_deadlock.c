/* Threads which fork, threads which allocate inside getline (under a stream's lock) and one in fflush(NULL) (under all of them):
   nobody waits for ever. Facts of glibc's tst-malloc-fork-deadlock. */
#include "check.h"
#include <pthread.h>
#include <sys/mman.h>

enum { FORKERS = 4, READERS = 8, DURATION_MS = 3000 };
static int stop, text_file;

static int stopped(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void *fork_often(void *unused)
{
    while (!stopped()) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        expect_success(child);
    }
    return unused;
}

static void *read_lines(void *unused)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", text_file);
    FILE *stream = fopen(path, "r");
    CHECK(stream != NULL);
    while (!stopped()) {
        char *line = NULL;
        size_t size = 0;
        rewind(stream);
        CHECK(getline(&line, &size, stream) == 50001);
        free(line);
    }
    fclose(stream);
    return unused;
}

static void *flush_all(void *unused)
{
    while (!stopped())
        CHECK(fflush(NULL) == 0);
    return unused;
}

int main(void)
{
    text_file = memfd_create("line", 0);
    CHECK(text_file >= 0);
    static char line[50001];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    CHECK(write(text_file, line, sizeof line) == sizeof line);

    pthread_t forkers[FORKERS], readers[READERS], flusher;
    for (size_t i = 0; i < READERS; i++)
        CHECK(pthread_create(&readers[i], NULL, read_lines, NULL) == 0);
    CHECK(pthread_create(&flusher, NULL, flush_all, NULL) == 0);
    for (size_t i = 0; i < FORKERS; i++)
        CHECK(pthread_create(&forkers[i], NULL, fork_often, NULL) == 0);
    sleep_ms(DURATION_MS);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < FORKERS; i++)
        CHECK(pthread_join(forkers[i], NULL) == 0);
    for (size_t i = 0; i < READERS; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
    CHECK(pthread_join(flusher, NULL) == 0);
    return 0;
}
