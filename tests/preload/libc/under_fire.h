/* Allocating and forking in a thread which signals interrupt all the time, whose handler forks too. */
#ifndef PRELOAD_UNDER_FIRE_H
#define PRELOAD_UNDER_FIRE_H

#include "check.h"
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

enum { OBJECTS = 200, LARGEST = 70000, STEPS = 3000 };

static volatile sig_atomic_t *handled; /* seen by children, too */
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
    fork_and_reap(fork_function);
    *handled = *handled + 1;
    errno = saved;
}

static void allocate_under_fire(void)
{
    static unsigned char *objects[OBJECTS];
    static size_t sizes[OBJECTS];
    uint64_t random = 5;
    for (int step = 0; step < STEPS || *handled < 100; step++) {
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

/* Until the last signal has been handled: on a busy machine a fork may take longer than any pause between two, and whom they are
   for would come to nothing else. */
static void pause_fire(sig_atomic_t before, unsigned microseconds)
{
    for (int tries = 0; *handled == before && tries < 10000; tries++)
        usleep(200);
    usleep(microseconds);
}

static void install_handler(void)
{
    handled = mmap(NULL, sizeof *handled, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(handled != MAP_FAILED);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
}

#endif
