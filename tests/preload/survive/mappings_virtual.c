/* Blocks of 20 GiB in all, of which little is touched, are made, freed in the pattern that fragments most, resized and made again:
   the process stays far below vm.max_map_count (65,530), under 16,000 mappings. */
#include "check.h"

enum { SLOTS = 20000, LIMIT = 16000, ROUNDS = 3 };
static char *blocks[SLOTS];
static size_t most;

static void look(void)
{
    size_t now = mapping_count();
    most = now > most ? now : most;
    CHECK(now < LIMIT, "(%zu mappings)", now);
}

/* A megabyte on average. */
static size_t size_of(uint64_t *random)
{
    size_t kind = random_below(random, 100);
    return kind == 0 ? 20 * MIB + random_below(random, 40 * MIB) : kind < 20 ? MIB + random_below(random, 4 * MIB)
                                                                            : 20000 + random_below(random, 300 * KIB);
}

static size_t fill(uint64_t *random)
{
    size_t sum = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        if (blocks[i] == NULL) {
            size_t size = size_of(random);
            sum += size;
            blocks[i] = malloc(size);
            CHECK(blocks[i] != NULL);
            blocks[i][0] = 1;
        }
        if (i % 2000 == 0)
            look();
    }
    return sum;
}

static void thin_out(uint64_t *random, size_t keep)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (random_below(random, keep) != 0) {
            free(blocks[i]);
            blocks[i] = NULL;
        } else if (random_below(random, 4) == 0) {
            blocks[i] = realloc(blocks[i], size_of(random));
            CHECK(blocks[i] != NULL && blocks[i][0] == 1);
        }
    }
}

int main(void)
{
    uint64_t random = 5;
    size_t first = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t made = fill(&random);
        first = round == 0 ? made : first;
        look();
        thin_out(&random, round % 2 == 0 ? 2 : 30);
        for (int wait = 0; wait < 9; wait++) {
            sleep_ms(100);
            look();
        }
    }
    CHECK(first >= 20 * KIB * MIB, "(%zu bytes)", first);
    dprintf(STDOUT_FILENO, "%zu mappings at the most, with %.1f GiB of blocks\n", most, (double)first / (double)(KIB * MIB));
    return 0;
}
