/*
 * Tells AddressSanitizer, or valgrind's memcheck, which bytes nobody may touch; nothing in other builds.
 */
#ifndef ARCA_BASE_POISON_H
#define ARCA_BASE_POISON_H

#include "base/compiler.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISON_BY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISON_BY_ASAN 1
#endif
#endif

#if defined(POISON_BY_ASAN)
#define POISON_ON 1
void __asan_poison_memory_region(const volatile void *address, size_t bytes);
void __asan_unpoison_memory_region(const volatile void *address, size_t bytes);
#define poison(address, bytes) __asan_poison_memory_region((address), (bytes))
#define unpoison(address, bytes) __asan_unpoison_memory_region((address), (bytes))
#elif defined(ARCA_VALGRIND)
#define POISON_ON 1
#include <valgrind/memcheck.h>
#define poison(address, bytes) ((void)VALGRIND_MAKE_MEM_NOACCESS((address), (bytes)))
/* Defined: pages that come from the system are known to be zero, and nobody writes that. */
#define unpoison(address, bytes) ((void)VALGRIND_MAKE_MEM_DEFINED((address), (bytes)))
#else
#define poison(address, bytes) ((void)(address), (void)(bytes))
#define unpoison(address, bytes) ((void)(address), (void)(bytes))
#endif

#endif
