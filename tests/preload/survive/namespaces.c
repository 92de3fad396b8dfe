/* A process that has had a burst, and has not given all of it back yet, does what the kernel allows to one without threads alone, and
   leaves a directory for good: it enters user namespaces of its own and of others, and unmounts where it was. */
#include "check.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BLOCKS = 40000, BLOCK = 700 };

static void burst(void)
{
    static char *blocks[BLOCKS];
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
}

static void is_given_back(void)
{
    size_t resident = 0;
    for (int tries = 0; tries < 200; tries++) {
        sleep_ms(100);
        resident = resident_bytes();
        if (resident < 16 * MIB)
            return;
    }
    CHECK(resident < 16 * MIB, "(%zu)", resident);
}

static void enters_its_own(void)
{
    burst();
    CHECK(unshare(CLONE_NEWUSER) == 0, "(%s)", strerror(errno));
    is_given_back();
}

static void enters_by_number(void)
{
    burst();
    CHECK(syscall(SYS_unshare, CLONE_NEWUSER) == 0, "(%s)", strerror(errno));
    is_given_back();
}

static void enters_that_of_another(void)
{
    char path[64], byte = 0;
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t other = fork();
    if (other == 0) {
        CHECK(unshare(CLONE_NEWUSER) == 0 && write(ready[1], &byte, 1) == 1);
        pause();
        _exit(0);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)other);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    burst();
    int result = setns(fd, 0), error = errno;
    kill(other, SIGKILL);
    CHECK(result == 0, "(%s)", strerror(error));
    is_given_back();
}

static void leaves_a_directory(void)
{
    char directory[] = "/tmp/namespaces-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
    CHECK(mount("none", directory, "tmpfs", 0, NULL) == 0, "(%s)", strerror(errno));
    CHECK(chdir(directory) == 0);
    burst();
    CHECK(chdir("/") == 0);
    CHECK(umount(directory) == 0, "(%s)", strerror(errno));
    CHECK(rmdir(directory) == 0);
    is_given_back();
}

static void needs_namespaces(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        _exit(1);
}

int main(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        needs_namespaces();
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        SKIP("no user namespaces here");
    in_child(enters_its_own);
    in_child(enters_by_number);
    in_child(enters_that_of_another);
    in_child(leaves_a_directory);
    return 0;
}
