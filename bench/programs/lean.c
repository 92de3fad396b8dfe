// lean THREADS BLOCKS: THREADS threads (0: the main thread alone) allocate BLOCKS small blocks each,
// free every second one, and sleep. Prints the process's resident and anonymous KiB, once the
// threads are at rest, and again when an allocator has had time to tidy up.
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { AT_REST_MS = 100, LATER_MS = 2900 };

static pthread_barrier_t all_done;
static size_t block_count;

static void allocate_a_little(void)
{
    for (size_t i = 0; i < block_count; i++) {
        size_t size = 16 + 48 * (i % 20); // up to 928 bytes
        char *block = malloc(size);
        if (!block)
            abort();
        memset(block, 1, size);
        if (i % 2)
            free(block);
    }
}

static void *idle(void *argument)
{
    allocate_a_little();
    pthread_barrier_wait(&all_done);
    for (;;)
        pause();
    return argument;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static long field(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line ? strtol(line + strlen(name), NULL, 10) : -1;
}

// Reads and writes without stdio: the measuring must not allocate.
static void report(const char *moment, int out_fd)
{
    char text[4096], out[256];
    int fd = open("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0)
        abort();
    close(fd);
    text[length] = '\0';
    int size = snprintf(out, sizeof out, "{\"moment\": \"%s\", \"rss\": %ld, \"anonymous\": %ld}\n", moment,
                        field(text, "\nRss:"), field(text, "\nAnonymous:"));
    if (write(out_fd, out, (size_t)size) != size)
        abort();
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: lean THREADS BLOCKS\n", stderr);
        return 2;
    }
    unsigned threads = (unsigned)atoi(argv[1]);
    block_count = (size_t)atol(argv[2]);
    report("warm-up", open("/dev/null", O_WRONLY)); // libc's pages that reporting touches
    if (threads == 0)
        allocate_a_little();
    pthread_barrier_init(&all_done, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, idle, NULL) != 0)
            abort();
    }
    pthread_barrier_wait(&all_done);
    sleep_ms(AT_REST_MS);
    report("at rest", STDOUT_FILENO);
    sleep_ms(LATER_MS);
    report("3 s later", STDOUT_FILENO);
    _exit(0);
}
