/* A single-threaded program calls fork in a signal handler which interrupts malloc, free or fork itself: the child can exit, the
   parent goes on. (A thread of the allocator's own makes libc's fork lock, and the handler's fork then waits for ever.)
   Facts of glibc's tst-mallocfork, tst-mallocfork2. */
#include "under_fire.h"

int main(void)
{
    install_handler();
    fork_function = fork;
    pid_t target = getpid(), sender = fork();
    CHECK(sender >= 0);
    if (sender == 0)
        for (sig_atomic_t before = *handled; kill(target, SIGUSR1) == 0; before = *handled)
            pause_fire(before, 2000);
    allocate_under_fire();
    CHECK(kill(sender, SIGKILL) == 0);
    CHECK(waitpid(sender, NULL, 0) == sender);
    return 0;
}
