/* All names of the malloc family come from one object: a pvalloc left to libc would give blocks which the preloaded free does
   not know. No glibc test has this fact; each of them relies on it. */
#include "check.h"
#include <dlfcn.h>

static const char *object_of(const char *name)
{
    void *address = dlsym(RTLD_DEFAULT, name);
    Dl_info info;
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fname : NULL;
}

int main(void)
{
    static const char *const names[] = {
        "free", "calloc", "realloc", "reallocarray", "aligned_alloc", "posix_memalign", "memalign", "valloc", "pvalloc",
        "malloc_usable_size", "malloc_trim", "mallinfo", "mallinfo2", "malloc_info", "malloc_stats", "mallopt",
    };
    static const char *const optional[] = {"free_sized", "free_aligned_sized", "cfree"};
    const char *home = object_of("malloc");
    CHECK(home != NULL);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        const char *other = object_of(names[i]);
        CHECK(other != NULL && strcmp(home, other) == 0, "(malloc of %s, %s of %s)", home, names[i], other ? other : "nobody");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(optional); i++) {
        const char *other = object_of(optional[i]);
        CHECK(other == NULL || strcmp(home, other) == 0, "(malloc of %s, %s of %s)", home, optional[i], other);
    }
    return 0;
}
