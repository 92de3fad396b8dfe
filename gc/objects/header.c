/* Counts that are near an end, or mean nothing. */
#include "gc/objects/header.h"

#include "base/log.h"

/* The count of an immortal object goes on changing and means nothing; it is kept far from both ends. */
#define IMMORTAL_COUNT ((uint64_t)1 << 28)
#define IMMORTAL_DRIFT ((uint64_t)1 << 27)

void header_recentre(void *object)
{
    uint64_t word = load_rlx(word_of(object)), fresh;
    do {
        uint64_t count = word & WORD_COUNT;
        if (count - (IMMORTAL_COUNT - IMMORTAL_DRIFT) < 2 * IMMORTAL_DRIFT)
            return;
        fresh = (word & ~WORD_COUNT) + WORD_VERSION + IMMORTAL_COUNT;
    } while (!cas_weak_acqrel(word_of(object), &word, fresh));
}

bool header_make_immortal(void *object)
{
    bool before = or_rlx(word_of(object), WORD_IMMORTAL) & WORD_IMMORTAL;
    header_recentre(object);
    return !before;
}

void arca_make_immortal(void *object)
{
    if (object == NULL)
        return;
    if (word_is_dead(load_rlx(word_of(object))))
        log_abort("arca_make_immortal(): %p: the object is dead", object);
    if (!(type_of(object)->flags & ARCA_TYPE_IMMORTAL))
        log_abort("arca_make_immortal(): %p: type '%s' has no immortal objects", object, type_of(object)->name);
    if (object_is_counted(object))
        header_make_immortal(object);
}
