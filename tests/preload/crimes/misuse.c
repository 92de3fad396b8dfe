/* 29 kinds of misuse, one a run, named by the argument, for any malloc.  The deed is done, then it is found out what came of
   it: a block handed out twice, or where the program chose by writing to freed memory, is status 3 and a line on stdout.
   Else the program frees all that it holds, goes on allocating for a while, and ends with 0.  Nothing is said about contents:
   a program that writes where it must not has spoilt these itself. */
#include "check.h"
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#define SIZE ((size_t)64)
#define LARGE (200 * KIB)
#define HUGE (80 * MIB)
#define HARMFUL 3

/* What a write after free would like malloc to return. */
static _Alignas(4096) char target[8192];

#define HELD_MAX 4096
static struct held {
    char *block;
    size_t size;
} held[HELD_MAX];
static size_t held_count;

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(2);
}

static void harm(const char *what)
{
    say("harm: ");
    say(what);
    say("\n");
    _exit(HARMFUL);
}

static void expect_apart(const char *block, size_t size, const char *other, size_t other_size, const char *what)
{
    if (block < other + other_size && other < block + size)
        harm(what);
}

/* A block that the program owns, and no other owner of the same bytes. */
static char *take(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL && held_count < HELD_MAX);
    if (!is_aligned(block, 16))
        harm("a misaligned block");
    expect_apart(block, size, target, sizeof target, "malloc returned what was written to freed memory");
    for (size_t i = 0; i < held_count; i++)
        expect_apart(block, size, held[i].block, held[i].size, "one block for two owners");
    held[held_count++] = (struct held){block, size};
    memset(block, 'b', size);
    return block;
}

static void forget(const char *block)
{
    size_t i = 0;
    while (held[i].block != block)
        i++;
    held[i] = held[--held_count];
}

static void give(char *block)
{
    forget(block);
    free(block);
}

static void free_again(void *block)
{
    free(hide(block));
}

/* ---- who finds out ---------------------------------------------------------------------------------------------- */

static void find_out(void)
{
    static const size_t sizes[] = {SIZE, SIZE, SIZE, 16, 128, 1000};
    for (size_t i = 0; i < 1500; i++)
        take(sizes[i % ARRAY_LENGTH(sizes)]);
    while (held_count != 0)
        give(held[held_count - 1].block);
    for (size_t i = 0; i < 60000; i++)
        give(take(sizes[i % ARRAY_LENGTH(sizes)]));
}

/* ---- frees -------------------------------------------------------------------------------------------------------- */

static void double_free(void)
{
    char *block = take(SIZE);
    give(block);
    free_again(block);
}

static void double_free_between(void)
{
    char *block = take(SIZE), *other = take(SIZE);
    give(block);
    give(other);
    free_again(block);
}

static void double_free_many(void)
{
    enum { MANY = 1000 };
    static char *blocks[MANY];
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = take(SIZE);
    for (size_t i = 0; i < MANY; i++)
        give(blocks[i]);
    free_again(blocks[MANY / 2]);
}

static void *run_free(void *block)
{
    free_again(block);
    return NULL;
}

static void free_in_thread(void *block)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_free, block) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void double_free_thread(void)
{
    char *block = take(SIZE);
    give(block);
    free_in_thread(block);
}

static void double_free_first_thread(void)
{
    char *block = take(SIZE);
    forget(block);
    free_in_thread(block);
    free_again(block);
}

static char *of_the_handler;

static void free_in_handler(int number)
{
    (void)number;
    free_again(of_the_handler);
}

static void double_free_signal(void)
{
    of_the_handler = take(SIZE);
    signal(SIGUSR1, free_in_handler);
    give(of_the_handler);
    raise(SIGUSR1);
}

/* The new owner frees what the old one has freed a second time. */
static void double_free_reused(void)
{
    char *block = take(SIZE), *heir;
    give(block);
    heir = take(SIZE);
    if (heir != block)
        return free_again(block);
    free_again(block);
    give(heir);
}

static void double_free_large(void)
{
    char *block = take(LARGE);
    give(block);
    free_again(block);
}

static void double_free_unmapped(void)
{
    char *block = take(HUGE);
    give(block);
    free_again(block);
}

static void interior(void) { free_again(take(256) + 32); }
static void interior_large(void) { free_again(take(LARGE) + 4096); }
static void misaligned(void) { free_again(take(256) + 1); }
static void before(void) { free_again(take(SIZE) - 16); }

static void foreign(void)
{
    char *pages = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    free_again(pages + 4096);
}

static void stack(void)
{
    _Alignas(16) char local[64] = "stack";
    free_again(local);
}

/* Where a block of this size might be, and none has been yet. */
static void never_allocated(void)
{
    char *last = take(SIZE);
    for (unsigned i = 0; i < 8; i++) {
        char *other = take(SIZE);
        if (other > last)
            last = other;
    }
    free_again(last + 10 * (malloc_usable_size(last) + 15) / 16 * 16);
}

static void other_heap(void)
{
    void *libc = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW), *(*other_malloc)(size_t);
    if (libc == NULL)
        SKIP("dlmopen: %s", dlerror());
    *(void **)&other_malloc = dlsym(libc, "malloc");
    free_again(other_malloc(SIZE));
}

static void wrong_size(void)
{
    void (*sized)(void *, size_t);
    char *block = take(2000);
    *(void **)&sized = dlsym(RTLD_DEFAULT, "free_sized");
    forget(block);
    if (sized != NULL)
        sized(hide(block), SIZE);
    else
        free(block); /* an allocator that is not told */
}

static void realloc_freed(void)
{
    char *block = take(SIZE);
    give(block);
    free(realloc(hide(block), 1000));
}

static void usable_size_freed(void)
{
    char *block = take(SIZE);
    give(block);
    CHECK(malloc_usable_size(hide(block)) < HUGE);
}

/* ---- writes and reads --------------------------------------------------------------------------------------------- */

/* A live block with a live one just behind it. */
static char *neighbours(size_t size, char **behind)
{
    char *block = NULL;
    size_t nearest = SIZE_MAX;
    for (unsigned i = 0; i < 400; i++)
        take(size);
    for (size_t i = 0; i < held_count; i++)
        for (size_t k = 0; k < held_count; k++)
            if (held[k].block > held[i].block && (size_t)(held[k].block - held[i].block) < nearest) {
                nearest = (size_t)(held[k].block - held[i].block);
                block = held[i].block;
                *behind = held[k].block;
            }
    return block;
}

/* Into a free block. */
static void overflow(size_t bytes)
{
    char *behind, *block = neighbours(SIZE, &behind);
    give(behind);
    say("deed\n");
    memset(hide(block + malloc_usable_size(block)), 'o', bytes);
    say("past\n");
}

static void overflow_1(void) { overflow(1); }
static void overflow_8(void) { overflow(8); }
static void overflow_64(void) { overflow(64); }

static void overflow_zero(void)
{
    char *block = take(0);
    say("deed\n");
    memset(hide(block), 'o', 1);
    say("past\n");
}

static void underflow_8(void)
{
    char *behind;
    neighbours(SIZE, &behind);
    say("deed\n");
    memset(hide(behind - 8), 'u', 8);
    say("past\n");
}

static void write_after_free(size_t offset)
{
    char *block = take(SIZE), *aim = target + 64;
    give(block);
    say("deed\n");
    memcpy(hide(block + offset), &aim, sizeof aim);
    say("past\n");
}

static void write_after_free_first(void) { write_after_free(0); }
static void write_after_free_second(void) { write_after_free(8); }
static void write_after_free_later(void) { write_after_free(40); }

static void read_after_free(void)
{
    char *block = take(SIZE), copy[SIZE];
    give(block);
    say("deed\n");
    memcpy(copy, hide(block), SIZE);
    say("past\n");
    CHECK(hide(copy) != NULL);
}

static const struct {
    const char *name;
    void (*commit)(void);
} kinds[] = {
    {"double_free", double_free},
    {"double_free_between", double_free_between},
    {"double_free_many", double_free_many},
    {"double_free_thread", double_free_thread},
    {"double_free_first_thread", double_free_first_thread},
    {"double_free_signal", double_free_signal},
    {"double_free_reused", double_free_reused},
    {"double_free_large", double_free_large},
    {"double_free_unmapped", double_free_unmapped},
    {"interior", interior},
    {"interior_large", interior_large},
    {"misaligned", misaligned},
    {"before", before},
    {"foreign", foreign},
    {"stack", stack},
    {"never_allocated", never_allocated},
    {"other_heap", other_heap},
    {"wrong_size", wrong_size},
    {"realloc_freed", realloc_freed},
    {"usable_size_freed", usable_size_freed},
    {"overflow_1", overflow_1},
    {"overflow_8", overflow_8},
    {"overflow_64", overflow_64},
    {"overflow_zero", overflow_zero},
    {"underflow_8", underflow_8},
    {"write_after_free_first", write_after_free_first},
    {"write_after_free_second", write_after_free_second},
    {"write_after_free_later", write_after_free_later},
    {"read_after_free", read_after_free},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc < 2 && i < ARRAY_LENGTH(kinds); i++)
        printf("%s\n", kinds[i].name);
    for (size_t i = 0; argc > 1 && i < ARRAY_LENGTH(kinds); i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].commit();
            find_out();
            return 0;
        }
    return argc > 1 ? 2 : 0;
}
