/* The edit distance with transpositions of neighbours (restricted Damerau-Levenshtein), three rows at a time. */
#include "base/spelling.h"

#include <string.h>

#define LENGTH_MAX 24

unsigned spelling_distance(const char *a, size_t length, const char *b)
{
    size_t n = length, m = strlen(b);
    unsigned rows[3][LENGTH_MAX + 1];
    if (n > LENGTH_MAX || m > LENGTH_MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = (a[i - 1] | 0x20) == b[j - 1];
            unsigned best = up[j - 1] + !same;
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}
