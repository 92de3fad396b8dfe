/* Counts that are near an end, mean nothing, or are gone. */
#include "gc/objects/count.h"

#include "base/log.h"
#include "base/options.h"
#include "front/objects.h"
#include "gc/objects/reserve.h"
#include "gc/objects/type.h"

/* The count of an immortal object goes on changing and means nothing; it is kept far from both ends. */
#define IMMORTAL_COUNT ((uint64_t)1 << 28)
#define IMMORTAL_DRIFT ((uint64_t)1 << 27)

void count_recentre(void *object)
{
    uint64_t word = load_rlx(word_of(object)), fresh;
    do {
        uint64_t count = word & WORD_COUNT;
        if (count - (IMMORTAL_COUNT - IMMORTAL_DRIFT) < 2 * IMMORTAL_DRIFT)
            return;
        fresh = (word & ~WORD_COUNT) + WORD_VERSION + IMMORTAL_COUNT;
    } while (!cas_weak_acqrel(word_of(object), &word, fresh));
}

bool count_make_immortal(void *object)
{
    bool before = or_rlx(word_of(object), WORD_IMMORTAL) & WORD_IMMORTAL;
    count_recentre(object);
    return !before;
}

/* What a dead object was; NULL where its header does not tell any more. */
static const arca_type *type_of_dead(const void *object)
{
    uintptr_t kind = load_rlx(kind_of(object));
    for (uint32_t i = 1; i < type_count(); i++) {
        if ((uintptr_t)type_at(i) == kind)
            return type_at(i);
    }
    return NULL;
}

void count_abort_dead(const char *function, const void *object, const char *what)
{
    const arca_type *type = NULL;
    if (options.debug == DEBUG_REFS) { /* else the block may be another's */
        if (object_find((uintptr_t)object) != object)
            log_abort("%s(): %p: not an object", function, object);
        type = type_of_dead(object);
    }
    if (type != NULL)
        log_abort("%s(): %p: %s; it was of type '%s'", function, object, what, type->name);
    log_abort("%s(): %p: %s", function, object, what);
}

bool count_raised(void *object, uint64_t word)
{
    if (word & WORD_IMMORTAL)
        count_recentre(object);
    else if (word_count(word) == 0)
        count_abort_dead("arca_retain", object, "the object is dead");
    else if (word_count(word) >= ARCA_PRIVATE_COUNT_LIMIT && count_make_immortal(object))
        log_line("arca_retain(): %p: the count of this '%s' has reached its end: it is immortal now", object, type_of(object)->name);
    else
        return true;
    return false;
}

void arca_private_retained(void *object, uint64_t word)
{
    if (count_raised(object, word) && (word & (WORD_HOT | WORD_FINALIZED)) == WORD_HOT)
        reserve_fill(object);
}
