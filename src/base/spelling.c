/* The edit distance (Levenshtein), two rows at a time. */
#include "base/spelling.h"

#include <string.h>

#define LENGTH_MAX 24

static unsigned fewer(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned spelling_distance(const char *a, size_t length, const char *b)
{
    size_t n = length, m = strlen(b);
    unsigned rows[2][LENGTH_MAX + 1];
    if (n > LENGTH_MAX || m > LENGTH_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 2], *up = rows[(i - 1) % 2];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = (a[i - 1] | 0x20) == b[j - 1];
            row[j] = fewer(up[j - 1] + !same, fewer(up[j], row[j - 1]) + 1);
        }
    }
    return rows[n % 2][m];
}
