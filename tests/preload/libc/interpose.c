/* A program which brings a malloc of its own has the last word: libc's callers and threads use it, whatever is preloaded.
   Facts of glibc's tst-interpose-nothread, tst-interpose-thread. */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

enum { POOL = 64 << 20 };
static _Alignas(4096) unsigned char pool[POOL];
static size_t pool_used, calls;

struct header {
    size_t size;
    uint64_t magic;
};
static const uint64_t MAGIC = 0x5ca1ab1e0ddba11u;

static int is_mine(const void *pointer)
{
    return (uintptr_t)pointer >= (uintptr_t)pool && (uintptr_t)pointer < (uintptr_t)pool + POOL;
}

static void *bump(size_t alignment, size_t size)
{
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    if (alignment < 16)
        alignment = 16;
    size_t room = size + sizeof(struct header) + alignment;
    size_t start = size < POOL ? __atomic_fetch_add(&pool_used, room, __ATOMIC_RELAXED) : POOL;
    if (start + room > POOL) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t at = (uintptr_t)pool + start + sizeof(struct header);
    at = (at + alignment - 1) & ~(alignment - 1);
    struct header *header = (struct header *)at - 1;
    header->size = size;
    header->magic = MAGIC;
    return (void *)at;
}

void *malloc(size_t size) { return bump(16, size); }
void *calloc(size_t count, size_t size) { return bump(16, count * size); } /* the pool is zero and never used twice */
void *memalign(size_t alignment, size_t size) { return bump(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return bump(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size)
{
    void *block = bump(alignment, size);
    if (block == NULL)
        return ENOMEM;
    *result = block;
    return 0;
}

void free(void *pointer)
{
    if (pointer == NULL)
        return;
    CHECK(is_mine(pointer), "(free of %p, which this program's malloc never gave)", pointer);
    struct header *header = (struct header *)pointer - 1;
    CHECK(header->magic == MAGIC);
    header->magic = 0;
}

void *realloc(void *pointer, size_t size)
{
    if (pointer == NULL)
        return malloc(size);
    CHECK(is_mine(pointer));
    void *moved = malloc(size);
    if (moved != NULL) {
        size_t old = ((struct header *)pointer - 1)->size;
        memcpy(moved, pointer, old < size ? old : size);
        free(pointer);
    }
    return moved;
}

static void *in_thread(void *unused)
{
    char *text = strdup("thread");
    CHECK(is_mine(text));
    free(text);
    return unused;
}

int main(void)
{
    char *text = strdup("abc"), *printed = NULL, *line = NULL;
    size_t size = 0;
    CHECK(is_mine(text));
    CHECK(asprintf(&printed, "%01000d", 7) == 1000 && is_mine(printed));
    FILE *stream = fmemopen(printed, 1000, "r");
    CHECK(stream != NULL && is_mine(stream));
    CHECK(getline(&line, &size, stream) == 1000 && is_mine(line));
    fclose(stream);
    free(line);
    free(printed);
    free(text);
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(calls > 50);
    return 0;
}
