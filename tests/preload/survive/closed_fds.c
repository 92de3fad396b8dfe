/* A process started with descriptors 0, 1 and 2 closed: it allocates, and what it opens first (which gets number 2) is not written
   into when the library has something to say, be it about an option or about a crime. */
#include "check.h"
#include <signal.h>
#include <sys/mman.h>

/* Descriptor 3 is the only one open; the first file opened here is 0, then 1, then 2. */
static void closed_life(const char *crime)
{
    exercise_heap();
    char path[] = "/tmp/closed-fds-XXXXXX";
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
        CHECK(fds[i] == i);
    }
    close(2);
    int file = mkstemp(path);
    CHECK(file == 2);
    unlink(path);
    CHECK(write(file, "precious", 8) == 8);
    exercise_heap();
    CHECK(lseek(file, 0, SEEK_END) == 8);
    if (*crime == 'c') {
        close(2);
        void *block = hide(malloc(64));
        free(block);
        free(hide(block)); /* must abort although nobody hears why */
        _exit(4);
    }
    exit(0);
}

static int status_of_closed(const char *self, const char *crime, const char *conf)
{
    pid_t child = fork();
    if (child == 0) {
        if (*conf != '\0')
            setenv("ARCA_CONF", conf, 1);
        close(0);
        close(1);
        close(2);
        execl(self, self, crime, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        closed_life(argv[1]);
    int status = status_of_closed(argv[0], "nothing", "");
    CHECK(status == 0, "(0x%x)", (unsigned)status);
    status = status_of_closed(argv[0], "nothing", "purge=abc,pruge=1s");
    CHECK(status == 0, "(0x%x)", (unsigned)status);
    status = status_of_closed(argv[0], "crime", "");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "(0x%x)", (unsigned)status);
    return 0;
}
