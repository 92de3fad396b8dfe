/* Records that stay. */
#include "faults.h"
#include "harness.h"

#include "arenas/meta.h"
#include "base/bits.h"
#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define RECORDS 3000
#define CHUNK ((size_t)256 << 10)

struct record {
    unsigned char *at;
    size_t bytes;
};

static bool is_zero(const struct record *record)
{
    for (size_t i = 0; i < record->bytes; i++) {
        if (record->at[i] != 0)
            return false;
    }
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void check_disjoint(struct record *records, unsigned count)
{
    qsort(records, count, sizeof records[0], by_address);
    for (unsigned i = 1; i < count; i++)
        CHECK(records[i - 1].at + records[i - 1].bytes <= records[i].at);
}

static void create_records(struct record *records, unsigned count, uint64_t seed)
{
    for (unsigned i = 0; i < count; i++) {
        records[i].bytes = 1 + harness_random(&seed) % (i % 50 == 0 ? CHUNK * 2 : 2000);
        records[i].at = meta_create(records[i].bytes);
        REQUIRE(records[i].at != NULL);
        CHECK_EQ((uintptr_t)records[i].at % ARCA_CACHE_LINE, 0);
        CHECK(is_zero(&records[i]));
        memset(records[i].at, 0xff, records[i].bytes);
    }
}

TEST(meta, records_are_aligned_zeroed_and_apart)
{
    static struct record records[RECORDS];
    create_records(records, RECORDS, harness_seed());
    check_disjoint(records, RECORDS);
}

TEST(meta, small_records_share_a_chunk)
{
    REQUIRE(meta_create(64) != NULL);
    size_t mapped = meta_mapped();
    for (unsigned i = 0; i < 100; i++)
        REQUIRE(meta_create(64) != NULL);
    CHECK_EQ(meta_mapped(), mapped);
}

TEST(meta, what_is_mapped_is_counted)
{
    size_t before = meta_mapped();
    REQUIRE(meta_create(CHUNK) != NULL);
    CHECK_EQ(meta_mapped(), before + CHUNK);
}

TEST(meta, a_big_record_does_not_waste_the_rest_of_a_chunk)
{
    char *first = meta_create(64);
    REQUIRE(first != NULL && meta_create(2 * CHUNK) != NULL);
    CHECK_EQ(meta_create(64), first + 64);
}

TEST(meta, without_memory_there_is_no_record_and_later_there_is)
{
    os_fault_after(1, true);
    errno = 0;
    CHECK(meta_create(CHUNK) == NULL);
    os_fault_after(0, false);
    CHECK(meta_create(CHUNK) != NULL);
}

TEST(meta, where_no_chunk_can_be_had_a_small_mapping_is_tried)
{
    REQUIRE(meta_create(64) != NULL);
    size_t mapped = meta_mapped();
    while (meta_mapped() == mapped) { /* until the chunk is used up: the next needs one */
        os_fault_after(1, false);
        REQUIRE(meta_create(CHUNK / 8) != NULL);
    }
    os_fault_after(0, false);
    CHECK_EQ(meta_mapped(), mapped + CHUNK / 8 + OS_PAGE_SIZE); /* of which its head takes a part */
}

TEST(meta, after_a_fork_in_which_nobody_was_cutting_the_chunk_stays)
{
    char *first = meta_create(64);
    REQUIRE(first != NULL);
    meta_fork_child();
    CHECK_EQ(meta_create(64), first + 64);
}

struct worker {
    struct record records[RECORDS / 4];
    uint64_t seed;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    create_records(worker->records, RECORDS / 4, worker->seed);
    return NULL;
}

TEST(meta, threads_get_records_of_their_own)
{
    static struct worker workers[4];
    static struct record all[RECORDS];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        workers[i].seed = harness_seed() + i;
        REQUIRE(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        memcpy(all + i * (RECORDS / 4), workers[i].records, sizeof workers[i].records);
    }
    check_disjoint(all, RECORDS);
}
