/* A gigabyte is allocated, freed in the pattern that fragments most, left to be purged and allocated again, three times over:
   the process stays far below vm.max_map_count (65,530), under 16,000 mappings. */
#include "check.h"

enum { SLOTS = 500000, LIMIT = 16000 };
static char *blocks[SLOTS];
static size_t most;

static void look(void)
{
    size_t now = mapping_count();
    most = now > most ? now : most;
    CHECK(now < LIMIT, "(%zu mappings)", now);
}

static size_t size_of(uint64_t *random)
{
    size_t kind = random_below(random, 1000);
    return kind == 0 ? MIB + random_below(random, MIB / 2) : kind < 10 ? 20000 + random_below(random, 80000) : 16 + random_below(random, 400);
}

int main(void)
{
    uint64_t random = 11;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SLOTS; i++)
            if (blocks[i] == NULL) {
                size_t size = size_of(&random);
                blocks[i] = malloc(size);
                CHECK(blocks[i] != NULL);
                memset(blocks[i], 1, size);
                if (i % 100000 == 0)
                    look();
            }
        look();
        size_t keep = round == 0 ? 100 : round == 1 ? 2 : 17; /* 1 % survive, then every second, then 6 % */
        for (size_t i = 0; i < SLOTS; i++)
            if (random_below(&random, keep) != 0) {
                free(blocks[i]);
                blocks[i] = NULL;
            }
        for (int wait = 0; wait < 15; wait++) {
            sleep_ms(100);
            look();
        }
    }
    /* Large ones only, every second freed: each hole could be a mapping's end. */
    enum { LARGE = 12000 };
    static char *large[LARGE];
    for (size_t i = 0; i < LARGE; i++) {
        large[i] = malloc(80000);
        CHECK(large[i] != NULL);
        memset(large[i], 1, 80000);
    }
    look();
    for (size_t i = 0; i < LARGE; i += 2)
        free(large[i]);
    sleep_ms(1500);
    look();
    return 0;
}
