/* C23's free_sized and free_aligned_sized, and old cfree: where a process finds one it must work on malloc's blocks and keep
   errno (a cfree that went to libc while malloc is somebody else's would crash). Facts of glibc's tst-free-sized,
   tst-free-aligned-sized. */
#include "check.h"
#include <dlfcn.h>
#include <errno.h>

int main(void)
{
    void (*sized)(void *, size_t) = NULL, (*aligned_sized)(void *, size_t, size_t) = NULL, (*old)(void *) = NULL;
    *(void **)&sized = dlsym(RTLD_DEFAULT, "free_sized");
    *(void **)&aligned_sized = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    *(void **)&old = dlsym(RTLD_DEFAULT, "cfree");
    for (size_t size = 0; size < 4 * MIB; size = size * 2 + 1) {
        errno = 1789;
        if (sized != NULL) {
            sized(hide(malloc(size)), size);
            sized(NULL, size);
            sized(hide(calloc(1, size)), size);
            sized(hide(realloc(malloc(3), size + 1)), size + 1);
        }
        for (size_t alignment = 16; aligned_sized != NULL && alignment <= 65536; alignment *= 4) {
            aligned_sized(hide(aligned_alloc(alignment, size)), alignment, size);
            aligned_sized(NULL, alignment, size);
        }
        if (old != NULL)
            old(hide(malloc(size)));
        CHECK(errno == 1789);
    }
    exercise_heap();
    return 0;
}
