/* What a reader of a list sees of a change that another thread has half done. */
#include "probe.h"
#include "threads.h"

static arca_list *list;
static unsigned loads_left; /* before `meanwhile` is called, in front of a load */
static void (*meanwhile)(void);
static _Thread_local bool stops; /* behind the next put */
static _Atomic bool stopped, go_on;
static pthread_t other;

void *__real_arca_slot_load(arca_slot *slot);
void *__wrap_arca_slot_load(arca_slot *slot);
void *__wrap_arca_slot_load(arca_slot *slot)
{
    if (loads_left != 0 && --loads_left == 0)
        meanwhile();
    return __real_arca_slot_load(slot);
}

/* Who looks may have to wait for this one: it stops for a while only. */
void __real_arca_slot_put(arca_slot *slot, void *owned);
void __wrap_arca_slot_put(arca_slot *slot, void *owned);
void __wrap_arca_slot_put(arca_slot *slot, void *owned)
{
    __real_arca_slot_put(slot, owned);
    if (!stops)
        return;
    stops = false;
    atomic_store(&stopped, true);
    for (unsigned ms = 0; ms < 100 && !atomic_load(&go_on); ms++)
        wait_ms(1);
}

static void append(uint64_t number)
{
    arca_auto struct probe *probe = probe_new(number);
    REQUIRE(arca_list_append(list, probe) == 0);
}

static void *append_and_stop(void *unused)
{
    stops = true;
    append(100);
    return unused;
}

static void pop_and_have_another_appended(void)
{
    arca_release(arca_list_pop(list));
    other = start_thread(append_and_stop, NULL);
    while (!atomic_load(&stopped))
        wait_ms(1);
}

/* Its item is in its place before the length says so. */
TEST(list_halfway, an_append_has_not_happened_for_one_reader_and_for_another_it_has)
{
    list = arca_list_new();
    for (unsigned i = 0; i < 4; i++)
        append(i);
    meanwhile = pop_and_have_another_appended;
    loads_left = 2; /* the storage, then the item */
    arca_auto struct probe *probe = arca_list_get(list, 3);
    size_t length = arca_list_length(list);
    atomic_store(&go_on, true);
    CHECK(probe == NULL || (probe->number == 100 && length == 4));
    pthread_join(other, NULL);
    CHECK_EQ(arca_list_length(list), 4);
    arca_release(list);
}
