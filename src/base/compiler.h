/* Compiler spellings used everywhere; no types, no state. */
#ifndef ARCA_BASE_COMPILER_H
#define ARCA_BASE_COMPILER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARCA_INLINE static inline __attribute__((always_inline))
#define ARCA_NOINLINE __attribute__((noinline))
#define ARCA_COLD __attribute__((noinline, cold))
#define ARCA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define ARCA_CACHE_LINE 64
#define ARCA_ALIGNED(n) __attribute__((aligned(n)))

/* For what every malloc() and free() reads: behind the other data, at a multiple of 512.  A processor takes a load for one
 * of what it has just stored where the lowest 12 bits of both addresses are the same, and waits; those of the bins of a
 * program's first heap are between 0x48 and 0x588. */
#define ARCA_READ_OFTEN __attribute__((section(".data.read_often"), aligned(512)))

/* For zeroed arrays of which few pages are ever written to: behind the small variables, which then have pages in common and
 * not one each. */
#define ARCA_SPARSE __attribute__((section(".bss.sparse")))

/* The calling function's frame, for unwind(): its caller's frame pointer and the return address.  A function that uses
 * it has one, whatever the flags. */
#define ARCA_FRAME() __builtin_frame_address(0)
/* In an entry that calls on: keeps its caller in the chain; after the call, that it is one and no jump, which would
 * leave no frame behind. */
#define ARCA_KEEP_FRAME() __asm__ volatile("" : : "r"(ARCA_FRAME()))

/* Initial-exec: the address is fs + a constant, no call.  The price is a slot in the static TLS
 * surplus, of which dlopen() has little to give; a static assert in thread.c keeps ours small. */
#define ARCA_TLS __thread __attribute__((tls_model("initial-exec")))

/* What libarcagc may use of libarca's inside: exported, under a name that no program has.  No promise to anybody
 * else; the two libraries are built and installed together. */
#define ARCA_SHARED(name) __asm__("arca_private_" #name) __attribute__((visibility("default")))

/* A walk over a structure's law after each change: in the check build only. */
#ifdef ARCA_CHECK
#define ARCA_WALK(check) (check)
#else
#define ARCA_WALK(check) ((void)0)
#endif

#define ARCA_ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

#endif
