/* A thread of real time that is bound to one processor is the first to have memory to give back: the allocator's own thread is
   scheduled as the program was started, and not as that one. */
#include "check.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCKS = 40000, BLOCK = 700, EAGER = -7 };

/* The number of the thread of that name; 0 without. */
static int thread_named(const char *name)
{
    DIR *tasks = opendir("/proc/self/task");
    int found = 0;
    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300], text[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL)
            continue;
        if (fgets(text, sizeof text, file) != NULL && strcmp(text, name) == 0)
            found = atoi(entry->d_name);
        fclose(file);
    }
    closedir(tasks);
    return found;
}

static void *work(void *unused)
{
    static char *blocks[BLOCKS];
    cpu_set_t all, one;
    struct sched_param eager = { .sched_priority = 3 };
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    }
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    if (setpriority(PRIO_PROCESS, 0, EAGER) != 0 || sched_setscheduler(0, SCHED_RR, &eager) != 0)
        printf("not eager: %s\n", strerror(errno)); /* not everybody may */
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
    return unused;
}

static int helper_thread(void)
{
    int helper = 0;
    for (int tries = 0; helper == 0 && tries < 5000; tries++) { /* it takes its name once it is settled */
        helper = thread_named("arca\n");
        sleep_ms(1);
    }
    return helper;
}

/* Of a program whose first thread is scheduled so. */
static void check_policy(int policy, int expected)
{
    static char *blocks[BLOCKS];
    struct sched_param param = { .sched_priority = policy == SCHED_RR ? 1 : 0 };
    if (sched_setscheduler(0, policy, &param) != 0)
        return; /* not everybody may */
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
    int helper = helper_thread();
    CHECK(helper == 0 || sched_getscheduler(helper) == expected, "(%d, by %d)", sched_getscheduler(helper), policy);
}

static void be_of_real_time(void)
{
    check_policy(SCHED_RR, SCHED_OTHER);
}

static void be_batch(void)
{
    check_policy(SCHED_BATCH, SCHED_BATCH);
}

/* Starts itself anew, with a thread of the allocator's that stays while it is looked at. */
int main(int argc, char **argv)
{
    pthread_t thread;
    cpu_set_t first, own;
    if (argc == 1) {
        char *again[] = {argv[0], argv[0], NULL};
        CHECK(setenv("ARCA_PURGE", "1m", 1) == 0);
        execv("/proc/self/exe", again);
    }
    in_child(be_of_real_time);
    in_child(be_batch);
    CHECK(pthread_create(&thread, NULL, work, NULL) == 0 && pthread_join(thread, NULL) == 0);
    int helper = helper_thread();
    if (helper == 0)
        SKIP("no thread of the allocator's own");
    CHECK(sched_getaffinity(0, sizeof first, &first) == 0 && sched_getaffinity(helper, sizeof own, &own) == 0);
    CHECK(CPU_EQUAL(&first, &own), "(it has %d processors of %d)", CPU_COUNT(&own), CPU_COUNT(&first));
    CHECK(sched_getscheduler(helper) == SCHED_OTHER, "(%d)", sched_getscheduler(helper));
    CHECK(getpriority(PRIO_PROCESS, (id_t)helper) == getpriority(PRIO_PROCESS, 0), "(%d)", getpriority(PRIO_PROCESS, (id_t)helper));
    return 0;
}
