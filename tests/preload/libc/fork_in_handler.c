/* fork and _Fork called in a signal handler which interrupts malloc, free or fork: the child can exit, the parent goes on. The
   signals come from a process of their own and from threads. Facts of glibc's tst-mallocfork, tst-mallocfork2, tst-mallocfork3.
   (That fork is allowed there holds for single-threaded processes only; with threads it is _Fork's promise.) */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>

enum { OBJECTS = 200, LARGEST = 70000, STEPS = 3000 };

static volatile sig_atomic_t handled;
static int stop;
static pid_t (*fork_function)(void);

static void fork_and_reap(pid_t (*function)(void))
{
    pid_t child = function();
    if (child == 0)
        _exit(0);
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    CHECK(child > 0 && status == 0);
}

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    handled = handled + 1;
    fork_and_reap(fork_function);
    errno = saved;
}

static void allocate_under_fire(void)
{
    static unsigned char *objects[OBJECTS];
    static size_t sizes[OBJECTS];
    uint64_t random = 5;
    for (int step = 0; step < STEPS || handled < 100; step++) {
        size_t slot = random_below(&random, OBJECTS);
        if (random_below(&random, 100) == 0)
            fork_and_reap(fork_function);
        if (objects[slot] != NULL && sizes[slot] > 0)
            CHECK(objects[slot][0] == (unsigned char)slot && objects[slot][sizes[slot] - 1] == (unsigned char)slot);
        free(objects[slot]);
        sizes[slot] = random_below(&random, LARGEST);
        objects[slot] = malloc(sizes[slot]);
        CHECK(objects[slot] != NULL);
        memset(objects[slot], (int)slot, sizes[slot]);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        free(objects[i]);
        objects[i] = NULL;
    }
}

static void *fire(void *target)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        pthread_kill(*(pthread_t *)target, SIGUSR1);
        usleep(5000);
    }
    return NULL;
}

static void signals_from_threads(void)
{
    pthread_t self = pthread_self(), senders[3];
    fork_function = _Fork;
    handled = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(senders); i++)
        CHECK(pthread_create(&senders[i], NULL, fire, &self) == 0);
    allocate_under_fire();
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < ARRAY_LENGTH(senders); i++)
        CHECK(pthread_join(senders[i], NULL) == 0);
}

static void signals_from_a_process(void)
{
    fork_function = fork;
    handled = 0;
    pid_t target = getpid(), sender = fork();
    CHECK(sender >= 0);
    if (sender == 0)
        while (kill(target, SIGUSR1) == 0)
            usleep(2000);
    allocate_under_fire();
    CHECK(kill(sender, SIGKILL) == 0);
    CHECK(waitpid(sender, NULL, 0) == sender);
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    signals_from_a_process(); /* while this process is single-threaded */
    signals_from_threads();
    return 0;
}
