/*
 * Objects that free themselves: atomically reference-counted objects, shared between threads, on Arca's heap.
 *
 *   unit      one counted reference: in a slot, in somebody's hands, or in an operation under way
 *   slot      a field of an object that owns a unit; only the functions below read or write it
 *   owned     a unit that the caller must release or give away;  borrowed: good while its owner keeps it
 *   weak      a reference that does not keep its object alive
 *
 * Every function may be called from any thread at any time, but not inside a signal handler, and takes no lock that
 * another thread could hold for long, but where there is no memory for the thread itself (arca_thread_attach).  Threads
 * need no registration.  Functions that make something return NULL with
 * errno = ENOMEM when there is no memory; counts are then untouched.  Where nothing fails errno stays as it was, but for
 * what finalize, destroy and callbacks do to it.  NULL is no object: it may be retained, released, stored, bound, edited
 * and asked about, and nothing happens; a slot or a type is never NULL.  Who retains, releases or binds to a dead object
 * is noticed as long as its memory serves nothing else: that costs one line on fd 2 and abort().  The option debug=refs
 * sees more.
 *
 * Rules for the caller, without which a cycle collector can not be exact:
 *   U1  Every reference that an object owns is in a declared slot, each slot declared once.  References kept elsewhere
 *       (in variables, or in memory that no type declares) are safe; what they reach is kept alive by them.
 *   U2  Slots are read and written by the functions below only.
 *   U3  Whoever operates on a slot of an object keeps that object alive by a counted reference, its own or one in a
 *       chain of slots that nobody changes, until the operation has returned.
 *   U4  arca_slot_put only into a slot that is NULL and that nobody else writes.
 *   U5  A borrowed pointer is good while its slot's owner is alive and the slot is not overwritten.
 *   U6  Never memcpy, memmove, realloc or sort slots.  Use take and put, or arca_edit_begin and arca_edit_end, or build
 *       a new object and store it.  With debug=refs a collection that meets a copied slot says so and aborts.
 *   U7  Storage that grows is an object of its own (a type with variable size), replaced by arca_slot_store.
 *   U8  finalize may use, store and resurrect its object; destroy must not look at references.  Either may run in any
 *       thread, holding no lock of the library but, in a collection, that of who collects; neither may end its thread, leave
 *       other than by returning (longjmp, an exception), or wait for another thread that waits for the library.  Like weak
 *       callbacks they run in whatever gives a last unit back: in load and upgrade, too, which may have one for a moment,
 *       and in births where these collect; not in retain, borrow, take, put, exchange and swap.  So a lock that they take
 *       is held across the latter only.  They may call every function of the library (arca_gc_collect may do nothing
 *       then), traverse none.
 *   U9  The weak references of a finalised object are dead, even if it was resurrected.
 *   U10 A thread is not cancelled asynchronously inside these functions.  None is a cancellation point by itself, but
 *       finalize, destroy and callbacks may come to one, which must not end the thread (U8): one that may be cancelled
 *       disables that before it gives back what may be their last unit.  While it collects the library has done so.
 */
#ifndef ARCA_OBJECT_H
#define ARCA_OBJECT_H

#include <arca/arca.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types ----------------------------------------------------------------------------------------- */

/* The first member of every object's struct, 16 bytes.  Its fields are the library's. */
typedef struct arca_object {
    uint64_t arca_word;
    uintptr_t arca_kind;
} arca_object;

/* The first member of an object with a variable part. */
typedef struct arca_var_object {
    arca_object object;
    size_t count; /* of items; set by arca_new_var, read-only */
} arca_var_object;

/* Not a pointer, so that a plain assignment does not compile.  All bytes zero: NULL. */
typedef struct arca_slot {
    void *arca_target;
} arca_slot;

typedef void arca_visit(arca_slot *slot, void *context);

enum arca_type_flags {
    ARCA_TYPE_ACYCLIC = 1,    /* its objects can not be part of a cycle: no collector looks at them */
    ARCA_TYPE_IMMORTAL = 2,   /* its objects may be made immortal */
    ARCA_TYPE_OWN_BLOCKS = 4, /* its memory is never handed to another type (while objects of up to 32 KiB) */
    ARCA_TYPE_ITEM_SLOTS = 8, /* the items of its variable part are slots */
    /* Many use its objects, and often.  A thread that uses one takes some units more and keeps them in reserve: while it
     * has such, retain and release, load and upgrade in it are no locked instruction and nothing that another processor
     * hears of.  The price is that an object which several threads used lately may die late: a tenth of a second after the
     * last one uses it, or when arca_gc_collect() is called; and that arca_refcount counts what others have in reserve.
     * One that only the thread used which gives back the last unit dies at once, as any other.  There is no reserve with
     * debug=refs, without membarrier, and without the library's thread (collector=inline). */
    ARCA_TYPE_HOT = 16,
};

/* A static descriptor, which never changes.  Checked when its first object is made: what is wrong with it costs a line
 * and abort().  A library that has it may be unloaded once none of its objects is left and arca_gc_collect has been called
 * since: a collection may still be looking at those that were.  A process has at most 65,535; one whose library is loaded
 * again is another. */
typedef struct arca_type {
    const char *name;
    size_t size;           /* bytes of an object, header included, without the variable part; less than 4 GiB */
    const uint32_t *slots; /* offsets of its slots; ascending */
    size_t slot_count;
    size_t item_size; /* bytes of an item of the variable part, which begins at size; 0: none */
    /* Instead of offsets, for layouts that they can not tell: calls visit once for each slot of the object.  Runs
     * while other threads use the object, and while it dies: it may read what never changes in the object's own memory,
     * and nothing else.  Slots are cleared through it, too, and with debug=refs it tells what is one: what it reads is set
     * before a slot is used. */
    void (*traverse)(void *object, arca_visit *visit, void *context);
    /* Once, before the object dies of either cause, with all its slots as they were.  It may resurrect the object by
     * retaining it. */
    void (*finalize)(void *object);
    /* When nobody can reach the object any more and its slots are cleared: for what is not an object. */
    void (*destroy)(void *object);
    unsigned flags; /* of enum arca_type_flags */

    /* The library's. */
    struct {
        uint32_t state, index;
        void *heap;
    } arca_private;
} arca_type;

/* ---- objects ------------------------------------------------------------------------------------------ */

/* An object with count 1 and all its bytes behind the header zero, aligned to 16.  Owned. */
ARCA_API void *arca_new(arca_type *type) __attribute__((warn_unused_result));
/* The same with a variable part of count items. */
ARCA_API void *arca_new_var(arca_type *type, size_t count) __attribute__((warn_unused_result));

/* NULL for NULL. */
ARCA_API arca_type *arca_type_of(const void *object);

/* Its count when it was read, without what the calling thread has of it in reserve (ARCA_TYPE_HOT); SIZE_MAX for an
 * immortal object; 0 for NULL. */
ARCA_API size_t arca_refcount(const void *object);

/* From now on it is never freed, whatever its count, nor what it refers to; a collector does not look at it.  The type
 * must have ARCA_TYPE_IMMORTAL.  An object whose count overflows becomes immortal, too, which is said once on fd 2. */
ARCA_API void arca_make_immortal(void *object);

/* True from when finalize is called, and of a resurrected object, too. */
ARCA_API bool arca_is_finalized(const void *object);

/* An immortal object in static storage, which retain and release do not even touch:
 *
 *     static ARCA_STATIC(struct point) origin = { .object = { .base = ARCA_IMMORTAL(&point_type) } };
 *     arca_retain(&origin.object);
 *
 * It is known by its address, an odd multiple of 8, which no object on the heap has: no member may want more than an
 * alignment of 8.  Its type has no slots: with debug=refs they would be taken for slots outside an object. */
#define ARCA_STATIC(struct_type)                                                                                       \
    struct {                                                                                                           \
        uint64_t arca_padding;                                                                                         \
        struct_type object;                                                                                            \
    } __attribute__((aligned(16)))
#define ARCA_IMMORTAL(type) { (uint64_t)1 << 31 | 1, (uintptr_t)(type) }

/* The header word: [63:32] version, 31 immortal, 30 finalised, 29 hot, [28:0] count.  The version grows with each birth,
 * retain and move, so that the word never has a value twice (in less than 2^32 of them). */
#define ARCA_PRIVATE_ONE ((uint64_t)1)
#define ARCA_PRIVATE_VERSION ((uint64_t)1 << 32)
#define ARCA_PRIVATE_COUNT_LIMIT ((uint32_t)1 << 28)
#define ARCA_PRIVATE_HOT ((uint32_t)1 << 29)

ARCA_API void arca_private_retained(void *object, uint64_t word);
ARCA_API void arca_private_released(void *object, uint64_t word);

static inline bool arca_private_is_counted(const void *object)
{
    return object != NULL && ((uintptr_t)object & 8) == 0;
}

/* What the calling thread has in reserve of hot objects, by place: the objects and how many units of each.  NULL: it has
 * none.  The thread is `busy` while it counts there, and does not where it is `closed` (units are recalled). */
#define ARCA_PRIVATE_RESERVE 64
#define ARCA_PRIVATE_RESERVE_UNITS ((uint32_t)256)
struct arca_private_reserve {
    void *arca_objects[ARCA_PRIVATE_RESERVE];
    uint32_t arca_units[ARCA_PRIVATE_RESERVE];
    uint32_t arca_busy, arca_closed;
};
#ifndef ARCA_PRIVATE_TLS
#define ARCA_PRIVATE_TLS __thread __attribute__((tls_model("initial-exec")))
#endif
ARCA_API extern ARCA_PRIVATE_TLS struct arca_private_reserve *arca_private_reserve;

ARCA_API bool arca_private_reserve_give(void *object);

static inline size_t arca_private_reserve_place(const void *object)
{
    return ((uintptr_t)object >> 4 ^ (uintptr_t)object >> 10) % ARCA_PRIVATE_RESERVE;
}

static inline bool arca_private_reserve_has(const struct arca_private_reserve *reserve, size_t place, const void *object)
{
    return __atomic_load_n(&reserve->arca_objects[place], __ATOMIC_RELAXED) == object;
}

/* False while it is closed.  Who closes it has all processors pass a barrier before it looks whether it is busy. */
static inline bool arca_private_reserve_enter(struct arca_private_reserve *reserve)
{
    __atomic_store_n(&reserve->arca_busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    /* P:reserve closed acquire: with reserve_recall, that it is empty */
    if (__builtin_expect(__atomic_load_n(&reserve->arca_closed, __ATOMIC_ACQUIRE) == 0, 1))
        return true;
    __atomic_store_n(&reserve->arca_busy, 0, __ATOMIC_RELAXED);
    return false;
}

static inline void arca_private_reserve_leave(struct arca_private_reserve *reserve)
{
    /* P:reserve busy release: entries, and what was done with the objects, to reserve_recall */
    __atomic_store_n(&reserve->arca_busy, 0, __ATOMIC_RELEASE);
}

/* The calling thread's, where it has the object; else NULL.  Most threads have no reserve: that is looked at first. */
static inline struct arca_private_reserve *arca_private_reserve_of(const void *object)
{
    struct arca_private_reserve *reserve = arca_private_reserve;
    bool has = __builtin_expect(reserve != NULL, 0) && arca_private_reserve_has(reserve, arca_private_reserve_place(object), object);
    return has ? reserve : NULL;
}

/* A unit moves from the reserve, which may be NULL, to the caller; false where there is none. */
static inline bool arca_private_reserve_take(struct arca_private_reserve *reserve, const void *object)
{
    if (reserve == NULL || !arca_private_reserve_enter(reserve))
        return false;
    size_t place = arca_private_reserve_place(object);
    bool taken = reserve->arca_units[place] != 0; /* none, where they were recalled meanwhile */
    reserve->arca_units[place] -= taken;
    arca_private_reserve_leave(reserve);
    return taken;
}

/* And back; false where the reserve has no others of the object, or is closed. */
static inline bool arca_private_reserve_put(struct arca_private_reserve *reserve, void *object)
{
    if (reserve == NULL || !arca_private_reserve_enter(reserve))
        return false;
    size_t place = arca_private_reserve_place(object);
    uint32_t units = reserve->arca_units[place] + 1;
    uint32_t low = (uint32_t)__atomic_load_n(&((arca_object *)object)->arca_word, __ATOMIC_RELAXED);
    /* Hot still, neither immortal nor finalised, and these are not all of its units: one compare. */
    bool given = arca_private_reserve_has(reserve, place, object) && units < 2 * ARCA_PRIVATE_RESERVE_UNITS &&
                 low - ARCA_PRIVATE_HOT - units - 1 < ARCA_PRIVATE_COUNT_LIMIT;
    reserve->arca_units[place] += given;
    arca_private_reserve_leave(reserve);
    return given || arca_private_reserve_give(object);
}

/* One more unit of an object of which the caller has one, or borrows one.  Returns the object. */
static inline void *arca_retain(void *object)
{
    if (arca_private_is_counted(object) && !arca_private_reserve_take(arca_private_reserve_of(object), object)) {
        __atomic_fetch_add(&((arca_object *)object)->arca_word, ARCA_PRIVATE_VERSION + ARCA_PRIVATE_ONE, __ATOMIC_RELAXED);
        /* An addition whose result is not used takes less time, so the word is read behind it: there a dead object still has
         * no unit but this one, and what others hold or give back meanwhile makes no difference. */
        uint64_t word = __atomic_load_n(&((arca_object *)object)->arca_word, __ATOMIC_RELAXED);
        /* It was neither dead, nor immortal, nor finalised, nor hot, nor near the end of its count: one compare. */
        if (__builtin_expect((uint32_t)word - 2 >= ARCA_PRIVATE_COUNT_LIMIT - 1, 0))
            arca_private_retained(object, word - ARCA_PRIVATE_ONE);
    }
    return object;
}

/* Gives a unit back.  With the last one the object dies, now or, inside a finalize, destroy or weak callback, perhaps not
 * before that has returned; objects that it kept alive die in a loop, not by recursion. */
static inline void arca_release(void *object)
{
    if (arca_private_is_counted(object) && !arca_private_reserve_put(arca_private_reserve_of(object), object)) {
        /* Sequentially consistent: a dying object must see a collector that does not see it dying. */
        uint64_t word = __atomic_fetch_sub(&((arca_object *)object)->arca_word, ARCA_PRIVATE_ONE, __ATOMIC_SEQ_CST);
        if (__builtin_expect((uint32_t)word - 2 >= ARCA_PRIVATE_COUNT_LIMIT - 2, 0))
            arca_private_released(object, word);
    }
}

/* arca_auto struct point *p = …; releases it at the end of the scope. */
#define arca_auto __attribute__((cleanup(arca_private_release_variable)))
static inline void arca_private_release_variable(void *variable)
{
    arca_release(*(void **)variable);
}

/* ---- slots -------------------------------------------------------------------------------------------- */

/* Owned, or NULL; while others overwrite the slot, too.  No memory is no failure, not even of a thread's first load
 * (arca_thread_attach). */
ARCA_API void *arca_slot_load(arca_slot *slot) __attribute__((warn_unused_result));
/* The new object is borrowed: the slot takes a unit of its own.  The old one is released. */
ARCA_API void arca_slot_store(arca_slot *slot, void *object);
/* Moves the unit out and leaves NULL.  Owned. */
ARCA_API void *arca_slot_take(arca_slot *slot) __attribute__((warn_unused_result));
/* Moves an owned unit in (U4): the cheapest way to fill a new object. */
ARCA_API void arca_slot_put(arca_slot *slot, void *owned);
/* Moves an owned unit in and the old one out.  Owned. */
ARCA_API void *arca_slot_exchange(arca_slot *slot, void *owned) __attribute__((warn_unused_result));
/* Swaps two slots that nobody else writes; readers may see either NULL meanwhile. */
ARCA_API void arca_slot_swap(arca_slot *a, arca_slot *b);
/* Releases what is in it. */
ARCA_API void arca_slot_clear(arca_slot *slot);

/* Borrowed (U5). */
static inline void *arca_slot_borrow(const arca_slot *slot)
{
    return __atomic_load_n(&slot->arca_target, __ATOMIC_ACQUIRE);
}

/* Brackets a permutation of an object's own slots by plain code; nobody else may write them.  Short: no waiting, no
 * other function of the library in between. */
ARCA_API void arca_edit_begin(void *object);
ARCA_API void arca_edit_end(void *object);

/* ---- weak references ------------------------------------------------------------------------------------ */

/* Itself an object: retained, released and put into slots like others; its type is acyclic. */
typedef struct arca_weak arca_weak;

/* Called once, after the object was lost: in the thread that found it so, after its finalize and before its slots are
 * cleared; the newest reference first.  The weak reference is borrowed.  data is needed until it has returned.  Who wants
 * it back before that upgrades the reference and, while it holds the object, severs it: then it is not called back.  Where
 * the upgrade gives NULL it has been called back or will be, if it is neither severed nor dies. */
typedef void arca_weak_callback(arca_weak *weak, void *data);

/* A new weak reference to a borrowed object; callback may be NULL.  Owned; NULL for NULL (errno is then untouched).  A
 * weak reference that dies before its object is not called back.  To bind to an object in its destroy is an error. */
ARCA_API arca_weak *arca_weak_bind(void *object, arca_weak_callback *callback, void *data) __attribute__((warn_unused_result));
/* Owned, or NULL once the object is lost.  Needs no lock, but while a collector decides on what may be lost. */
ARCA_API void *arca_weak_upgrade(arca_weak *weak) __attribute__((warn_unused_result));
/* Cuts it off: upgrade returns NULL from now on and the callback will not be called (it may be running). */
ARCA_API void arca_weak_sever(arca_weak *weak);

/* ---- threads --------------------------------------------------------------------------------------------- */

/* Does what the first use in a thread would do, so that it costs nothing later.  0, or -1 with ENOMEM: then the thread's
 * loads, upgrades and edits work all the same, but they ask for memory each time, and while there is none they wait for
 * those of others that have none.  A thread's end detaches it. */
ARCA_API int arca_thread_attach(void);

#ifdef __cplusplus
}
#endif

#endif
