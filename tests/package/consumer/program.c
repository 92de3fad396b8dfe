/* Uses what libarca-dev has: its own names and libc's. */
#include <arca/arca.h>
#include <stdio.h>
#include <stdlib.h>

int options, stats; /* names that Arca uses inside: they are the program's own */

/* Succeeds if libc's names lead to Arca, too. */
int main(void)
{
    void *block = arca_malloc(100), *other = malloc(100);
    if (!block || !other || arca_malloc_usable_size(other) < 100)
        return 1;
    arca_free(other);
    free(block);
    puts("used");
    return 0;
}
