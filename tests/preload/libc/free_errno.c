/* free preserves errno: for NULL, small, large, another thread's, and when the kernel refuses the unmap because the process has
   all the mappings it may have. Facts of glibc's tst-free-errno. */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

enum { MARK = 1789 };

static void free_keeping_errno(void *block)
{
    errno = MARK;
    free(block);
    CHECK(errno == MARK, "(errno %d)", errno);
}

static void *free_here(void *block)
{
    free_keeping_errno(block);
    return NULL;
}

static void free_in_other_thread(void *block)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, free_here, block) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* In a child: large blocks stand between mappings of other rights, so that none can merge and an unmap may have to split. */
static void free_with_all_mappings_used(void)
{
    enum { LARGE = 8 };
    void *large[LARGE];
    for (size_t i = 0; i < LARGE; i++) {
        large[i] = malloc(5318153);
        CHECK(large[i] != NULL);
        memset(large[i], 1, 5318153);
    }
    size_t page = (size_t)getpagesize();
    for (size_t i = 0; i < 200000; i++)
        if (mmap(NULL, page, i % 2 ? PROT_READ : PROT_NONE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0) == MAP_FAILED)
            break;
    for (size_t i = 0; i < LARGE; i++)
        free_keeping_errno(large[i]);
    for (int i = 0; i < 1000; i++)
        free_keeping_errno(malloc(100));
    _exit(0);
}

int main(void)
{
    free_keeping_errno(NULL);
    for (size_t size = 0; size < 100 * MIB; size = size * 2 + 1) {
        void *blocks[4] = {malloc(size), calloc(1, size), memalign(4096, size), realloc(malloc(1), size + 1)};
        for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
            CHECK(blocks[i] != NULL);
            if (size % 4 == 3)
                free_in_other_thread(blocks[i]);
            else
                free_keeping_errno(blocks[i]);
        }
    }
    static void *many[20000]; /* enough that caches overflow and pools become empty */
    for (size_t i = 0; i < ARRAY_LENGTH(many); i++)
        many[i] = malloc(1 + i % 3000);
    for (size_t i = 0; i < ARRAY_LENGTH(many); i++)
        free_keeping_errno(many[i]);
    pid_t child = fork();
    if (child == 0)
        free_with_all_mappings_used();
    expect_success(child);
    return 0;
}
