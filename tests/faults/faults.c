/*
 * Every system call of the library fails at its n-th use, once and from then on, for every n that a script of blocks and
 * objects comes to; each in a process of its own, whose start is part of it.  There a missing block is NULL with ENOMEM, what
 * is held keeps its contents, what was freed can be allocated again, and once the system gives again all works.
 */
#include "script.h"

#include "harness.h"
#include "system_faults.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define POINTS_MIN 500
#define POINTS_MAX 2000 /* of one call */
#define CHILD_SECONDS 60

static uint64_t chance;

enum { PASSED = 0, NOT_REACHED = 3 };

/* The child: FAULT_AT has told system_faults.c what fails. */
static int run_script(enum fault_call call, unsigned long n)
{
    alarm(CHILD_SECONDS);
    harness_begin();
    script_run();
    bool reached = faults_asked(call) >= n;
    faults_at(call, 0, false);
    script_expect_everything_to_work();
    return harness_end() != 0 ? EXIT_FAILURE : reached ? PASSED : NOT_REACHED;
}

static int run_point(char *self, const char *conf, enum fault_call call, unsigned long n, bool for_ever)
{
    char setting[64], kind[16], number[24];
    snprintf(setting, sizeof setting, "%s:%lu:%s", fault_names[call], n, for_ever ? "ever" : "once");
    snprintf(kind, sizeof kind, "%d", call);
    snprintf(number, sizeof number, "%lu", n);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        setenv("FAULT_AT", setting, 1);
        setenv("ARCA_CONF", conf, 1);
        execl(self, self, kind, number, (char *)NULL);
        _exit(127);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (status != 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != NOT_REACHED))
        harness_fail(__FILE__, __LINE__, "FAULT_AT=%s ARCA_CONF=%s %s %s %s: status %#x", setting, conf, self, kind, number,
                     (unsigned)status);
    return status;
}

static unsigned long points_of(char *self, const char *conf, enum fault_call call, bool for_ever, unsigned long step)
{
    unsigned long points = 0;
    for (unsigned long n = step == 1 ? 1 : 1 + harness_random(&chance) % step; n <= POINTS_MAX; n += step) {
        int status = run_point(self, conf, call, n, for_ever);
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_REACHED)
            break;
        points++;
    }
    return points;
}

/* faults [STEP]: every STEP-th point, from a random one on. */
int main(int argc, char **argv)
{
    /* Each makes its own calls in its own order; the last one so many that only a full run has it. */
    static const char *const confs[] = { "", "background=off,sweep=off", "lazy=on,purge=0ms,huge_pages=off",
                                         "cache=1k,purge=0ms,collector=inline", "hardened=on,guard=on,purge=0ms" };
    if (argc == 3)
        return run_script((enum fault_call)atoi(argv[1]), strtoul(argv[2], NULL, 10));
    unsigned long step = argc == 2 ? strtoul(argv[1], NULL, 10) : 1, total = 0;
    unsigned count = sizeof confs / sizeof *confs - (step != 1);
    chance = harness_seed();
    for (unsigned call = 0; call < FAULT_CALLS; call++) {
        unsigned long once = 0, ever = 0;
        for (unsigned i = 0; i < count; i++) {
            once += points_of(argv[0], confs[i], (enum fault_call)call, false, step);
            ever += points_of(argv[0], confs[i], (enum fault_call)call, true, step);
        }
        printf("%s: fails at %lu points once, at %lu for ever\n", fault_names[call], once, ever);
        total += once + ever;
    }
    CHECK(total >= POINTS_MIN / step / 2); /* there is luck in where it begins */
    unsigned failed = harness_end();
    printf("%lu points\n%lu passed, %u failed\n", total, total - failed, failed);
    return failed != 0;
}
