/* Allocates, frees a part, and says what the library counts, as JSON; then it sleeps. */
#include "arca/arca.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 20000

int main(void)
{
    static void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = 16 + (size_t)i % 1500;
        blocks[i] = arca_malloc(size);
        memset(blocks[i], 1, size);
    }
    for (int i = 0; i < BLOCKS; i += 3)
        arca_free(blocks[i]);
    char *large = arca_malloc(10 << 20);
    memset(large, 1, 4 << 20);
    arca_trim(0);
    puts("ready");
    fflush(stdout);
    struct arca_stats stats = { .size = sizeof stats };
    for (int i = 0; i < 2; i++) /* the first one touches what it needs itself */
        arca_stats_get(&stats);
    printf("{\"live\": %zu, \"slack\": %zu, \"dirty\": %zu, \"meta\": %zu, \"resident\": %zu, \"allocated\": %zu, \"large\": %zu, \"mapped\": %zu}\n",
           stats.live, stats.slack, stats.dirty, stats.meta, stats.resident, stats.allocated, stats.large, stats.mapped);
    fflush(stdout);
    for (;;)
        pause();
}
