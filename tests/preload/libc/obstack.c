/* obstacks, which libc builds on whatever malloc there is: alignment and contents. Facts of glibc's tst-obstack. */
#include "check.h"
#include <obstack.h>

#define obstack_chunk_alloc counted_malloc
#define obstack_chunk_free counted_free

static int chunks;

static void *counted_malloc(size_t size)
{
    chunks++;
    return malloc(size);
}

static void counted_free(void *block)
{
    chunks--;
    free(block);
}

int main(void)
{
    struct obstack stack;
    obstack_init(&stack);
    obstack_alignment_mask(&stack) = 64 - 1;
    obstack_alloc(&stack, 1); /* the mask holds from the next object on */
    char *objects[500];
    for (size_t i = 0; i < ARRAY_LENGTH(objects); i++) {
        size_t size = i * 37 % 9000;
        objects[i] = obstack_alloc(&stack, (int)size);
        CHECK(is_aligned(objects[i], 64));
        memset(objects[i], (int)i, size);
    }
    for (int i = 0; i < 20000; i++)
        obstack_1grow(&stack, 'g');
    char *grown = obstack_finish(&stack);
    for (size_t i = 0; i < 20000; i++)
        CHECK(grown[i] == 'g');
    for (size_t i = 0; i < ARRAY_LENGTH(objects); i++)
        for (size_t k = 0; k < i * 37 % 9000; k++)
            CHECK(objects[i][k] == (char)i);
    obstack_free(&stack, objects[1]);
    CHECK(chunks >= 1);
    obstack_free(&stack, NULL);
    CHECK(chunks == 0, "(%d)", chunks);
    return 0;
}
