/* The page's home. */
#include "front/page.h"

__attribute__((visibility("default"), used)) const struct stats_page arca_stats_page = {
    .magic = STATS_PAGE_MAGIC,
    .version = STATS_PAGE_VERSION,
    .size = sizeof arca_stats_page,
    .layout =
#include "front/layout.def"
    ,
    .arenas = &arenas,
    .heaps = &heaps_all,
    .chunks = &meta_chunks,
    .leaves = page_map_root,
    .first_leaf = &page_map_first,
    .stats = &stats,
    .options = &options,
    .collector = &watch_figures,
};
