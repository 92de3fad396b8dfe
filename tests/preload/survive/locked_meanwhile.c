/* A process locks its memory while its threads are asking the kernel for more: what these have reserved by then, and nobody has used,
   is not kept either.
   run: timeout=180 */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { THREADS = 3, BEFORE = 86000, BLOCKS = 6000, BLOCK = 700, ROUNDS = 60, DELAY_STEP_US = 40 };

static atomic_int started;

static void *work(void *unused)
{
    static char *blocks[THREADS][BLOCKS];
    take_blocks(blocks[atomic_fetch_add(&started, 1)], BLOCKS, BLOCK);
    return unused;
}

static void lives(int round, int flags)
{
    pthread_t threads[THREADS];
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, 128 * KIB) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], &small, work, NULL) == 0);
    while (atomic_load(&started) == 0)
        continue;
    struct timespec delay = { 0, (long)round / 2 * DELAY_STEP_US * 1000 };
    nanosleep(&delay, NULL);
    if (mlockall(flags) != 0)
        SKIP("memory can not be locked here (%s): run as root", strerror(errno));
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(resident_bytes() < (size_t)(BEFORE + THREADS * BLOCKS) * BLOCK + 40 * MIB, "(%zu, round %d)", resident_bytes(), round);
}

int main(void)
{
    static char *before[BEFORE]; /* most of what an arena has room for */
    take_blocks(before, BEFORE, BLOCK);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = fork();
        if (child == 0) {
            lives(round, round % 2 ? MCL_CURRENT | MCL_FUTURE : MCL_FUTURE);
            _exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            return WEXITSTATUS(status);
    }
    return 0;
}
