/*
 * What a test file includes.
 *
 *   TEST(pool, take_after_put_returns_the_same_block) { ... CHECK_EQ(a, b); ... }
 *   TEST_ABORTS(report, double_free_is_named, "not a live block") { ... }
 *
 * Every test runs in a process of its own: Criterion's in the plain builds, runner.c's in sanitized ones.
 * CHECK notes a failure and goes on; REQUIRE ends the test's process.  Both may be used from any thread.
 */
#ifndef ARCA_TEST_HARNESS_H
#define ARCA_TEST_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition) ((condition) ? (void)0 : harness_fail(__FILE__, __LINE__, "%s is false", #condition))

#define REQUIRE(condition) ((condition) ? (void)0 : harness_fail_now(__FILE__, __LINE__, "%s is false", #condition))

/* Integers and pointers, compared as 64 bits. */
#define CHECK_EQ(a, b)                                                                                                 \
    harness_check_equal(__FILE__, __LINE__, #a " == " #b, (uint64_t)(uintptr_t)(a), (uint64_t)(uintptr_t)(b))

#define CHECK_STR(a, b) harness_check_string(__FILE__, __LINE__, #a " is " #b, (a), (b))

/* Ends the test as skipped; the reason says how to install what is missing. */
#define SKIP(reason) harness_skip(__FILE__, __LINE__, (reason))

void harness_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
_Noreturn void harness_fail_now(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void harness_check_equal(const char *file, int line, const char *what, uint64_t a, uint64_t b);
void harness_check_string(const char *file, int line, const char *what, const char *a, const char *b);
void harness_skip(const char *file, int line, const char *reason);

/* Around every body.  A test whose process exits before its end has failed. */
void harness_begin(void);
unsigned harness_end(void); /* failed checks */

/* Runs body in a child that must die by SIGABRT after a line with `expected` on its fd 2. */
void harness_check_aborts(const char *file, int line, void (*body)(void), const char *expected);

/* TEST_SEED, or a fresh seed; printed at the first call. */
uint64_t harness_seed(void);

/* TEST_SCALE, or 1: how many times its size a test has that is worth it. */
unsigned harness_scale(void);

/* The next number of a sequence (splitmix64); state is the caller's and starts anywhere. */
uint64_t harness_random(uint64_t *state);

#ifdef ARCA_TEST_CRITERION

#include <criterion/criterion.h>

/* Seconds; sanitized and checking builds are slow, and a hang must still end. */
#define TEST(suite, name)                                                                                              \
    static void suite##_##name##_body(void);                                                                           \
    Test(suite, name, .timeout = 200)                                                                                  \
    {                                                                                                                  \
        harness_begin();                                                                                               \
        suite##_##name##_body();                                                                                       \
        const unsigned failed = harness_end();                                                                         \
        cr_assert(failed == 0, "%u failed checks", failed);                                                            \
    }                                                                                                                  \
    static void suite##_##name##_body(void)

#else

struct harness_test {
    const char *suite, *name;
    void (*body)(void);
    struct harness_test *next;
};

void harness_register(struct harness_test *test);

#define TEST(suite_, name_)                                                                                            \
    static void suite_##_##name_##_body(void);                                                                         \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                                         \
    {                                                                                                                  \
        static struct harness_test test = { #suite_, #name_, suite_##_##name_##_body, NULL };                          \
        harness_register(&test);                                                                                       \
    }                                                                                                                  \
    static void suite_##_##name_##_body(void)

#endif

#define TEST_ABORTS(suite, name, expected)                                                                             \
    static void suite##_##name##_crime(void);                                                                          \
    TEST(suite, name)                                                                                                  \
    {                                                                                                                  \
        harness_check_aborts(__FILE__, __LINE__, suite##_##name##_crime, expected);                                    \
    }                                                                                                                  \
    static void suite##_##name##_crime(void)

#endif
