/* Aligned operator new of sizes which wrap round to nothing when they are padded to the alignment: bad_alloc or NULL, no tiny
   block. (Many C++ runtimes, gcc 12's among them, hand out the tiny block; a library which brings its own operators must not.) */
#include "check.h"
#include <new>

template <class Function> static bool throws_bad_alloc(Function function)
{
    try {
        function();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

int main()
{
    for (std::size_t alignment = 32; alignment <= 65536; alignment *= 2)
        for (std::size_t shortfall = 0; shortfall < alignment; shortfall = shortfall * 2 + 1) {
            const std::size_t size = hide_size(SIZE_MAX - shortfall);
            const auto align = std::align_val_t(alignment);
            CHECK(throws_bad_alloc([=] { hide(::operator new(size, align)); }), "(SIZE_MAX - %zu, %zu)", shortfall, alignment);
            CHECK(throws_bad_alloc([=] { hide(::operator new[](size, align)); }));
            CHECK(hide(::operator new(size, align, std::nothrow)) == nullptr);
            CHECK(hide(::operator new[](size, align, std::nothrow)) == nullptr);
        }
    return 0;
}
