/*
 * C++'s operator new and delete, under their mangled names (Itanium C++ ABI, LP64), so that the library needs
 * no C++ runtime.  A throwing form that fails calls the program's new_handler and then libstdc++'s own thrower;
 * both are found at run time, because only a C++ program has them.
 *
 * A program may replace some of the forms, and all others are made of those (the C++ standard, [new.delete]):
 *
 *   array     of the single form
 *   sized     of the form without a size
 *   nothrow   of the throwing form
 *
 * So they call each other by names that the loader resolves; and are weak, for a program that has some of its own and links
 * this statically.
 */
#include "arca/arca.h"

#include "base/log.h"
#include "front/door.h"

#include <dlfcn.h>

#define REPLACEABLE __attribute__((visibility("default"), weak))

REPLACEABLE void *_Znwm(size_t size);                              /* operator new(size_t) */
REPLACEABLE void *_Znam(size_t size);                              /* operator new[](size_t) */
REPLACEABLE void *_ZnwmSt11align_val_t(size_t size, size_t align); /* operator new(size_t, align_val_t) */
REPLACEABLE void *_ZnamSt11align_val_t(size_t size, size_t align);
REPLACEABLE void _ZdlPv(void *block); /* operator delete(void *) */
REPLACEABLE void _ZdaPv(void *block); /* operator delete[](void *) */
REPLACEABLE void _ZdlPvSt11align_val_t(void *block, size_t align);
REPLACEABLE void _ZdaPvSt11align_val_t(void *block, size_t align);

typedef void (*handler)(void); /* of std::set_new_handler(); and any function */

static handler find_handler(void)
{
    /* std::get_new_handler() */
    handler (*get)(void) = (handler(*)(void))dlsym(RTLD_DEFAULT, "_ZSt15get_new_handlerv");
    return get != NULL ? get() : NULL;
}

ARCA_COLD static void *new_slow(size_t size, size_t align)
{
    for (;;) {
        handler handle = find_handler();
        if (handle == NULL)
            break;
        handle(); /* frees something, throws, or ends the program */
        void *block = align == 0 ? arca_malloc(size) : arca_memalign(align, size);
        if (block != NULL)
            return block;
    }
    /* std::__throw_bad_alloc() */
    void (*thrower)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "_ZSt17__throw_bad_allocv");
    if (thrower != NULL)
        thrower();
    log_abort("operator new: out of memory (%zu bytes)", size);
}

/* What goes on when there is no memory is no jump: it passes its frame on, so that a profile shows who called it. */
ARCA_NOINLINE static void *new_any(size_t size)
{
    void *block = malloc_slow_for(size, ARCA_FRAME());
    return likely(block != NULL) ? block : new_slow(size, 0);
}

/* ---- throwing ------------------------------------------------------------------------------------------- */

static void *new_single(size_t size)
{
    void *block = malloc_warm(size);
    return likely(block != NULL) ? block : new_any(size);
}

static void *new_array(size_t size)
{
    return _Znwm(size);
}

static void *new_aligned(size_t size, size_t align)
{
    void *block = memalign_for(align, size, ARCA_FRAME());
    return likely(block != NULL) ? block : new_slow(size, align);
}

static void *new_aligned_array(size_t size, size_t align)
{
    return _ZnwmSt11align_val_t(size, align);
}

void *_Znwm(size_t size) __attribute__((alias("new_single")));
void *_Znam(size_t size) __attribute__((alias("new_array")));
void *_ZnwmSt11align_val_t(size_t size, size_t align) __attribute__((alias("new_aligned")));
void *_ZnamSt11align_val_t(size_t size, size_t align) __attribute__((alias("new_aligned_array")));

/* ---- nothrow -------------------------------------------------------------------------------------------- */

typedef void *(*new_function)(size_t size);
typedef void *(*new_aligned_function)(size_t size, size_t align);
typedef void *(*nothrow_function)(size_t size, const void *tag);
typedef void *(*nothrow_aligned_function)(size_t size, size_t align, const void *tag);

struct nothrow_form {
    const char *name;
    handler throwing;      /* of which it is made */
    _Atomic(handler) next; /* libstdc++'s; NULL as long as none was found */
};

static handler nothrow_next(struct nothrow_form *form)
{
    handler next = load_rlx(&form->next);
    if (next == NULL) {
        next = (handler)dlsym(RTLD_NEXT, form->name);
        store_rlx(&form->next, next);
    }
    return next;
}

/* What is not ours may throw, and so may a new_handler, and C can not catch: libstdc++'s own nothrow forms call the throwing one
 * and catch.  Where there are none nothing throws. */
ARCA_COLD static void *nothrow_slow(struct nothrow_form *form, bool ours, size_t size, size_t align, const void *tag)
{
    if (ours && find_handler() == NULL)
        return NULL;
    handler next = nothrow_next(form);
    if (next != NULL)
        return align == 0 ? ((nothrow_function)next)(size, tag) : ((nothrow_aligned_function)next)(size, align, tag);
    if (ours)
        return NULL;
    return align == 0 ? ((new_function)form->throwing)(size) : ((new_aligned_function)form->throwing)(size, align);
}

/* ours: so are the throwing forms of which it is made.  align: 0 without. */
ARCA_NOINLINE static void *nothrow_any(struct nothrow_form *form, bool ours, size_t size, size_t align, const void *tag)
{
    void *block = !ours ? NULL : align == 0 ? malloc_slow_for(size, ARCA_FRAME()) : memalign_for(align, size, ARCA_FRAME());
    return likely(block != NULL) ? block : nothrow_slow(form, ours, size, align, tag);
}

ARCA_INLINE bool single_is_ours(void)
{
    return likely(_Znwm == new_single);
}

ARCA_INLINE bool array_is_ours(void)
{
    return single_is_ours() && likely(_Znam == new_array);
}

static bool aligned_is_ours(void)
{
    return _ZnwmSt11align_val_t == new_aligned;
}

static bool aligned_array_is_ours(void)
{
    return aligned_is_ours() && _ZnamSt11align_val_t == new_aligned_array;
}

#define NEW_NOTHROW(symbol, made_of, are_ours)                                                                         \
    REPLACEABLE void *symbol(size_t size, const void *tag);                                                            \
    REPLACEABLE void *symbol(size_t size, const void *tag)                                                             \
    {                                                                                                                  \
        static struct nothrow_form form = { .name = #symbol, .throwing = (handler)(made_of) };                         \
        bool ours = are_ours;                                                                                          \
        void *block = ours ? malloc_warm(size) : NULL;                                                                 \
        return likely(block != NULL) ? block : nothrow_any(&form, ours, size, 0, tag);                                 \
    }
#define NEW_ALIGNED_NOTHROW(symbol, made_of, are_ours)                                                                 \
    REPLACEABLE void *symbol(size_t size, size_t align, const void *tag);                                              \
    REPLACEABLE void *symbol(size_t size, size_t align, const void *tag)                                               \
    {                                                                                                                  \
        static struct nothrow_form form = { .name = #symbol, .throwing = (handler)(made_of) };                         \
        return nothrow_any(&form, are_ours, size, align, tag);                                                         \
    }

NEW_NOTHROW(_ZnwmRKSt9nothrow_t, _Znwm, single_is_ours())
NEW_NOTHROW(_ZnamRKSt9nothrow_t, _Znam, array_is_ours())
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t, _ZnwmSt11align_val_t, aligned_is_ours())
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t, _ZnamSt11align_val_t, aligned_array_is_ours())

/* ---- delete: the page map tells what the extra arguments (size, alignment, nothrow tag) do ---------------- */

void _ZdlPv(void *block)
{
    free_fast(block);
}

void _ZdlPvSt11align_val_t(void *block, size_t align)
{
    (void)align;
    free_fast(block);
}

#define DELETE(name, plain)                                                                                            \
    REPLACEABLE void name(void *block);                                                                                \
    REPLACEABLE void name(void *block)                                                                                 \
    {                                                                                                                  \
        plain(block);                                                                                                  \
    }
#define DELETE_ALIGNED(name, plain)                                                                                    \
    REPLACEABLE void name(void *block, size_t align);                                                                  \
    REPLACEABLE void name(void *block, size_t align)                                                                   \
    {                                                                                                                  \
        plain(block, align);                                                                                           \
    }
#define DELETE_SIZED_ALIGNED(name, plain)                                                                              \
    REPLACEABLE void name(void *block, size_t size, size_t align);                                                     \
    REPLACEABLE void name(void *block, size_t size, size_t align)                                                      \
    {                                                                                                                  \
        (void)size;                                                                                                    \
        plain(block, align);                                                                                           \
    }

DELETE(_ZdaPv, _ZdlPv)
DELETE(_ZdlPvm, _ZdlPv) /* sized */
DELETE(_ZdaPvm, _ZdaPv)
DELETE(_ZdlPvRKSt9nothrow_t, _ZdlPv)
DELETE(_ZdaPvRKSt9nothrow_t, _ZdaPv)
DELETE_ALIGNED(_ZdaPvSt11align_val_t, _ZdlPvSt11align_val_t)
DELETE_ALIGNED(_ZdlPvSt11align_val_tRKSt9nothrow_t, _ZdlPvSt11align_val_t)
DELETE_ALIGNED(_ZdaPvSt11align_val_tRKSt9nothrow_t, _ZdaPvSt11align_val_t)
DELETE_SIZED_ALIGNED(_ZdlPvmSt11align_val_t, _ZdlPvSt11align_val_t)
DELETE_SIZED_ALIGNED(_ZdaPvmSt11align_val_t, _ZdaPvSt11align_val_t)
