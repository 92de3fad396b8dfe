/*
 * The statistics page: where a reader outside finds the records of this process, without its help.
 *
 * The symbol arca_stats_page is exported.  A reader looks it up in the memory or the file of the process, reads it by
 * process_vm_readv(), and walks what it points to; nothing is ever written for him.  He must know the layout: the stamp
 * says whether he was built from the same one.  All that he reads may be changing, or be a lie.
 */
#ifndef ARCA_FRONT_PAGE_H
#define ARCA_FRONT_PAGE_H

#include "arenas/arena.h"
#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/options.h"
#include "base/stats.h"
#include "heap/heap.h"
#include "heap/watch.h"

#define STATS_PAGE_MAGIC "ArcaPage"
#define STATS_PAGE_VERSION 1u

struct stats_page {
    char magic[8];
    uint32_t version; /* of this struct; later versions append */
    uint32_t size;
    uint64_t layout; /* of what the pointers point to */
    const struct arenas *arenas;
    const _Atomic(struct heap_entry *) *heaps;
    const _Atomic(struct meta_chunk *) *chunks;
    const _Atomic(struct page_map_leaf *) *leaves;
    const struct page_map_leaf *first_leaf;
    const struct stats *stats;
    const struct options *options;
    const struct watch_figures *collector;
};

extern const struct stats_page arca_stats_page;

#endif
