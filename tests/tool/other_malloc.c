/* A program that brings its own malloc, and uses Arca's beside it. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

void *malloc(size_t size)
{
    static _Alignas(16) char memory[1 << 20];
    static size_t at;
    size_t start = at;
    at += (size + 15) & ~(size_t)15;
    return at <= sizeof memory ? memory + start : NULL;
}

void free(void *block)
{
    (void)block;
}

int main(void)
{
    void *(*other)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "arca_malloc");
    if (other == NULL || other(100) == NULL)
        return 1;
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
