// std::shared_ptr and std::weak_ptr; a shared slot is a std::atomic<std::shared_ptr>.
#include <atomic>
#include <memory>

#include "rows.h"

namespace {

struct node {
    std::shared_ptr<node> first, second;
    uint64_t payload[2];
};

std::shared_ptr<node> shared;
std::atomic<std::shared_ptr<node>> slot;
std::weak_ptr<node> weak;

void prepare_shared(size_t)
{
    if (shared)
        return;
    shared = std::make_shared<node>();
    slot = std::make_shared<node>();
    weak = shared;
}

void retain(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        std::shared_ptr<node> copy = shared;
        keep(copy.get());
    }
}

void make(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        std::shared_ptr<node> made = std::make_shared<node>();
        keep(made.get());
    }
}

void load(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        std::shared_ptr<node> loaded = slot.load();
        keep(loaded.get());
    }
}

void upgrade(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        std::shared_ptr<node> strong = weak.lock();
        keep(strong.get());
    }
}

std::shared_ptr<node> chain;

void chain_build(size_t length)
{
    for (size_t i = 0; i < length; i++) {
        std::shared_ptr<node> head = std::make_shared<node>();
        head->first = std::move(chain);
        chain = std::move(head);
    }
}

void chain_drop(size_t)
{
    chain.reset();
}

size_t asked;

template <typename T>
struct asking { // an allocator that says what it was asked for
    using value_type = T;
    asking() = default;
    template <typename U>
    asking(const asking<U> &) {}
    T *allocate(size_t count)
    {
        asked = count * sizeof(T);
        return std::allocator<T>().allocate(count);
    }
    void deallocate(T *memory, size_t count) { std::allocator<T>().deallocate(memory, count); }
};

size_t header()
{
    std::allocate_shared<node>(asking<node>());
    return asked - sizeof(node);
}

const row rows[] = {
    {"retain", 1, retain, prepare_shared, nullptr},
    {"retain-2", 2, retain, prepare_shared, nullptr},
    {"new", 1, make, nullptr, nullptr},
    {"load", 1, load, prepare_shared, nullptr},
    {"load-2", 2, load, prepare_shared, nullptr},
    {"weak", 1, upgrade, prepare_shared, nullptr},
    {"weak-2", 2, upgrade, prepare_shared, nullptr},
    {"chain", 1, chain_drop, chain_build, nullptr},
    {"header", 1, nullptr, nullptr, header},
    {nullptr, 0, nullptr, nullptr, nullptr},
};

} // namespace

int main(int argc, char **argv)
{
    return rows_main(argc, argv, rows);
}
