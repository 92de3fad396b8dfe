/*
 * Runs the tests of an executable that sanitizers instrument, each in a child of this one-threaded process, and
 * ends with "N passed, N failed, N skipped" alone on a line.  An argument runs only tests whose suite/name has it.
 */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_SECONDS 200
#define EXIT_SKIPPED 77 /* automake's convention */

static struct harness_test *first, **last = &first;

void harness_register(struct harness_test *test)
{
    *last = test;
    last = &test->next;
}

void harness_skip(const char *file, int line, const char *reason)
{
    fprintf(stderr, "%s:%d: SKIPPED: %s\n", file, line, reason);
    _exit(EXIT_SKIPPED);
}

static int run(const struct harness_test *test)
{
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(TIMEOUT_SECONDS);
        harness_begin();
        test->body();
        exit(harness_end() == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

static bool wanted(const struct harness_test *test, const char *part)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", test->suite, test->name);
    return part == NULL || strstr(path, part) != NULL;
}

int main(int count, char **arguments)
{
    const char *part = count > 1 ? arguments[1] : NULL;
    unsigned passed = 0, failed = 0, skipped = 0;
    for (const struct harness_test *test = first; test; test = test->next) {
        if (!wanted(test, part))
            continue;
        const int status = run(test);
        if (WIFSIGNALED(status)) {
            printf("[FAIL] %s/%s: killed by signal %d (%s)\n", test->suite, test->name, WTERMSIG(status),
                   strsignal(WTERMSIG(status)));
            failed++;
        } else if (WEXITSTATUS(status) == EXIT_SKIPPED) {
            skipped++;
        } else if (WEXITSTATUS(status) != 0) {
            printf("[FAIL] %s/%s: exit status %d\n", test->suite, test->name, WEXITSTATUS(status));
            failed++;
        } else {
            passed++;
        }
    }
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed != 0 || passed + skipped == 0;
}
