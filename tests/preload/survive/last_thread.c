/* The process ends when its last thread ends, also where that is not the first one: after main's pthread_exit, and in the child of
   a fork by another thread. A thread of the allocator's own must not keep it alive. */
#include "check.h"
#include <pthread.h>

enum { BLOCKS = 20000, GOODBYES = 30 };

static void say_goodbye(void)
{
    CHECK(write(GOODBYES, "bye", 3) == 3);
}

/* Enough to make an allocator want its background thread. */
static void *burst(void *unused)
{
    static __thread void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(500 + i % 3000);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, 500);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    return unused;
}

static void main_leaves_first(void)
{
    pthread_t thread;
    burst(NULL);
    CHECK(pthread_create(&thread, NULL, burst, NULL) == 0);
    pthread_exit(NULL);
}

static void *fork_and_wait(void *unused)
{
    pid_t child = fork();
    if (child == 0)
        return burst(unused); /* the child's only thread ends here, as a thread */
    expect_success(child);
    return NULL;
}

static void fork_from_a_thread(void)
{
    pthread_t thread;
    burst(NULL);
    CHECK(pthread_create(&thread, NULL, fork_and_wait, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    exit(0);
}

/* In a process of its own from the start. `goodbyes` of the exit handlers: it must end as if by exit, not just vanish. */
static void expect_end(const char *self, const char *life, const char *goodbyes)
{
    char said[16] = "";
    int pipe_ends[2];
    CHECK(pipe(pipe_ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipe_ends[1], GOODBYES);
        execl(self, self, life, (char *)NULL);
        _exit(127);
    }
    close(pipe_ends[1]);
    expect_success(child);
    CHECK(read(pipe_ends[0], said, sizeof said - 1) == (ssize_t)strlen(goodbyes), "(%s: %s)", life, said);
    close(pipe_ends[0]);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        CHECK(atexit(say_goodbye) == 0);
        if (strcmp(argv[1], "main leaves first") == 0)
            main_leaves_first();
        fork_from_a_thread();
    }
    expect_end(argv[0], "main leaves first", "bye");
    expect_end(argv[0], "fork from a thread", "byebye");
    return 0;
}
