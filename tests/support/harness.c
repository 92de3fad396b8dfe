/* The checks behind harness.h, the same under Criterion and under runner.c. */
#include "harness.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic unsigned failures;

/* The process whose test has begun and not ended; 0 for none.  Its own children may exit as they like. */
static pid_t running;

static void refuse_early_exit(void)
{
    if (running == getpid()) {
        fprintf(stderr, "check failed: exit() before the end of the test\n");
        _exit(EXIT_FAILURE);
    }
}

void harness_begin(void)
{
    running = getpid();
    atexit(refuse_early_exit);
}

unsigned harness_end(void)
{
    running = 0;
    return atomic_load(&failures);
}

__attribute__((format(printf, 3, 0))) static void note_failure(const char *file, int line, const char *format,
                                                               va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    atomic_fetch_add(&failures, 1);
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
}

void harness_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_failure(file, line, format, arguments);
    va_end(arguments);
}

void harness_fail_now(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_failure(file, line, format, arguments);
    va_end(arguments);
    _exit(EXIT_FAILURE);
}

void harness_check_equal(const char *file, int line, const char *what, uint64_t a, uint64_t b)
{
    if (a != b)
        harness_fail(file, line, "%s: %#llx (%lld) is not %#llx (%lld)", what, (unsigned long long)a, (long long)a,
                     (unsigned long long)b, (long long)b);
}

void harness_check_string(const char *file, int line, const char *what, const char *a, const char *b)
{
    if (a == NULL || b == NULL ? a != b : strcmp(a, b) != 0)
        harness_fail(file, line, "%s: \"%s\" is not \"%s\"", what, a ? a : "(null)", b ? b : "(null)");
}

/* The child's half of harness_check_aborts: fd 2 goes to the pipe. */
static _Noreturn void commit(void (*crime)(void), int output)
{
    const struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGABRT, SIG_DFL); /* Criterion's handler would report the crime as the test's own end */
    dup2(output, STDERR_FILENO);
    crime();
    _exit(EXIT_SUCCESS);
}

static void read_to_end(int from, char *text, size_t capacity)
{
    size_t length = 0;
    for (;;) {
        char rest[256];
        const bool full = length + 1 == capacity;
        const ssize_t n = full ? read(from, rest, sizeof rest) : read(from, text + length, capacity - 1 - length);
        if (n <= 0)
            break;
        if (!full)
            length += (size_t)n;
    }
    text[length] = '\0';
}

void harness_check_aborts(const char *file, int line, void (*crime)(void), const char *expected)
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(ends[0]);
        commit(crime, ends[1]);
    }
    close(ends[1]);
    char said[8192];
    read_to_end(ends[0], said, sizeof said);
    close(ends[0]);

    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        harness_fail(file, line, "should abort, but %s %d; it said: %s",
                     WIFSIGNALED(status) ? "died of signal" : "exited with",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), said);
    else if (strstr(said, expected) == NULL)
        harness_fail(file, line, "aborts, but says \"%s\", not \"%s\"", said, expected);
}

uint64_t harness_seed(void)
{
    static uint64_t seed;
    static bool known;
    if (!known) {
        const char *given = getenv("TEST_SEED");
        if (given)
            seed = strtoull(given, NULL, 0);
        else
            REQUIRE(getrandom(&seed, 4, 0) == 4);
        known = true;
        fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
    }
    return seed;
}

unsigned harness_scale(void)
{
    const char *given = getenv("TEST_SCALE");
    return given != NULL && atoi(given) > 0 ? (unsigned)atoi(given) : 1;
}

uint64_t harness_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#ifdef ARCA_TEST_CRITERION
void harness_skip(const char *file, int line, const char *reason)
{
    fprintf(stderr, "%s:%d: SKIPPED: %s\n", file, line, reason);
    running = 0;
    cr_skip_test("%s", reason);
}
#endif
