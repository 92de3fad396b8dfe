/*
 * Users who stay, and talk at an even rate; how long their words take.
 *
 *   chat-steady --port N [--users N] [--connections N] [--rate N] [--seconds N]
 *
 * Users s0, s1, … in rooms of ten; one after the other says something, so many times a second in all, and everybody in
 * the room must hear it once and in order.  Four times a second a line `live` with the time from mouth to ear of what
 * was heard since the last one.  On standard input: `mark NAME` prints the same of the time since the last mark, under
 * that name; `stop` (or the end of the input, or of the seconds) waits for what is under way and prints `total`.
 * Exit status 0 if every word was heard, 1 if not, 2 if the server can not be used.
 */
#include "client.h"
#include "histogram.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROOM = 10, CONNECTIONS_MAX = 64, USERS_MAX = 4000, LIVE_NS = 250000000 };
static const uint64_t patience_ns = 5000000000, second_ns = 1000000000;

static struct client *clients[CONNECTIONS_MAX];
static unsigned client_count, users;
static uint32_t spoken[USERS_MAX];      /* by each */
static uint32_t heard[USERS_MAX][ROOM]; /* by each, of each in the room */
static uint64_t said, received, wrong, answered, asked;
static struct histogram live, marked;
static uint64_t live_start, marked_start;

/* ---- ears ---------------------------------------------------------------------------------------------------- */

/* N SAID room sSENDER COUNT NANOSECONDS */
static void hear(struct client *client, unsigned number, const char *words)
{
    unsigned sender, count, connection = 0;
    unsigned long spoken_at;
    if (sscanf(words, "SAID %*s s%u %u %lu", &sender, &count, &spoken_at) != 3) {
        wrong++;
        return;
    }
    while (clients[connection] != client)
        connection++;
    unsigned listener = number * client_count + connection;
    uint32_t *last = &heard[listener][sender % ROOM];
    uint64_t nanoseconds = load_now_ns() - spoken_at;
    wrong += listener / ROOM != sender / ROOM || count != *last + 1;
    *last = count;
    received++;
    histogram_add(&live, nanoseconds);
    histogram_add(&marked, nanoseconds);
}

static void take_line(struct client *client, char *line)
{
    char *words;
    unsigned number = (unsigned)strtoul(line, &words, 10);
    if (strncmp(words, " SAID", 5) == 0)
        hear(client, number, words + 1);
    else if (strcmp(words, " OK") == 0)
        answered++;
    else if (strncmp(words, " SEEN", 5) != 0)
        load_fail(line);
}

/* ---- mouths --------------------------------------------------------------------------------------------------- */

static void speak(unsigned user)
{
    client_print(clients[user % client_count], "%u SAY steady%u %u %lu with some words to make it a message\n",
                 user / client_count, user / ROOM, ++spoken[user], (unsigned long)load_now_ns());
    said++;
    asked++;
}

/* The k-th word is said by a user of the k-th room, each time by the next of it. */
static unsigned speaker(uint64_t word)
{
    unsigned rooms = users / ROOM;
    return (unsigned)(word % rooms * ROOM + word / rooms % ROOM);
}

static void turn(struct pollfd *told, const struct timespec *timeout)
{
    struct pollfd polled[CONNECTIONS_MAX + 1];
    for (unsigned i = 0; i < client_count; i++) {
        client_flush(clients[i]);
        polled[i] = (struct pollfd){ .fd = clients[i]->fd,
                                     .events = (short)(POLLIN | (client_is_waiting(clients[i]) ? POLLOUT : 0)) };
    }
    polled[client_count] = *told;
    if (ppoll(polled, client_count + 1, timeout, NULL) < 0)
        load_fail("ppoll");
    for (unsigned i = 0; i < client_count; i++) {
        if (polled[i].revents & ~POLLOUT)
            client_receive(clients[i], take_line);
    }
    told->revents = polled[client_count].revents;
}

/* Listens until nothing more is expected; false if it does not come. */
static bool wait_for(const uint64_t *counter, const uint64_t *expected)
{
    struct pollfd nobody = { .fd = -1 };
    uint64_t end = load_now_ns() + patience_ns;
    while (*counter != *expected && load_now_ns() < end)
        turn(&nobody, &(struct timespec){ .tv_nsec = 10000000 });
    return *counter == *expected;
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

static void report(const char *name, struct histogram *histogram, uint64_t *start)
{
    uint64_t now = load_now_ns();
    printf("%s seconds=%.3f heard=%lu p50_us=%.1f p99_us=%.1f p999_us=%.1f most_us=%.1f\n", name,
           (double)(now - *start) / 1e9, (unsigned long)histogram->total,
           (double)histogram_percentile(histogram, 50) / 1e3, (double)histogram_percentile(histogram, 99) / 1e3,
           (double)histogram_percentile(histogram, 99.9) / 1e3, (double)histogram->most / 1e3);
    fflush(stdout);
    histogram_clear(histogram);
    *start = now;
}

/* What is said on standard input; false: to stop. */
static bool obey(void)
{
    char line[128], name[64];
    ssize_t size = read(STDIN_FILENO, line, sizeof line - 1);
    if (size <= 0)
        return false;
    line[size] = 0;
    if (sscanf(line, "mark %63s", name) != 1)
        return false;
    report(name, &marked, &marked_start);
    return true;
}

/* ---- the day ------------------------------------------------------------------------------------------------------ */

static void arrive(unsigned port)
{
    for (unsigned i = 0; i < client_count; i++)
        clients[i] = client_connect(port);
    for (unsigned user = 0; user < users; user++) {
        client_print(clients[user % client_count], "%u HELLO s%u\n%u JOIN steady%u\n", user / client_count, user,
                     user / client_count, user / ROOM);
        asked += 2;
        if (user % 100 == 99 && !wait_for(&answered, &asked))
            load_fail("the server does not answer");
    }
    if (!wait_for(&answered, &asked))
        load_fail("the server does not answer");
    puts("ready");
    fflush(stdout);
}

static void talk(unsigned rate, unsigned seconds)
{
    struct pollfd told = { .fd = STDIN_FILENO, .events = POLLIN };
    uint64_t start = load_now_ns(), now = start, step = second_ns / rate;
    live_start = marked_start = start;
    while (now < start + seconds * second_ns) {
        for (; start + said * step <= now; now = load_now_ns())
            speak(speaker(said));
        uint64_t due = start + said * step;
        turn(&told, &(struct timespec){ .tv_nsec = due > now ? (long)(due - now) : 0 });
        if (told.revents != 0 && !obey())
            return;
        now = load_now_ns();
        if (now >= live_start + LIVE_NS)
            report("live", &live, &live_start);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    unsigned port = load_option(argv, "--port", 0, UINT16_MAX), rate = load_option(argv, "--rate", 2000, 1000000);
    unsigned seconds = load_option(argv, "--seconds", 60, 3600);
    client_count = load_option(argv, "--connections", 8, CONNECTIONS_MAX);
    users = load_option(argv, "--users", 200, USERS_MAX) / ROOM * ROOM;
    if (client_count == 0 || users == 0 || rate == 0)
        load_fail("nothing to do");
    arrive(port);
    talk(rate, seconds);
    uint64_t expected = said * ROOM;
    bool all = wait_for(&received, &expected) && wait_for(&answered, &asked) && wrong == 0;
    printf("total said=%lu expected=%lu heard=%lu wrong=%lu\n", (unsigned long)said, (unsigned long)expected,
           (unsigned long)received, (unsigned long)wrong);
    return all ? 0 : 1;
}
