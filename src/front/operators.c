/*
 * C++'s operator new and delete, under their mangled names (Itanium C++ ABI, LP64), so that the library needs
 * no C++ runtime.  A throwing form that fails calls the program's new_handler and then libstdc++'s own thrower;
 * both are found at run time, because only a C++ program has them.
 */
#include "arca/arca.h"

#include "base/log.h"
#include "front/door.h"

#include <dlfcn.h>

#define EXPORT __attribute__((visibility("default")))

typedef void (*handler)(void);

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

/* A new_handler may throw, and C can not catch: libstdc++'s own nothrow forms call the throwing form (ours)
 * and catch.  Without a handler nothing can throw. */
ARCA_COLD static void *nothrow_slow(const char *name, size_t size, size_t align, const void *tag)
{
    void *next = find_handler() != NULL ? dlsym(RTLD_NEXT, name) : NULL;
    if (next == NULL)
        return NULL;
    if (align == 0)
        return ((void *(*)(size_t, const void *))next)(size, tag);
    return ((void *(*)(size_t, size_t, const void *))next)(size, align, tag);
}

/* These have frames, so that their callers are known to whoever looks at call stacks. */
ARCA_NOINLINE static void *new_any(size_t size)
{
    ARCA_KEEP_FRAME();
    void *block = malloc_slow(size);
    return likely(block != NULL) ? block : new_slow(size, 0);
}

ARCA_NOINLINE static void *new_nothrow_any(const char *name, size_t size, const void *tag)
{
    ARCA_KEEP_FRAME();
    void *block = malloc_slow(size);
    return likely(block != NULL) ? block : nothrow_slow(name, size, 0, tag);
}

#define NEW(name)                                            \
    EXPORT void *name(size_t size);                          \
    EXPORT void *name(size_t size)                           \
    {                                                        \
        void *block = malloc_warm(size);                      \
        return likely(block != NULL) ? block : new_any(size); \
    }
#define NEW_NOTHROW(name)                                                             \
    EXPORT void *name(size_t size, const void *tag);                                  \
    EXPORT void *name(size_t size, const void *tag)                                   \
    {                                                                                 \
        void *block = malloc_warm(size);                                               \
        return likely(block != NULL) ? block : new_nothrow_any(#name, size, tag);     \
    }
#define NEW_ALIGNED(name)                                                \
    EXPORT void *name(size_t size, size_t align);                        \
    EXPORT void *name(size_t size, size_t align)                         \
    {                                                                    \
        ARCA_KEEP_FRAME();                                               \
        void *block = arca_memalign(align, size);                        \
        return likely(block != NULL) ? block : new_slow(size, align);    \
    }
#define NEW_ALIGNED_NOTHROW(name)                                                         \
    EXPORT void *name(size_t size, size_t align, const void *tag);                        \
    EXPORT void *name(size_t size, size_t align, const void *tag)                         \
    {                                                                                     \
        ARCA_KEEP_FRAME();                                                                \
        void *block = arca_memalign(align, size);                                         \
        return likely(block != NULL) ? block : nothrow_slow(#name, size, align, tag);     \
    }
/* The extra arguments (size, alignment, nothrow tag) tell nothing that the page map does not. */
#define DELETE(name)                 \
    EXPORT void name(void *block);   \
    EXPORT void name(void *block)    \
    {                                \
        free_fast(block);            \
    }

NEW(_Znwm)                                      /* operator new(size_t) */
NEW(_Znam)                                      /* operator new[](size_t) */
NEW_NOTHROW(_ZnwmRKSt9nothrow_t)                /* operator new(size_t, nothrow) */
NEW_NOTHROW(_ZnamRKSt9nothrow_t)                /* operator new[](size_t, nothrow) */
NEW_ALIGNED(_ZnwmSt11align_val_t)               /* operator new(size_t, align_val_t) */
NEW_ALIGNED(_ZnamSt11align_val_t)               /* operator new[](size_t, align_val_t) */
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)
DELETE(_ZdlPv)                                  /* operator delete(void *) */
DELETE(_ZdaPv)                                  /* operator delete[](void *) */
DELETE(_ZdlPvm)                                 /* sized */
DELETE(_ZdaPvm)
DELETE(_ZdlPvRKSt9nothrow_t)                    /* nothrow */
DELETE(_ZdaPvRKSt9nothrow_t)
DELETE(_ZdlPvSt11align_val_t)                   /* aligned */
DELETE(_ZdaPvSt11align_val_t)
DELETE(_ZdlPvmSt11align_val_t)                  /* sized and aligned */
DELETE(_ZdaPvmSt11align_val_t)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t)     /* aligned, nothrow */
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t)
