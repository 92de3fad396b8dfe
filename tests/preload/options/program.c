/* Started by the tests of the environment: allocates a little and says on stdout that it got there, and whether it runs in
   secure-execution mode. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(void)
{
    char *block = malloc(1000);
    if (block == NULL)
        return 1;
    snprintf(block, 1000, "ran secure=%lu", getauxval(AT_SECURE));
    puts(block);
    free(block);
    return 0;
}
