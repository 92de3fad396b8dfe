/* C++ thread_local objects which own memory and allocate in their destructors, in 2,000 threads and in main's own end:
   no leak that grows with the number of threads. */
#include "check.h"
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

struct last_words {
    std::vector<std::string> words;
    ~last_words()
    {
        for (const std::string &word : words)
            CHECK(word.size() == 300 && word[299] == 'w');
        std::map<int, std::string> map;
        for (int i = 0; i < 50; i++)
            map[i] = std::string(static_cast<std::size_t>(i) * 20, 'm');
        words.assign(20, std::string(5000, 'z'));
    }
};

static thread_local last_words words;
static thread_local std::unique_ptr<std::vector<char>> large;

static void work()
{
    for (int i = 0; i < 50; i++)
        words.words.push_back(std::string(300, 'w'));
    large = std::make_unique<std::vector<char>>(200000, 'l');
}

static void run_threads(int count)
{
    for (int i = 0; i < count; i += 2) {
        std::thread one(work), two(work);
        one.join();
        two.join();
    }
}

int main()
{
    run_threads(200);
    const std::size_t before = resident_bytes();
    run_threads(2000);
    const std::size_t after = resident_bytes();
    CHECK(after < before + 8 * MIB, "(%zu before, %zu after)", before, after);
    work();
    return 0;
}
