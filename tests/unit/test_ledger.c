/* Which arenas a look goes through, and what it then says. */
#include "harness.h"
#include "threads.h"

#include "arca/arca.h"
#include "base/options.h"
#include "base/os.h"
#include "front/census.h"
#include "front/figures.h"
#include "front/ledger.h"
#include "front/report.h"

#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RECORDS 40
#define EACH ((uint64_t)32 << 20) /* resident of each */

/* Looks that have no time of their own, and looks that have all of it. */
static const struct ledger_terms poor = { .share = UINT64_MAX, .most_us = 0, .advance_us = 0 };
static const struct ledger_terms rich = { .share = 1, .most_us = INT64_MAX / 2, .advance_us = INT64_MAX / 2 };

static struct ledger_head heads[RECORDS];
static uint64_t resident[RECORDS];
static unsigned gone_through[RECORDS];

static const struct arena *record_of(unsigned i)
{
    return (const struct arena *)((uintptr_t)(i + 1) << 20);
}

static void begin(void)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        heads[i] = (struct ledger_head){ .base = (uintptr_t)(i + 1) << 32, .slices = 1024, .used = 512 };
        resident[i] = EACH;
    }
}

static uint64_t total(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < RECORDS; i++)
        sum += resident[i];
    return sum;
}

/* What the look says is resident; `through` tells how many it took. */
static uint64_t look(struct ledger *ledger, const struct ledger_terms *terms, uint64_t kernel_bytes, unsigned *through)
{
    struct usage sum = { .live = 0 };
    memset(gone_through, 0, sizeof gone_through);
    *through = 0;
    ledger_begin(ledger, terms, kernel_bytes);
    for (unsigned i = 0; i < RECORDS; i++)
        REQUIRE(ledger_meet(ledger, record_of(i), &heads[i]));
    REQUIRE(ledger_sort(ledger));
    for (struct ledger_entry *entry; (entry = ledger_next(ledger)) != NULL; ++*through) {
        unsigned i = (unsigned)((uintptr_t)entry->record >> 20) - 1;
        struct usage part = { .live = resident[i] };
        gone_through[i]++;
        ledger_enter(ledger, entry, &heads[i], &part);
    }
    ledger_add_up(ledger, &sum);
    return usage_resident(&sum);
}

TEST(ledger, the_first_look_goes_through_all)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    CHECK_EQ(look(&ledger, &poor, total(), &through), total());
    CHECK_EQ(through, RECORDS);
    ledger_forget(&ledger);
}

TEST(ledger, without_time_one_arena_a_look_has_its_turn)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through, seen[RECORDS] = { 0 };
    begin();
    look(&ledger, &poor, total(), &through);
    for (unsigned k = 0; k < 4 * RECORDS; k++) {
        struct timespec rest = { .tv_nsec = 2000000 }; /* the longest ago seen comes first, by the millisecond */
        nanosleep(&rest, NULL);
        CHECK_EQ(look(&ledger, &poor, total(), &through), total());
        CHECK_EQ(through, 1);
        for (unsigned i = 0; i < RECORDS; i++)
            seen[i] += gone_through[i];
    }
    for (unsigned i = 0; i < RECORDS; i++)
        CHECK(seen[i] >= 2);
    ledger_forget(&ledger);
}

TEST(ledger, with_time_all_are_seen_again)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    look(&ledger, &rich, total(), &through);
    look(&ledger, &rich, total(), &through);
    CHECK_EQ(through, RECORDS);
    ledger_forget(&ledger);
}

TEST(ledger, no_more_is_kept_for_later_than_the_terms_say)
{
    static const struct ledger_terms terms = { .share = 1, .most_us = 500, .advance_us = 100 };
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    look(&ledger, &terms, total(), &through);
    ledger.credit_us = 2 * terms.most_us;
    ledger_begin(&ledger, &terms, total());
    CHECK_EQ(ledger.credit_us, terms.most_us);
    ledger_forget(&ledger);
}

TEST(ledger, one_that_has_moved_is_seen_whatever_it_costs)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    look(&ledger, &poor, total(), &through);
    heads[7].base++;
    heads[30].slices = heads[30].used = 0;
    resident[30] = 0;
    CHECK_EQ(look(&ledger, &poor, total(), &through), total());
    CHECK(gone_through[7] == 1 && gone_through[30] == 1);
    ledger_forget(&ledger);
}

TEST(ledger, what_the_kernel_counts_otherwise_is_looked_for)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    look(&ledger, &poor, total(), &through);
    resident[3] = resident[20] = 0; /* and nothing else tells */
    uint64_t said = look(&ledger, &poor, total(), &through), exact = total();
    CHECK(said >= exact && said - exact <= exact / 100 + (4 << 20));
    CHECK(through > 1);
    ledger_forget(&ledger);
}

TEST(ledger, what_is_used_otherwise_is_looked_for)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    look(&ledger, &poor, total(), &through);
    for (unsigned i = 10; i < 20; i++)
        heads[i].used = 0;
    look(&ledger, &poor, total(), &through);
    for (unsigned i = 10; i < 19; i++)
        CHECK_EQ(gone_through[i], 1); /* the last may be within what is tolerated */
    CHECK(through < RECORDS);
    ledger_forget(&ledger);
}

TEST(ledger, those_that_have_changed_most_come_first)
{
    enum { MANY = 300 };
    struct ledger ledger = { .entries = NULL };
    unsigned seen = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        ledger_begin(&ledger, &rich, 0);
        for (unsigned i = 0; i < MANY; i++)
            REQUIRE(ledger_meet(&ledger, record_of(i), &(struct ledger_head){ .slices = 1024, .used = turn * (i * 97 % MANY) }));
        REQUIRE(ledger_sort(&ledger));
        for (struct ledger_entry *entry; (entry = ledger_next(&ledger)) != NULL; seen++) {
            if (turn == 1)
                CHECK_EQ(entry->changed, 2 * MANY - 1 - seen);
            ledger_enter(&ledger, entry, &(struct ledger_head){ .slices = 1024, .used = entry->used_now }, &(struct usage){ .live = 0 });
        }
        ledger_add_up(&ledger, &(struct usage){ .live = 0 });
    }
    CHECK_EQ(seen, 2 * MANY);
    ledger_forget(&ledger);
}

TEST(ledger, another_process_is_noticed)
{
    struct ledger ledger = { .entries = NULL };
    unsigned through;
    begin();
    look(&ledger, &poor, total(), &through);
    ledger_begin(&ledger, &poor, total());
    CHECK(ledger_meet(&ledger, record_of(0), &heads[0]));
    CHECK(!ledger_meet(&ledger, record_of(0), &heads[0]));
    CHECK(!ledger_sort(&ledger));
    ledger_forget(&ledger);
}

/* ---- of this process -------------------------------------------------------------------------------------------------- */

#define BLOCKS 60000
#define BLOCK_BYTES 1000

TEST(census, looks_by_turns_agree_with_exact_ones)
{
    static void *blocks[BLOCKS];
    struct arca_stats said = { .size = sizeof said };
    static struct figures seen;
    options.purge = OPTION_NEVER; /* nothing leaves between two looks */
    void *wide = arca_malloc((size_t)3 << 30); /* address space, of which nothing is used */
    REQUIRE(wide != NULL);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) {
            if (i % 3 != round % 3)
                continue;
            arca_free(blocks[i]);
            blocks[i] = round % 5 == 4 ? NULL : memset(arca_malloc(BLOCK_BYTES), 1, BLOCK_BYTES);
        }
        REQUIRE(arca_stats_get(&said) == 0);
        report_figures(&seen);
        struct arca_stats exact = seen.stats;
        uint64_t tolerated = exact.resident / 50 + ((uint64_t)8 << 20), apart = said.resident > exact.resident ? said.resident - exact.resident : exact.resident - said.resident;
        CHECK(apart <= tolerated);
        CHECK_EQ(said.live + said.slack + said.cached + said.dirty + said.meta, said.resident);
        CHECK_EQ(said.mapped, exact.mapped);
        CHECK_EQ(exact.age_ms, 0);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(blocks[i]);
    arca_free(wide);
}

TEST(census, looks_by_turns_tell_how_old_their_oldest_part_is)
{
    static void *blocks[BLOCKS];
    struct arca_stats said = { .size = sizeof said, .age_ms = UINT64_MAX };
    void *wide = arca_malloc((size_t)3 << 30); /* address space, of which nothing is used */
    REQUIRE(wide != NULL);
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = memset(arca_malloc(BLOCK_BYTES), 1, BLOCK_BYTES);
    uint64_t start_ms = os_clock_ms();
    REQUIRE(arca_stats_get(&said) == 0);
    CHECK_EQ(said.age_ms, 0); /* the first goes through everything */
    for (unsigned looks = 0; said.age_ms == 0 && looks < 100000; looks++) /* until they have no more time for that */
        REQUIRE(arca_stats_get(&said) == 0);
    CHECK(said.age_ms != 0 && said.age_ms <= os_clock_ms() - start_ms);
    struct arca_stats older = { .size = offsetof(struct arca_stats, age_ms), .age_ms = 77 };
    REQUIRE(arca_stats_get(&older) == 0); /* a program from before there was the field */
    CHECK(older.size == offsetof(struct arca_stats, age_ms) && older.age_ms == 77);
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(blocks[i]);
    arca_free(wide);
}

/* ---- and of the child of a fork -------------------------------------------------------------------------------------- */

static _Atomic unsigned asked; /* of the kernel, what of some slices is resident */
static _Atomic bool hold, held;

bool __real_os_resident(void *address, size_t bytes, unsigned char *pages);
bool __wrap_os_resident(void *address, size_t bytes, unsigned char *pages);
bool __wrap_os_resident(void *address, size_t bytes, unsigned char *pages)
{
    atomic_fetch_add(&asked, 1);
    while (atomic_load(&hold)) {
        atomic_store(&held, true);
        wait_ms(1);
    }
    return __real_os_resident(address, bytes, pages);
}

static void *look_by_turns(void *unused)
{
    struct usage usage;
    census_take_by_turns(&usage);
    return unused;
}

static unsigned asked_in_a_look(void)
{
    atomic_store(&asked, 0);
    look_by_turns(NULL);
    return atomic_load(&asked);
}

/* When a minute's share is used up. */
static bool looks_become_cheap(void)
{
    unsigned first = asked_in_a_look();
    for (unsigned i = 0; i < 3000; i++) {
        if (asked_in_a_look() < first / 2)
            return true;
    }
    return false;
}

TEST(census, a_child_takes_turns_where_a_look_was_caught)
{
    void *wide[12]; /* of an arena each, and nothing is used */
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(wide); i++)
        REQUIRE((wide[i] = arca_malloc((size_t)128 << 20)) != NULL);
    look_by_turns(NULL);
    atomic_store(&hold, true);
    pthread_t thread = start_thread(look_by_turns, NULL);
    WAIT_UNTIL(atomic_load(&held));
    pid_t child = fork();
    if (child == 0) {
        atomic_store(&hold, false);
        _exit(looks_become_cheap() ? 0 : 1);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    atomic_store(&hold, false);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(wide); i++)
        arca_free(wide[i]);
}
