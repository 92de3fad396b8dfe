/* The system's malloc and free, with the 48 bytes initialised: no counts, no types. */
#include "rows.h"

static void make(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        uint64_t *block = malloc(48);
        memset(block, 0, 48);
        keep(block);
        free(block);
    }
}

static const struct row rows[] = {
    {"new", 1, make, NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return rows_main(argc, argv, rows);
}
