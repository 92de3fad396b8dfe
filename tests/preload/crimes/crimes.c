/* One crime per run, named by the argument: the process must die of SIGABRT after one line on stderr which names the address.
   Where the address is known beforehand it is printed to stdout, and the driver looks for it in that line. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

static void accuse(void *pointer)
{
    dprintf(STDOUT_FILENO, "%p\n", pointer);
}

static void free_it(void *pointer)
{
    accuse(pointer);
    free(hide(pointer));
}

static void *allocated(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL);
    memset(block, 1, size);
    return block;
}

static void *run_free(void *pointer)
{
    free(pointer);
    return NULL;
}

static void free_in_thread(void *pointer)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_free, pointer) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void free_twice(size_t size)
{
    void *block = allocated(size);
    free(block);
    free_it(block);
}

static void double_free_small(void) { free_twice(24); }
static void double_free_medium(void) { free_twice(20000); }
static void double_free_large(void) { free_twice(300000); }
static void double_free_huge(void) { free_twice(40 * MIB); }

static void double_free_aligned(void)
{
    void *block = memalign(4096, 100);
    CHECK(block != NULL);
    free(block);
    free_it(block);
}

static void double_free_calloc(void)
{
    void *block = calloc(1, 100);
    CHECK(block != NULL);
    free(block);
    free_it(block);
}

static void double_free_after_another(void)
{
    void *block = allocated(64), *other = allocated(64);
    free(block);
    free(other);
    free_it(block);
}

static void double_free_after_another_size(void)
{
    void *block = allocated(64), *other = allocated(640);
    free(block);
    free(other);
    free_it(block);
}

static void double_free_after_many(void)
{
    enum { MANY = 1000 };
    static void *blocks[MANY];
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = allocated(48);
    for (size_t i = 0; i < MANY; i++)
        free(blocks[i]);
    free_it(blocks[MANY / 2]);
}

static void double_free_in_full_pool(void)
{
    enum { MANY = 5000 };
    static void *blocks[MANY];
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = allocated(48);
    free(blocks[MANY / 2]); /* its neighbours live on */
    free_it(blocks[MANY / 2]);
}

static void double_free_by_other_thread(void)
{
    void *block = allocated(64);
    free(block);
    accuse(block);
    free_in_thread(block);
}

static void double_free_first_by_other_thread(void)
{
    void *block = allocated(64);
    free_in_thread(block);
    free_it(block);
}

static void double_free_both_by_other_threads(void)
{
    void *block = allocated(64);
    free_in_thread(block);
    accuse(block);
    free_in_thread(block);
}

static void *free_again(void *pointer)
{
    free(pointer);
    free(hide(pointer));
    return NULL;
}

static void double_free_remote_at_once(void)
{
    void *block = allocated(64);
    pthread_t thread;
    accuse(block);
    CHECK(pthread_create(&thread, NULL, free_again, block) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void double_free_large_by_other_thread(void)
{
    void *block = allocated(2 * MIB);
    free_in_thread(block);
    free_it(block);
}

static void double_free_after_sleep(void)
{
    void *block = allocated(64);
    free(block);
    sleep_ms(2500); /* purged by now */
    free_it(block);
}

static void *allocate_in_thread(void *unused)
{
    (void)unused;
    return allocated(64);
}

static void double_free_of_ended_thread(void)
{
    pthread_t thread;
    void *block = NULL;
    CHECK(pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, &block) == 0);
    free(block);
    free_it(block);
}

static void interior_small(void) { free_it((char *)allocated(256) + 16); }
static void interior_small_middle(void) { free_it((char *)allocated(4096) + 2048); }
static void interior_medium(void) { free_it((char *)allocated(20000) + 4096); }
static void interior_large(void) { free_it((char *)allocated(3 * MIB) + MIB); }
static void interior_large_page(void) { free_it((char *)allocated(3 * MIB) + 4096); }
static void interior_huge_tail(void) { free_it((char *)allocated(40 * MIB) + 39 * MIB); }
static void misaligned_by_one(void) { free_it((char *)allocated(100) + 1); }
static void misaligned_by_eight(void) { free_it((char *)allocated(100) + 8); }
static void misaligned_large(void) { free_it((char *)allocated(3 * MIB) + 8); }
static void one_before(void) { free_it((char *)allocated(100) - 16); }

static void foreign_mapping(void)
{
    char *pages = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    free_it(pages + 4096);
}

static void foreign_unmapped(void) { free_it((void *)(uintptr_t)0x123450000); }
static void foreign_kernel_half(void) { free_it((void *)(uintptr_t)0xffff800000001000); }
static void foreign_small_number(void) { free_it((void *)(uintptr_t)0x10); }

static void stack_pointer(void)
{
    _Alignas(16) char local[64] = "stack";
    free_it(local);
}

static void static_pointer(void)
{
    static _Alignas(16) char object[64] = "static";
    free_it(object);
}

static void function_pointer(void) { free_it((void *)(uintptr_t)&stack_pointer); }

static void realloc_freed(void)
{
    void *block = allocated(100);
    free(block);
    accuse(block);
    free(realloc(hide(block), 1000));
}

static void realloc_freed_large(void)
{
    void *block = allocated(2 * MIB);
    free(block);
    accuse(block);
    free(realloc(hide(block), 3 * MIB));
}

static void realloc_interior(void)
{
    char *inside = (char *)allocated(1000) + 32;
    accuse(inside);
    free(realloc(hide(inside), 2000));
}

static void realloc_foreign(void)
{
    static _Alignas(16) char object[64];
    accuse(object);
    free(realloc(hide(object), 2000));
}

static void free_after_realloc_moved(void)
{
    void *block = allocated(100), *moved = realloc(hide(block), MIB);
    CHECK(moved != NULL && moved != block);
    free_it(block);
}

/* The abort is the program's to handle: its handler may allocate, so no lock of the heap may be held there
   (glibc's tst-malloc-backtrace). */
static void on_abort(int number)
{
    char *text = NULL;
    (void)number;
    exercise_heap();
    if (asprintf(&text, "%d", 42) != 2)
        _exit(3);
    free(text);
}

static void abort_handler_allocates(void)
{
    signal(SIGABRT, on_abort);
    free_twice(64);
}

static void abort_handler_allocates_large(void)
{
    signal(SIGABRT, on_abort);
    free_it((char *)allocated(3 * MIB) + 4096);
}

static const struct {
    const char *name;
    void (*commit)(void);
} crimes[] = {
    {"double_free_small", double_free_small},
    {"double_free_medium", double_free_medium},
    {"double_free_large", double_free_large},
    {"double_free_huge", double_free_huge},
    {"double_free_aligned", double_free_aligned},
    {"double_free_calloc", double_free_calloc},
    {"double_free_after_another", double_free_after_another},
    {"double_free_after_another_size", double_free_after_another_size},
    {"double_free_after_many", double_free_after_many},
    {"double_free_in_full_pool", double_free_in_full_pool},
    {"double_free_by_other_thread", double_free_by_other_thread},
    {"double_free_first_by_other_thread", double_free_first_by_other_thread},
    {"double_free_both_by_other_threads", double_free_both_by_other_threads},
    {"double_free_remote_at_once", double_free_remote_at_once},
    {"double_free_large_by_other_thread", double_free_large_by_other_thread},
    {"double_free_after_sleep", double_free_after_sleep},
    {"double_free_of_ended_thread", double_free_of_ended_thread},
    {"interior_small", interior_small},
    {"interior_small_middle", interior_small_middle},
    {"interior_medium", interior_medium},
    {"interior_large", interior_large},
    {"interior_large_page", interior_large_page},
    {"interior_huge_tail", interior_huge_tail},
    {"misaligned_by_one", misaligned_by_one},
    {"misaligned_by_eight", misaligned_by_eight},
    {"misaligned_large", misaligned_large},
    {"one_before", one_before},
    {"foreign_mapping", foreign_mapping},
    {"foreign_unmapped", foreign_unmapped},
    {"foreign_kernel_half", foreign_kernel_half},
    {"foreign_small_number", foreign_small_number},
    {"stack_pointer", stack_pointer},
    {"static_pointer", static_pointer},
    {"function_pointer", function_pointer},
    {"realloc_freed", realloc_freed},
    {"realloc_freed_large", realloc_freed_large},
    {"realloc_interior", realloc_interior},
    {"realloc_foreign", realloc_foreign},
    {"free_after_realloc_moved", free_after_realloc_moved},
    {"abort_handler_allocates", abort_handler_allocates},
    {"abort_handler_allocates_large", abort_handler_allocates_large},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LENGTH(crimes); i++)
        if (argc > 1 && strcmp(argv[1], crimes[i].name) == 0) {
            crimes[i].commit();
            printf("the crime was not noticed\n");
            return 1;
        }
    printf("usage: crimes NAME\n");
    return 2;
}
