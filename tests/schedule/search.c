/*
 * Which schedules are run, and the program around it.
 *
 * A schedule is the list of what was chosen wherever there was a choice.  The search keeps one, runs it, and counts it
 * up at its end: depth first, without a state but the list.
 *
 *   schedule [--list] [--deeper MORE_PREEMPTIONS] [--replay CHOICES] [PART OF SUITE/NAME]
 */
#include "machine.h"

#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHOICES_MAX 40000
#define TIMEOUT_SECONDS 60 /* of a processor: how busy the machine is decides nothing */

/* A walk leaves a thread that could go on once in so many points. */
#define WALK_STAYS 6

static struct scenario *first, **last = &first;

static struct choice {
    uint8_t chosen, options;
} choices[CHOICES_MAX];
static unsigned choice_count, given; /* made in this run; of which so many were given to it */

static const struct scenario *running;
static bool walking, replaying;
static unsigned variant;
static unsigned deeper;
static uint64_t seed;

void schedule_register(struct scenario *scenario)
{
    *last = scenario;
    last = &scenario->next;
}

unsigned schedule_variant(void)
{
    return variant;
}

unsigned search_budget(void)
{
    return running->walks != 0 ? UINT32_MAX : running->preemptions + deeper;
}

/* xorshift64* */
static uint32_t next_random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)(seed * 0x2545f4914f6cdd1du >> 32);
}

static unsigned choose_new(unsigned options, bool stay)
{
    if (!walking || (stay && next_random() % WALK_STAYS != 0))
        return 0;
    return next_random() % options;
}

unsigned search_choose(unsigned options, bool stay)
{
    if (options == 1)
        return 0;
    if (choice_count == CHOICES_MAX)
        schedule_fail("too many choices");
    struct choice *choice = &choices[choice_count++];
    if (choice_count > given)
        *choice = (struct choice){ (uint8_t)choose_new(options, stay), (uint8_t)options };
    else if (choice->options == 0)
        choice->options = (uint8_t)options;
    if (choice->options != options || choice->chosen >= options)
        schedule_fail("the scenario did something else when it was repeated");
    return choice->chosen;
}

/* The next schedule; false after the last. */
static bool count_up(void)
{
    while (choice_count != 0 && choices[choice_count - 1].chosen + 1 == choices[choice_count - 1].options)
        choice_count--;
    if (choice_count == 0)
        return false;
    choices[choice_count - 1].chosen++;
    given = choice_count;
    return true;
}

static void explore(void)
{
    unsigned long runs = 0;
    unsigned steps_max = 0;
    bool more;
    walking = running->walks != 0 && !replaying;
    do {
        choice_count = 0;
        if (walking)
            seed = 0x9e3779b97f4a7c15u * (runs + 1);
        variant = running->variants == 0 ? 0 : search_choose(running->variants, false);
        unsigned steps = machine_run(running);
        if (steps > steps_max)
            steps_max = steps;
        runs++;
        more = replaying ? false : walking ? runs < running->walks : count_up();
    } while (more);
    printf("%-8lu %s, %u steps: %s/%s\n", runs, walking ? "walks" : "interleavings", steps_max, running->suite, running->name);
}

/* ---- failures ---------------------------------------------------------------------------------------------- */

static void print_choices(void)
{
    fprintf(stderr, "  again: schedule ");
    if (deeper != 0)
        fprintf(stderr, "--deeper %u ", deeper);
    fprintf(stderr, "--replay ");
    for (unsigned i = 0, same; i < choice_count; i += same) {
        for (same = 1; i + same < choice_count && choices[i + same].chosen == choices[i].chosen; same++)
            ;
        fprintf(stderr, "%s%u*%u", i == 0 ? "" : ",", choices[i].chosen, same);
    }
    fprintf(stderr, " %s/%s\n", running->suite, running->name);
}

static _Noreturn void give_up(void)
{
    fprintf(stderr, "\n");
    machine_print();
    print_choices();
    _exit(EXIT_FAILURE);
}

void schedule_fail(const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    fprintf(stderr, "[FAIL] %s/%s: ", running->suite, running->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    give_up();
}

static void on_signal(int number)
{
    signal(number, SIG_DFL);
    schedule_fail("%s", number == SIGPROF ? "it takes too long" : strsignal(number));
}

static void replay_given(const char *text)
{
    unsigned chosen, times;
    for (int length; sscanf(text, "%u*%u%n", &chosen, &times, &length) == 2; text += length + (text[length] == ',')) {
        while (times-- != 0 && given < CHOICES_MAX)
            choices[given++] = (struct choice){ (uint8_t)chosen, 0 };
    }
    replaying = true;
}

/* ---- the program -------------------------------------------------------------------------------------------- */

static bool run(const struct scenario *scenario)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGPROF };
        for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
            signal(signals[i], on_signal);
        setitimer(ITIMER_PROF, &(struct itimerval){ .it_value.tv_sec = TIMEOUT_SECONDS }, NULL);
        running = scenario;
        explore();
        if (replaying) {
            machine_print();
            print_choices();
        }
        exit(EXIT_SUCCESS);
    }
    int status = -1;
    if (child > 0)
        waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        fprintf(stderr, "[FAIL] %s/%s: killed by signal %d\n", scenario->suite, scenario->name, WTERMSIG(status));
    return status == 0;
}

int main(int count, char **arguments)
{
    const char *part = "";
    bool listing = false;
    unsigned passed = 0, failed = 0;
    mallopt(M_TRIM_THRESHOLD, INT_MAX); /* each run has the memory of the one before */
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--list") == 0)
            listing = true;
        else if (strcmp(arguments[i], "--replay") == 0 && i + 1 < count)
            replay_given(arguments[++i]);
        else if (strcmp(arguments[i], "--deeper") == 0 && i + 1 < count)
            deeper = (unsigned)atoi(arguments[++i]);
        else
            part = arguments[i];
    }
    for (const struct scenario *scenario = first; scenario != NULL; scenario = scenario->next) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", scenario->suite, scenario->name);
        if (strstr(path, part) == NULL)
            continue;
        if (listing)
            puts(path);
        else
            run(scenario) ? passed++ : failed++;
    }
    if (!listing)
        printf("%u passed, %u failed\n", passed, failed);
    return failed != 0 || (!listing && passed == 0);
}
