/* Two threads fork while others allocate and print: fork takes all stream locks after the program's prepare handlers, so an
   allocator which takes a lock of its own in such a handler dead-locks when another thread allocates inside stdio. Each child
   allocates, prints and forks again. FORKS sets how many (default: 1,000).
   run: timeout=240 */
#include "check.h"
#include <pthread.h>

enum { WRITERS = 2, CHURNERS = 1, FORKERS = 2 };
static int stop, forks_left;
static FILE *stream;

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

static void *print(void *unused)
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
    return unused;
}

static void *churn(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        exercise_heap();
    return unused;
}

static void allocate_and_print(void)
{
    alarm(100); /* a dead-lock ends the child, and the test */
    exercise_heap();
    fprintf(stream, "%5000d\n", 1);
    fflush(stream);
}

static void live_as_child(void)
{
    allocate_and_print();
    pid_t grandchild = fork();
    if (grandchild == 0) {
        allocate_and_print();
        _exit(0);
    }
    expect_success(grandchild);
    _exit(0);
}

static void *fork_often(void *unused)
{
    while (__atomic_fetch_sub(&forks_left, 1, __ATOMIC_RELAXED) > 0) {
        pid_t child = fork();
        if (child == 0)
            live_as_child();
        expect_success(child);
        usleep(100);
    }
    return unused;
}

static void start(pthread_t *threads, size_t count, void *(*body)(void *))
{
    for (size_t i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, body, NULL) == 0);
}

static void join(const pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
    pthread_t writers[WRITERS], churners[CHURNERS], forkers[FORKERS];
    const char *given = getenv("FORKS");
    int forks = forks_left = given ? atoi(given) : 1000;
    stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = allocating_write});
    CHECK(stream != NULL);
    start(writers, WRITERS, print);
    start(churners, CHURNERS, churn);
    start(forkers, FORKERS, fork_often);
    join(forkers, FORKERS);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    join(writers, WRITERS);
    join(churners, CHURNERS);
    fclose(stream);
    dprintf(STDOUT_FILENO, "%d forks, and one more of each child\n", forks);
    return 0;
}
