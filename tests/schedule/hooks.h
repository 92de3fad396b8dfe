/*
 * Included before everything else in what the scheduler runs: each atomic access of the library's sources becomes a
 * yield point.  All of them end in these builtins, those of base/atomic.h and the inline functions of the public header alike,
 * so that the library needs no word for it.  (gcc's <stdatomic.h>; clang's ends in others.)
 */
#ifndef ARCA_TEST_HOOKS_H
#define ARCA_TEST_HOOKS_H

#include <stddef.h>

#define ARCA_PRIVATE_TLS __attribute__((section("schedule_tls"))) /* as shadow/base/compiler.h has the library's own */

void schedule_load(const void *address, void *result, size_t bytes, const char *file, int line);
void schedule_store(void *address, const void *value, size_t bytes, int order, const char *file, int line);
/* Before a read-modify-write, which then goes on alone. */
void schedule_modify(void *address, const char *what, const char *file, int line);
void schedule_fence(const char *file, int line);
/* A thread that spins: nothing changes for it before another has moved. */
void schedule_pause(const char *file, int line);

#define HOOK_MODIFY(p, what) schedule_modify((void *)(p), what, __FILE__, __LINE__)

#define __atomic_load(p, result, order) schedule_load((const void *)(p), (void *)(result), sizeof *(p), __FILE__, __LINE__)
#define __atomic_load_n(p, order)                                                                                      \
    __extension__({                                                                                                    \
        __typeof__(*(p)) hook_value;                                                                                   \
        __atomic_load(p, &hook_value, order);                                                                          \
        hook_value;                                                                                                    \
    })
#define __atomic_store(p, value, order) \
    schedule_store((void *)(p), (const void *)(value), sizeof *(p), order, __FILE__, __LINE__)
#define __atomic_store_n(p, value, order)                                                                              \
    __extension__({                                                                                                    \
        __typeof__(*(p)) hook_value = (value);                                                                         \
        __atomic_store(p, &hook_value, order);                                                                         \
    })
#define __atomic_exchange(p, value, result, order) (HOOK_MODIFY(p, "exchange"), __atomic_exchange(p, value, result, order))
#define __atomic_compare_exchange(p, expected, value, weak, order, failed) \
    (HOOK_MODIFY(p, "cas"), __atomic_compare_exchange(p, expected, value, 0, order, failed))
#define __atomic_fetch_add(p, value, order) (HOOK_MODIFY(p, "add"), __atomic_fetch_add(p, value, order))
#define __atomic_fetch_sub(p, value, order) (HOOK_MODIFY(p, "sub"), __atomic_fetch_sub(p, value, order))
#define __atomic_fetch_or(p, value, order) (HOOK_MODIFY(p, "or"), __atomic_fetch_or(p, value, order))
#define __atomic_fetch_and(p, value, order) (HOOK_MODIFY(p, "and"), __atomic_fetch_and(p, value, order))
#define __atomic_thread_fence(order) schedule_fence(__FILE__, __LINE__)
#define __builtin_ia32_pause() schedule_pause(__FILE__, __LINE__)

#endif
