/* fork while other threads allocate inside stdio, holding a stream's lock: fork takes all stream locks after the program's
   prepare handlers, so an allocator which takes a lock of its own in such a handler dead-locks here. */
#include "check.h"
#include <pthread.h>

enum { FORKS = 300, WRITERS = 3 };
static int stop;

/* A stream cookie which allocates while stdio holds the lock. */
static ssize_t allocating_write(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    for (size_t i = 0; i < 30; i++) {
        char *copy = malloc(size + i * 997);
        CHECK(copy != NULL);
        memcpy(copy, bytes, size);
        free(copy);
    }
    return (ssize_t)size;
}

static void *print(void *stream)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        char *text = NULL;
        fprintf(stream, "%s %5000d %*f\n", "allocates for wide fields", 7, 3000, 1e300);
        CHECK(asprintf(&text, "%4000d", 7) == 4000);
        free(text);
        FILE *opened = fopen("/dev/null", "w");
        CHECK(opened != NULL);
        fputs("x", opened);
        fclose(opened);
        fflush(NULL); /* writes the cookie's stream, and so allocates, under the lock of the list of streams */
    }
    return NULL;
}

int main(void)
{
    pthread_t writers[WRITERS];
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = allocating_write});
    CHECK(stream != NULL);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&writers[i], NULL, print, stream) == 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            exercise_heap();
            fprintf(stream, "%5000d\n", 1);
            fflush(stream);
            _exit(0);
        }
        expect_success(child);
        usleep(500);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_join(writers[i], NULL) == 0);
    fclose(stream);
    return 0;
}
