// Microbenchmark of whatever malloc the process runs on (preload one to measure it).
//
//   micro [--json] [ROW...]           every row (or those named), each in a fresh process
//   micro --list                      the names of the rows
//   micro [--json] --row ROW          one row in this process
//   micro --row ROW --units N         do N units of a row and measure nothing (for a counter
//                                     around the process)
//
// A row is repeated REPETITIONS times after a calibration that also warms it up; the repetition
// with the median cycles is printed. Columns: row, ns, cycles, instructions and minor faults per
// operation, peak resident KiB, and "perf" or "tsc": where the cycles come from.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counters.h"
#include "workload.h"

enum { REPETITIONS = 15 };

static const double REPETITION_NS = 28e6; // 25 rows x 16 x 28 ms: about 12 s with calibration

static const struct row *row_at(size_t index)
{
    size_t singles = 0;
    while (single_rows[singles].name)
        singles++;
    return index < singles ? &single_rows[index] : &thread_rows[index - singles];
}

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; row_at(i)->name; i++)
        if (strcmp(row_at(i)->name, name) == 0)
            return row_at(i);
    fprintf(stderr, "micro: no row '%s' (micro --list shows them)\n", name);
    exit(2);
}

static struct counters run_units(const struct row *row, uint64_t units)
{
    struct counters start = counters_now();
    row->run(row->argument, units);
    return counters_since(start);
}

// The quicker of two runs: a thread that waited for a processor makes a few units look like many.
static double quicker_ns(const struct row *row, uint64_t units)
{
    double once = run_units(row, units).ns, again = run_units(row, units).ns;
    return once < again ? once : again;
}

// Units that fill one repetition.
static uint64_t calibrate(const struct row *row)
{
    uint64_t units = 1;
    for (;;) {
        double ns = quicker_ns(row, units);
        if (ns > REPETITION_NS / 4) {
            uint64_t scaled = (uint64_t)((double)units * REPETITION_NS / ns);
            return scaled ? scaled : 1;
        }
        units *= 2;
    }
}

static int by_cycles(const void *a, const void *b)
{
    double left = ((const struct counters *)a)->cycles, right = ((const struct counters *)b)->cycles;
    return (left > right) - (left < right);
}

static void print_row(const struct row *row, struct counters cost, double operations, bool perf, bool json)
{
    char instructions[32];
    snprintf(instructions, sizeof instructions, perf ? "%.2f" : (json ? "null" : "-"), cost.instructions / operations);
    const char *format = json ? "{\"row\": \"%s\", \"ns\": %.3f, \"cycles\": %.3f, "
                                "\"instructions\": %s, \"faults\": %.5f, \"peak_kib\": %ld, "
                                "\"counter\": \"%s\"}\n"
                              : "%s\t%.3f\t%.3f\t%s\t%.5f\t%ld\t%s\n";
    printf(format, row->name, cost.ns / operations, cost.cycles / operations, instructions, cost.faults / operations,
           peak_resident_kib(), perf ? "perf" : "tsc");
}

static void measure(const struct row *row, bool json)
{
    struct counters costs[REPETITIONS];
    bool perf = counters_open();
    if (row->setup)
        row->setup(row->argument);
    uint64_t units = calibrate(row);
    for (int i = 0; i < REPETITIONS; i++)
        costs[i] = run_units(row, units);
    qsort(costs, REPETITIONS, sizeof *costs, by_cycles);
    print_row(row, costs[REPETITIONS / 2], (double)units * (double)row->operations, perf, json);
}

// A row of its own process starts on a fresh heap and has a peak of its own.
static bool measure_in_child(const char *name, bool json)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "micro", "--row", name, json ? "--json" : NULL, (char *)NULL);
        _exit(127);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "micro: row '%s' failed\n", name);
        return false;
    }
    return true;
}

static int measure_all(char **names, int count, bool json)
{
    bool ok = true;
    if (!counters_open())
        fprintf(stderr,
                "micro: NO HARDWARE COUNTERS (perf_event_open: %s): \"cycles\" is CPU time in "
                "time-stamp ticks and includes the kernel's share; instructions are not counted\n",
                counters_refusal());
    if (!json)
        printf("row\tns\tcycles\tinstructions\tfaults\tpeak_kib\tcounter\n");
    fflush(stdout);
    for (int i = 0; i < count; i++)
        ok &= measure_in_child(row_find(names[i])->name, json);
    for (size_t i = 0; count == 0 && row_at(i)->name; i++)
        ok &= measure_in_child(row_at(i)->name, json);
    return ok ? 0 : 1;
}

static int usage(void)
{
    fputs("usage: micro [--json] [ROW...] | --list | --row ROW [--json | --units N]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    bool json = false, list = false;
    const char *only = NULL, *units = NULL;
    int names = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--list") == 0)
            list = true;
        else if (strcmp(argv[i], "--row") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--units") == 0 && i + 1 < argc)
            units = argv[++i];
        else if (argv[i][0] == '-')
            return usage();
        else
            argv[names++] = argv[i];
    }
    if (list) {
        for (size_t i = 0; row_at(i)->name; i++)
            puts(row_at(i)->name);
    } else if (only && units) {
        const struct row *row = row_find(only);
        if (row->setup)
            row->setup(row->argument);
        row->run(row->argument, strtoull(units, NULL, 10));
    } else if (only) {
        measure(row_find(only), json);
    } else {
        return units ? usage() : measure_all(argv, names, json);
    }
    return 0;
}
