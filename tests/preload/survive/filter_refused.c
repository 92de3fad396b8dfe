/* A thread asks for a filter that the kernel refuses, again and again, while another forks: the children are under none, and have the
   allocator's own thread as any process has. */
#include "check.h"
#include <dirent.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHILDREN = 100, BLOCKS = 12000, BLOCK = 700, TRIES = 2000 };

static void *ask_in_vain(void *unused)
{
    char nothing[64] = "";
    for (;;)
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0u, nothing); /* an empty program */
    return unused;
}

static int has_thread_of_its_own(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    CHECK(tasks != NULL);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count > 1;
}

static void live(void)
{
    static char *blocks[BLOCKS];
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
    int there = 0;
    for (int tries = 0; tries < TRIES && !there; tries++) {
        free(hide(malloc(100000)));
        there = has_thread_of_its_own();
    }
    CHECK(there, "no thread of the allocator's own");
}

int main(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, ask_in_vain, NULL) == 0);
    for (int i = 0; i < CHILDREN; i++)
        in_child(live);
    return 0;
}
