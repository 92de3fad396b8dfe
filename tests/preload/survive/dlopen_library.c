/* The library opened at run time, with its names kept local: its own functions work beside the process's malloc, also in threads
   which existed before, across fork, and from several threads at once. run: no-preload */
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>

static void *(*arca_malloc)(size_t);
static void *(*arca_calloc)(size_t, size_t);
static void *(*arca_realloc)(void *, size_t);
static void (*arca_free)(void *);
static pthread_barrier_t opened;

static void use_both(void)
{
    for (size_t size = 1; size < 4 * MIB; size = size * 3 / 2 + 1) {
        unsigned char *ours = arca_malloc(size), *theirs = malloc(size), *zeroed = arca_calloc(1, size);
        CHECK(ours != NULL && theirs != NULL && zeroed != NULL && is_aligned(ours, 16));
        CHECK(zeroed[0] == 0 && zeroed[size - 1] == 0);
        memset(ours, 1, size);
        memset(theirs, 2, size);
        memset(zeroed, 3, size);
        ours = arca_realloc(ours, size + 1000);
        CHECK(ours != NULL && ours[0] == 1 && ours[size - 1] == 1);
        arca_free(ours);
        free(theirs);
        arca_free(zeroed);
    }
}

static void *older_thread(void *unused)
{
    pthread_barrier_wait(&opened);
    use_both();
    return unused;
}

static void *find(void *library, const char *name)
{
    void *address = dlsym(library, name);
    CHECK(address != NULL, "(%s)", name);
    return address;
}

int main(void)
{
    const char *path = getenv("PRELOAD_LIB");
    if (path == NULL || *path == '\0')
        SKIP("no library given: build build/release/libarca.so");
    pthread_t older[4];
    CHECK(pthread_barrier_init(&opened, NULL, ARRAY_LENGTH(older) + 1) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(older); i++)
        CHECK(pthread_create(&older[i], NULL, older_thread, NULL) == 0);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL, "(%s)", dlerror());
    *(void **)&arca_malloc = find(library, "arca_malloc");
    *(void **)&arca_calloc = find(library, "arca_calloc");
    *(void **)&arca_realloc = find(library, "arca_realloc");
    *(void **)&arca_free = find(library, "arca_free");
    pthread_barrier_wait(&opened);
    use_both();
    for (size_t i = 0; i < ARRAY_LENGTH(older); i++)
        CHECK(pthread_join(older[i], NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        use_both();
        _exit(0);
    }
    expect_success(child);
    CHECK(dlclose(library) == 0); /* it may stay or go, but the process must live and end */
    exercise_heap();
    return 0;
}
