/* What a function prints on fd 2. */
#ifndef ARCA_TEST_CAPTURE_H
#define ARCA_TEST_CAPTURE_H

#include "harness.h"

#include <unistd.h>

/* Short texts only: a pipe holds them, so that one thread can write and then read. */
static inline const char *capture(void (*body)(void))
{
    static char said[16384];
    int ends[2], terminal = dup(STDERR_FILENO);
    REQUIRE(terminal >= 0 && pipe(ends) == 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    body();
    dup2(terminal, STDERR_FILENO); /* the pipe's last writer is gone */
    close(terminal);
    size_t length = 0;
    ssize_t n;
    while (length + 1 < sizeof said && (n = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)n;
    close(ends[0]);
    said[length] = '\0';
    return said;
}

#endif
