/* _Fork, which may be called in signal handlers of threaded programs too, interrupts malloc, free and _Fork; the signals come from
   threads. Facts of glibc's tst-mallocfork3. */
#include "under_fire.h"
#include <pthread.h>

static int stop;

static void *fire(void *target)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        sig_atomic_t before = *handled;
        pthread_kill(*(pthread_t *)target, SIGUSR1);
        pause_fire(before, 5000);
    }
    return NULL;
}

int main(void)
{
    pthread_t self = pthread_self(), senders[3];
    install_handler();
    fork_function = _Fork;
    for (size_t i = 0; i < ARRAY_LENGTH(senders); i++)
        CHECK(pthread_create(&senders[i], NULL, fire, &self) == 0);
    allocate_under_fire();
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < ARRAY_LENGTH(senders); i++)
        CHECK(pthread_join(senders[i], NULL) == 0);
    return 0;
}
