#include "figures.h"

#include <arca/gc.h>

#include <stdio.h>

unsigned long figures_ended(const struct server *server)
{
    unsigned long ended = 0;
    for (unsigned i = 0; i < server->worker_count; i++)
        ended += server->workers[i]->ended;
    return ended;
}

void figures_text(const struct server *server, char *text, size_t size)
{
    struct arca_gc_stats gc = { .size = sizeof gc };
    unsigned long said = 0, delivered = 0, collected = 0, collections = 0;
    for (unsigned i = 0; i < server->worker_count; i++) {
        said += server->workers[i]->said;
        delivered += server->workers[i]->delivered;
    }
    arca_gc_get_stats(&gc);
    for (int i = 0; i < ARCA_GC_GENERATIONS; i++) {
        collected += gc.generations[i].collected;
        collections += gc.generations[i].collections;
    }
    snprintf(
        text, size,
        "users=%ld sessions=%ld rooms=%ld objects=%zu said=%lu delivered=%lu ended=%lu collected=%lu collections=%lu "
        "longest_us=%lu waits=%lu",
        graph_counts.users, graph_counts.sessions, graph_counts.rooms, gc.blocks, said, delivered,
        figures_ended(server), collected, collections, (unsigned long)gc.longest_microseconds, (unsigned long)gc.waits);
}
