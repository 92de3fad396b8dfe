/* vfork and exec, posix_spawn, popen and system while other threads allocate; the started programs run under the same preload. */
#include "check.h"
#include <pthread.h>
#include <spawn.h>

enum { ROUNDS = 40, THREADS = 3 };
extern char **environ;
static int stop;

static void *churn(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        exercise_heap();
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        char *arguments[] = {(char *)"true", NULL};
        void *kept = malloc(100000);
        CHECK(kept != NULL);
        pid_t child = vfork();
        if (child == 0) {
            execv("/bin/true", arguments);
            _exit(127);
        }
        expect_success(child);
        CHECK(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
        expect_success(child);
        CHECK(posix_spawn(&child, "/nonexistent/program", NULL, NULL, arguments, environ) != 0);
        CHECK(system("exit 7") == 7 << 8);
        char line[32] = "";
        FILE *pipe = popen("echo hello", "r");
        CHECK(pipe != NULL && fgets(line, sizeof line, pipe) != NULL && strcmp(line, "hello\n") == 0);
        CHECK(pclose(pipe) == 0);
        free(kept);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
