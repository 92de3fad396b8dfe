/* Allocation before the library's own constructors (.preinit_array), in static constructors of every priority, in atexit handlers
   and in static destructors after everything else; blocks cross all of those borders. */
#include "check.h"
#include <map>
#include <string>

static char *earliest, *from_constructor, *from_main;

static char *marked(std::size_t size, int mark)
{
    char *block = static_cast<char *>(malloc(size));
    CHECK(block != nullptr);
    memset(block, mark, size);
    return block;
}

static void check_and_free(char *&block, std::size_t size, int mark)
{
    for (std::size_t i = 0; i < size; i++)
        CHECK(block[i] == mark);
    free(block);
    block = nullptr;
}

static void before_all_libraries()
{
    earliest = marked(100000, 'e');
    exercise_heap();
    earliest = static_cast<char *>(realloc(earliest, 200000));
    CHECK(earliest != nullptr);
}
__attribute__((section(".preinit_array"), used)) static void (*preinit)() = before_all_libraries;

__attribute__((constructor(101))) static void first_constructor()
{
    exercise_heap();
    from_constructor = marked(3000, 'c');
    check_and_free(earliest, 100000, 'e');
    earliest = marked(500, 'E');
}

__attribute__((destructor(101))) static void last_destructor()
{
    check_and_free(from_main, 70000, 'm');
    check_and_free(earliest, 500, 'E');
    exercise_heap();
    free(strdup("the last word"));
    CHECK(write(STDERR_FILENO, "ended\n", 6) == 6);
}

struct registry {
    std::map<int, std::string> entries;
    registry()
    {
        for (int i = 0; i < 1000; i++)
            entries[i] = std::string(static_cast<std::size_t>(i), 'r');
    }
    ~registry()
    {
        for (int i = 0; i < 1000; i++)
            CHECK(entries[i].size() == static_cast<std::size_t>(i));
        entries[1000] = std::string(100000, 'r');
    }
};
static registry everything;

static void at_exit()
{
    check_and_free(from_constructor, 3000, 'c');
    exercise_heap();
}

/* The child runs to its very end; what it says last is the parent's proof that it got there. */
int main()
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
        CHECK(atexit(at_exit) == 0);
        from_main = marked(70000, 'm');
        return 0;
    }
    close(ends[1]);
    char said[64] = "";
    expect_success(child);
    CHECK(read(ends[0], said, sizeof said - 1) > 0);
    CHECK(strcmp(said, "ended\n") == 0, "(%s)", said);
    from_main = marked(70000, 'm');
    return 0;
}
