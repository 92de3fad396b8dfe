/* Strings and their interning. */
#include "probe.h"

#include "tests/unit/faults.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static arca_str *intern(const char *text)
{
    arca_str *string = arca_str_intern(text, strlen(text));
    REQUIRE(string != NULL);
    return string;
}

TEST(str, bytes_come_back_with_a_zero_behind)
{
    char text[300];
    for (size_t length = 0; length < sizeof text; length++) {
        memset(text, 'a' + (int)(length % 26), length);
        arca_str *copy = arca_str_new(text, length), *shared = arca_str_intern(text, length);
        REQUIRE(copy != NULL && shared != NULL);
        CHECK_EQ(arca_str_length(copy), length);
        CHECK_EQ(arca_str_length(shared), length);
        CHECK(memcmp(arca_str_bytes(copy), text, length) == 0);
        CHECK(memcmp(arca_str_bytes(shared), text, length) == 0);
        CHECK_EQ(arca_str_bytes(copy)[length], 0);
        CHECK_EQ(arca_str_bytes(shared)[length], 0);
        CHECK(arca_str_equal(copy, shared));
        CHECK_EQ(arca_str_hash(copy), arca_str_hash(shared));
        arca_release(copy);
        arca_release(shared);
    }
}

TEST(str, any_bytes_are_kept)
{
    arca_str *a = arca_str_new("a\0b", 3), *b = arca_str_new("a\0c", 3), *empty = arca_str_new(NULL, 0);
    CHECK_EQ(arca_str_length(a), 3);
    CHECK(!arca_str_equal(a, b));
    CHECK(arca_str_compare(a, b) < 0);
    CHECK_EQ(arca_str_length(empty), 0);
    CHECK_STR(arca_str_bytes(empty), "");
    arca_release(a);
    arca_release(b);
    arca_release(empty);
}

TEST(str, null_is_no_string)
{
    arca_str *empty = str("");
    CHECK_STR(arca_str_bytes(NULL), "");
    CHECK_EQ(arca_str_length(NULL), 0);
    CHECK(arca_str_equal(NULL, NULL));
    CHECK(!arca_str_equal(NULL, empty));
    CHECK(!arca_str_equal(empty, NULL));
    CHECK_EQ(arca_str_compare(NULL, empty), 0);
    CHECK(!arca_is_str(NULL));
    CHECK(!arca_is_str(arca_int_new(1)));
    CHECK(arca_is_str(empty));
    arca_release(empty);
}

TEST(str, order_is_by_unsigned_bytes_and_a_prefix_comes_first)
{
    const char *sorted[] = { "", "\x01", "A", "a", "aa", "aaa", "ab", "b", "\x80", "\xff", "\xff\xff" };
    size_t count = sizeof sorted / sizeof *sorted;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            arca_str *a = str(sorted[i]), *b = str(sorted[j]);
            int order = arca_str_compare(a, b);
            CHECK((order < 0) == (i < j));
            CHECK((order > 0) == (i > j));
            CHECK(arca_str_equal(a, b) == (i == j));
            arca_release(a);
            arca_release(b);
        }
    }
}

TEST(str, hashes_of_similar_strings_differ)
{
    enum { COUNT = 2000 };
    static uint32_t hashes[COUNT];
    unsigned equal = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(text, sizeof text, "key:%u", i);
        arca_str *string = str(text);
        hashes[i] = arca_str_hash(string);
        CHECK_EQ(arca_str_hash(string), hashes[i]);
        arca_release(string);
        for (unsigned j = 0; j < i; j++)
            equal += hashes[i] == hashes[j];
    }
    CHECK(equal <= 2);
}

TEST(str, equal_bytes_are_interned_once)
{
    arca_str *a = intern("config"), *b = intern("config"), *other = intern("confiG");
    CHECK_EQ(a, b);
    CHECK(a != other);
    CHECK_EQ(arca_refcount(a), 2);
    arca_release(a);
    arca_release(b);
    arca_release(other);
}

TEST(str, long_ones_are_not_interned)
{
    char text[ARCA_STR_INTERN_MAX + 1];
    memset(text, 'x', sizeof text);
    for (size_t length = ARCA_STR_INTERN_MAX; length <= sizeof text; length++) {
        arca_str *a = arca_str_intern(text, length), *b = arca_str_intern(text, length);
        CHECK((a == b) == (length <= ARCA_STR_INTERN_MAX));
        arca_release(a);
        arca_release(b);
    }
}

static void note_loss(arca_weak *weak, void *lost)
{
    (void)weak;
    *(bool *)lost = true;
}

TEST(str, the_table_keeps_nothing_alive)
{
    bool lost = false;
    arca_str *string = intern("transient");
    arca_weak *weak = arca_weak_bind(string, note_loss, &lost);
    arca_release(string);
    CHECK(lost);
    string = intern("transient");
    CHECK_STR(arca_str_bytes(string), "transient");
    arca_release(string);
    arca_release(weak);
}

/* A callback runs after its string is lost and before it has left the table. */
static void intern_again(arca_weak *weak, void *made)
{
    (void)weak;
    *(arca_str **)made = intern("phoenix");
}

TEST(str, a_dying_string_is_not_found)
{
    arca_str *made = NULL, *string = intern("phoenix");
    arca_weak *weak = arca_weak_bind(string, intern_again, &made);
    arca_release(string);
    REQUIRE(made != NULL);
    CHECK(made != string);
    CHECK_EQ(arca_refcount(made), 1);
    arca_str *again = intern("phoenix");
    CHECK_EQ(again, made);
    arca_release(again);
    arca_release(made);
    arca_release(weak);
}

TEST(str, the_table_grows_and_shrinks)
{
    enum { COUNT = 20000 };
    static arca_str *strings[COUNT];
    char text[32];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            snprintf(text, sizeof text, "name %u", i);
            strings[i] = intern(text);
        }
        for (unsigned i = 0; i < COUNT; i++) {
            snprintf(text, sizeof text, "name %u", i);
            CHECK_EQ(seen(intern(text)), strings[i]);
            CHECK_EQ(arca_refcount(strings[i]), 1);
        }
        for (unsigned i = 0; i < COUNT; i++)
            arca_release(strings[i]);
    }
}

TEST(str, without_memory_nothing_is_interned)
{
    arca_str *known = intern("known");
    os_fault_after(1, true);
    /* All that threads and pools still hold. */
    arca_str *held = NULL;
    char text[32];
    arca_list *strings = arca_list_new();
    for (unsigned i = 0;
         strings != NULL && (held = arca_str_intern(text, (size_t)snprintf(text, sizeof text, "%u", i))) != NULL; i++) {
        if (arca_list_append(strings, held) != 0)
            break;
        arca_release(held);
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(seen(intern("known")), known);
    os_fault_after(0, false);
    arca_release(held);
    arca_release(strings);
    CHECK_EQ(arca_refcount(known), 1);
    arca_release(known);
}

static atomic_bool stop;

static void *intern_and_drop(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop))
        arca_release(intern("busy"));
    return NULL;
}

TEST(str, a_fork_finds_the_table_at_rest)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, intern_and_drop, NULL) == 0);
    for (unsigned i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            arca_str *a = intern("busy"), *b = intern("busy");
            _exit(a == b ? 0 : 1);
        }
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}
