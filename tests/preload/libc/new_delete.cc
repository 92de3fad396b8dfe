/* Every form of operator new and delete: plain, array, nothrow, aligned, sized; the impossible size throws, or answers NULL where
   nothrow; the new-handler is called until it gives up. The C++ standard's facts; glibc has no test of them. */
#include "check.h"
#include <cerrno>
#include <cstdint>
#include <malloc.h>
#include <new>
#include <string>
#include <vector>

static const std::size_t IMPOSSIBLE = SIZE_MAX / 2 + 1;
static int handler_calls;

template <class Function> static bool throws_bad_alloc(Function function)
{
    try {
        function();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void *checked(void *block, std::size_t size, std::size_t alignment)
{
    CHECK(block != nullptr && is_aligned(block, alignment), "(size %zu, alignment %zu: %p)", size, alignment, block);
    CHECK(malloc_usable_size(block) >= size);
    memset(block, 0x3c, size);
    return block;
}

static void plain_forms(std::size_t size)
{
    ::operator delete(checked(::operator new(size), size, 16));
    ::operator delete(checked(::operator new(size), size, 16), size);
    ::operator delete(checked(::operator new(size, std::nothrow), size, 16), std::nothrow);
    ::operator delete[](checked(::operator new[](size), size, 16));
    ::operator delete[](checked(::operator new[](size), size, 16), size);
    ::operator delete[](checked(::operator new[](size, std::nothrow), size, 16), std::nothrow);
}

static void aligned_forms(std::size_t size, std::size_t alignment)
{
    const auto align = std::align_val_t(alignment);
    ::operator delete(checked(::operator new(size, align), size, alignment), align);
    ::operator delete(checked(::operator new(size, align), size, alignment), size, align);
    ::operator delete(checked(::operator new(size, align, std::nothrow), size, alignment), align, std::nothrow);
    ::operator delete[](checked(::operator new[](size, align), size, alignment), align);
    ::operator delete[](checked(::operator new[](size, align), size, alignment), size, align);
    ::operator delete[](checked(::operator new[](size, align, std::nothrow), size, alignment), align, std::nothrow);
}

static void null_may_be_deleted()
{
    ::operator delete(hide(nullptr));
    ::operator delete(hide(nullptr), std::size_t(8));
    ::operator delete(hide(nullptr), std::nothrow);
    ::operator delete(hide(nullptr), std::align_val_t(64));
    ::operator delete(hide(nullptr), std::size_t(8), std::align_val_t(64));
    ::operator delete(hide(nullptr), std::align_val_t(64), std::nothrow);
    ::operator delete[](hide(nullptr));
    ::operator delete[](hide(nullptr), std::size_t(8));
    ::operator delete[](hide(nullptr), std::nothrow);
    ::operator delete[](hide(nullptr), std::align_val_t(64));
    ::operator delete[](hide(nullptr), std::size_t(8), std::align_val_t(64));
    ::operator delete[](hide(nullptr), std::align_val_t(64), std::nothrow);
}

static void impossible_sizes()
{
    const std::size_t sizes[] = {IMPOSSIBLE, SIZE_MAX / 2, SIZE_MAX - 4095}; /* new_overflow has the rest */
    const auto align = std::align_val_t(64);
    for (std::size_t wanted : sizes) {
        const std::size_t size = hide_size(wanted);
        CHECK(throws_bad_alloc([=] { hide(::operator new(size)); }));
        CHECK(throws_bad_alloc([=] { hide(::operator new[](size)); }));
        CHECK(throws_bad_alloc([=] { hide(::operator new(size, align)); }));
        CHECK(throws_bad_alloc([=] { hide(::operator new[](size, align)); }));
        CHECK(hide(::operator new(size, std::nothrow)) == nullptr);
        CHECK(hide(::operator new[](size, std::nothrow)) == nullptr);
        CHECK(hide(::operator new(size, align, std::nothrow)) == nullptr);
        CHECK(hide(::operator new[](size, align, std::nothrow)) == nullptr);
    }
}

static void give_up_at_the_third_call()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

static void throw_at_once()
{
    handler_calls++;
    throw std::bad_alloc();
}

static void the_handler_is_asked()
{
    const std::size_t size = hide_size(IMPOSSIBLE);
    const auto align = std::align_val_t(128);
    void *(*const nothrow_forms[])(std::size_t) = {
        [](std::size_t n) { return ::operator new(n, std::nothrow); },
        [](std::size_t n) { return ::operator new[](n, std::nothrow); },
        [](std::size_t n) { return ::operator new(n, std::align_val_t(128), std::nothrow); },
        [](std::size_t n) { return ::operator new[](n, std::align_val_t(128), std::nothrow); },
    };
    handler_calls = 0;
    std::set_new_handler(give_up_at_the_third_call);
    CHECK(throws_bad_alloc([=] { hide(::operator new(size)); }) && handler_calls == 3, "(%d calls)", handler_calls);
    handler_calls = 0;
    std::set_new_handler(give_up_at_the_third_call);
    CHECK(throws_bad_alloc([=] { hide(::operator new(size, align)); }) && handler_calls == 3, "(%d calls)", handler_calls);
    for (auto form : nothrow_forms) {
        handler_calls = 0;
        std::set_new_handler(give_up_at_the_third_call);
        CHECK(form(size) == nullptr && handler_calls == 3, "(%d calls)", handler_calls);
        handler_calls = 0;
        std::set_new_handler(throw_at_once);
        CHECK(form(size) == nullptr && handler_calls == 1, "(%d calls)", handler_calls);
    }
    struct not_memory {};
    std::set_new_handler([] { throw not_memory(); });
    bool passed_through = false;
    try {
        hide(::operator new(size));
    } catch (const not_memory &) {
        passed_through = true; /* whatever the handler throws leaves the throwing form */
    }
    CHECK(passed_through);
    std::set_new_handler(nullptr);
}

struct alignas(512) wide {
    char bytes[700];
};

int main()
{
    for (std::size_t size = 0; size < 8 * MIB; size = size * 3 / 2 + 1) {
        plain_forms(size);
        for (std::size_t alignment = 1; alignment <= 65536; alignment *= 4)
            aligned_forms(size, alignment);
    }
    void *first = ::operator new(0), *second = ::operator new(0);
    CHECK(first != nullptr && first != second);
    ::operator delete(first);
    ::operator delete(second);
    null_may_be_deleted();
    impossible_sizes();
    the_handler_is_asked();
    std::vector<wide> wides(100);
    for (const wide &one : wides)
        CHECK(is_aligned(&one, 512));
    std::vector<std::string> texts;
    for (int i = 0; i < 20000; i++)
        texts.push_back(std::string(static_cast<std::size_t>(i % 200), 'x'));
    for (std::size_t i = 0; i < texts.size(); i++)
        CHECK(texts[i].size() == i % 200);
    return 0;
}
