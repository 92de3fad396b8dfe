/* Boehm's collector: new, and dropping is forgetting; the collections are part of the price. */
#include <gc.h>

#include "rows.h"

static void make(size_t operations)
{
    for (size_t i = 0; i < operations; i++)
        keep(GC_MALLOC(48));
}

static const struct row rows[] = {
    {"new", 1, make, NULL, NULL},
    {NULL, 0, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    GC_INIT();
    return rows_main(argc, argv, rows);
}
