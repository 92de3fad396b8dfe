/* Takes blocks by every name that libc and C++ have for it, each in a function of its own, and keeps them; see
 * profile_callers.py. */
#include <cstdlib>
#include <malloc.h>
#include <new>

#define EACH 50
static const size_t sizes[] = { 40, 3000, 300000 };
static void *volatile kept;

#define PLACE(name, expression)                                                                                        \
    __attribute__((noinline)) static void by_##name(size_t size)                                                       \
    {                                                                                                                  \
        void *block;                                                                                                   \
        kept = (expression);                                                                                           \
    }                                                                                                                  \
    __attribute__((noinline)) static void all_##name()                                                                 \
    {                                                                                                                  \
        for (size_t size : sizes) {                                                                                    \
            for (unsigned i = 0; i < EACH; i++)                                                                        \
                by_##name(size);                                                                                       \
        }                                                                                                              \
    }

PLACE(malloc, block = malloc(size))
PLACE(calloc, block = calloc(1, size))
PLACE(memalign, block = memalign(64, size))
PLACE(aligned_alloc, block = aligned_alloc(64, size))
PLACE(posix_memalign, posix_memalign(&block, 64, size) == 0 ? block : nullptr)
PLACE(new, block = ::operator new(size))
PLACE(new_array, block = ::operator new[](size))
PLACE(new_nothrow, block = ::operator new(size, std::nothrow))
PLACE(new_array_nothrow, block = ::operator new[](size, std::nothrow))
PLACE(new_aligned, block = ::operator new(size, std::align_val_t(64)))
PLACE(new_array_aligned, block = ::operator new[](size, std::align_val_t(64)))
PLACE(new_aligned_nothrow, block = ::operator new(size, std::align_val_t(64), std::nothrow))
PLACE(new_array_aligned_nothrow, block = ::operator new[](size, std::align_val_t(64), std::nothrow))

int main()
{
    all_malloc();
    all_calloc();
    all_memalign();
    all_aligned_alloc();
    all_posix_memalign();
    all_new();
    all_new_array();
    all_new_nothrow();
    all_new_array_nothrow();
    all_new_aligned();
    all_new_array_aligned();
    all_new_aligned_nothrow();
    all_new_array_aligned_nothrow();
    return 0;
}
