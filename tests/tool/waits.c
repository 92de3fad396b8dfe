/* Says that it is ready, and waits for the end of its input. */
#include <stdio.h>

int main(void)
{
    puts("ready");
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}
