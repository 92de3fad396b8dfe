/*
 * The one door to atomics: the memory order is in the name.
 *
 * Suffixes: _rlx relaxed, _acq acquire, _rel release, _acqrel both.  Each release/acquire pair of
 * the code carries a name that stands at both ends, as "P:name release" and "P:name acquire"; a
 * test fails on a widow.
 */
#ifndef ARCA_BASE_ATOMIC_H
#define ARCA_BASE_ATOMIC_H

#include <stdatomic.h>

#define load_rlx(p) atomic_load_explicit((p), memory_order_relaxed)
#define load_acq(p) atomic_load_explicit((p), memory_order_acquire)
#define store_rlx(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define store_rel(p, v) atomic_store_explicit((p), (v), memory_order_release)
#define add_rlx(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define add_rel(p, v) atomic_fetch_add_explicit((p), (v), memory_order_release)
#define and_rlx(p, v) atomic_fetch_and_explicit((p), (v), memory_order_relaxed)
#define or_rlx(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define sub_rlx(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define sub_rel(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define exchange_rlx(p, v) atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define exchange_acq(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define exchange_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define exchange_acqrel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)
#define cas_acq(p, expected, v) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acquire, memory_order_relaxed)
#define cas_acqrel(p, expected, v) \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_acq_rel, memory_order_acquire)
#define cas_weak_acqrel(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_acq_rel, memory_order_relaxed)
#define cas_weak_rlx(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_relaxed, memory_order_relaxed)
#define cas_weak_rel(p, expected, v) \
    atomic_compare_exchange_weak_explicit((p), (expected), (v), memory_order_release, memory_order_relaxed)

/* Where two threads each write one word and then read the other's, and one of them must see. */
#define load_seq(p) atomic_load_explicit((p), memory_order_seq_cst)
#define store_seq(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#define fence_seq() atomic_thread_fence(memory_order_seq_cst)
#define add_seq(p, v) atomic_fetch_add_explicit((p), (v), memory_order_seq_cst)
#define sub_seq(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_seq_cst)

/* A value with one writer and racing readers (statistics): a plain add, no locked instruction. */
#define bump_rlx(p, v) store_rlx((p), load_rlx(p) + (v))

/* Orders the compiler only: the processor's part of the bargain is a membarrier in the sweeper. */
#define fence_compiler() atomic_signal_fence(memory_order_seq_cst)

#endif
