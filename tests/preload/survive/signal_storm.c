/* Timer signals many times a millisecond while four threads allocate: interrupted system calls and handlers on top of the
   allocator's frames (they do not allocate) change nothing. Also: no signal lands on a thread the program did not make. */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { THREADS = 4, WANTED = 3000 };
static volatile sig_atomic_t strangers;
static long signals;
static pid_t own_threads[THREADS + 1];

static void on_alarm(int number)
{
    (void)number;
    int saved = errno;
    pid_t self = (pid_t)syscall(SYS_gettid);
    int known = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(own_threads); i++)
        known |= __atomic_load_n(&own_threads[i], __ATOMIC_RELAXED) == self;
    strangers |= !known;
    __atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
    errno = saved;
}

static void *churn(void *argument)
{
    uint64_t random = (uintptr_t)argument + 1;
    enum { SLOTS = 500 };
    unsigned char *blocks[SLOTS] = {0};
    size_t sizes[SLOTS] = {0};
    while (__atomic_load_n(&signals, __ATOMIC_RELAXED) < WANTED) {
        size_t i = random_below(&random, SLOTS);
        for (size_t k = 0; k < sizes[i]; k++)
            CHECK(blocks[i][k] == (unsigned char)i);
        size_t size = random_below(&random, random_below(&random, 200) == 0 ? MIB : 4000);
        if (random_below(&random, 2) == 0) {
            free(blocks[i]);
            blocks[i] = malloc(size);
        } else {
            blocks[i] = realloc(blocks[i], size + 1);
        }
        CHECK(blocks[i] != NULL);
        sizes[i] = size;
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < SLOTS; i++)
        free(blocks[i]);
    return NULL;
}

static void *known_thread(void *argument)
{
    size_t own = (uintptr_t)argument;
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    __atomic_store_n(&own_threads[own], (pid_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &alarms, NULL) == 0);
    churn(argument);
    CHECK(pthread_sigmask(SIG_BLOCK, &alarms, NULL) == 0);
    return NULL;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    pthread_t threads[THREADS];
    sigset_t alarms;
    own_threads[THREADS] = getpid();
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    CHECK(pthread_sigmask(SIG_BLOCK, &alarms, NULL) == 0); /* the threads open up once they are known */
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, known_thread, (void *)(uintptr_t)i) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(!strangers);
    exercise_heap();
    return 0;
}
