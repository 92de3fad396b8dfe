/* A program may replace operator new and delete, and it may replace just the two that all other forms are defined by (the C++
   standard, [replacement.functions] and [new.delete]).  So did Firefox: it has no sized delete, which compilers have called since
   C++14. */
#include "check.h"
#include <map>
#include <new>
#include <string>
#include <vector>

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wsized-deallocation" /* that it has none is the point */
#endif

struct header {
    std::size_t magic, size;
};

static const std::size_t MAGIC = 0x6e6577206c697665;
static std::size_t living, refused;

void *operator new(std::size_t size)
{
    auto *own = refused == 0 ? static_cast<header *>(malloc(sizeof(header) + size)) : nullptr;
    if (own == nullptr)
        throw std::bad_alloc();
    *own = { MAGIC, size };
    living++;
    return own + 1;
}

void operator delete(void *block) noexcept
{
    if (block == nullptr)
        return;
    auto *own = static_cast<header *>(block) - 1;
    CHECK(own->magic == MAGIC, "(%p is no block of the program's own operator new)", block);
    own->magic = 0;
    living--;
    free(own);
}

static void *owned(void *block)
{
    CHECK(block != nullptr && (static_cast<header *>(block) - 1)->magic == MAGIC, "(%p)", block);
    return hide(block);
}

static void every_form_is_made_of_the_two()
{
    for (std::size_t size : { 1, 24, 1000, 30000, 1000000 }) {
        ::operator delete(owned(::operator new(size)), size);
        ::operator delete(owned(::operator new(size, std::nothrow)), std::nothrow);
        ::operator delete[](owned(::operator new[](size)));
        ::operator delete[](owned(::operator new[](size)), size);
        ::operator delete[](owned(::operator new[](size, std::nothrow)), std::nothrow);
    }
    ::operator delete(hide(nullptr), std::size_t(8));
    ::operator delete[](hide(nullptr));
    CHECK(living == 0, "(%zu)", living);
}

static void the_library_s_containers_use_them()
{
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 1000; i++)
        map[std::to_string(i % 97) + " is a key that is too long to stand in the string itself"].push_back(i);
    CHECK(living > 97);
    map.clear();
    CHECK(living == 0, "(%zu)", living);
}

static void what_they_throw_nothrow_catches()
{
    refused = 1;
    CHECK(::operator new(8, std::nothrow) == nullptr);
    CHECK(::operator new[](8, std::nothrow) == nullptr);
    bool threw = false;
    try {
        hide(::operator new[](8));
    } catch (const std::bad_alloc &) {
        threw = true;
    }
    CHECK(threw);
    refused = 0;
}

static void aligned_forms_are_not_made_of_them()
{
    const auto align = std::align_val_t(256);
    void *block = hide(::operator new[](1000, align));
    CHECK(is_aligned(block, 256) && living == 0);
    ::operator delete[](block, std::size_t(1000), align);
    block = hide(::operator new(1000, align, std::nothrow));
    CHECK(is_aligned(block, 256) && living == 0);
    ::operator delete(block, align, std::nothrow);
}

int main()
{
    every_form_is_made_of_the_two();
    the_library_s_containers_use_them();
    what_they_throw_nothrow_catches();
    aligned_forms_are_not_made_of_them();
    return 0;
}
