/*
 * Crowds that come, join, talk, and vanish.
 *
 *   chat-burst --port N [--sessions N] [--connections N] [--rounds N] [--pause MS] [--id N] [--follow N]
 *
 * In each round the sessions log in over so many connections, in groups of 50: each joins its group's room and follows
 * the next of its group, the last the first; one of ten talks, to all of the room.  When all is answered `up` and the
 * seconds it took are printed.  Then the connections are cut, without a goodbye: after a pause or, where none is given,
 * when a line comes on standard input.  Of 500 sessions one follows a steady user, if there are so many as --follow says.
 */
#include "client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    GROUP = 50,
    TALK_EVERY = 10,
    FOLLOW_STEADY_EVERY = 500,
    CONNECTIONS_MAX = 256,
    SESSIONS_MAX = 1000000,
    OUT_AT_MOST = 16 << 10,
    NO_PAUSE = 3600000
};

/* One connection's part: the sessions that it carries, and how far it has come. */
struct part {
    struct client *client;
    unsigned first, count; /* sessions; a whole number of groups, but for the last part */
    unsigned next;         /* command to be sent */
    unsigned long asked, answered;
};

static struct part parts[CONNECTIONS_MAX];
static unsigned part_count, followed, crowd;

static struct part *part_of(const struct client *client)
{
    struct part *part = parts;
    while (part->client != client)
        part++;
    return part;
}

static void take_line(struct client *client, char *line)
{
    char *word = strchr(line, ' ');
    if (word != NULL && strcmp(word, " OK") == 0)
        part_of(client)->answered++;
    else if (word == NULL || strncmp(word, " ERR", 4) == 0)
        load_fail(line);
}

static void hello_and_join(struct client *client, unsigned number, unsigned session)
{
    client_print(client, "%u HELLO b%u-%u\n%u JOIN r%u-%u\n", number, crowd, session, number, crowd, session / GROUP);
}

static void follow(struct client *client, unsigned number, unsigned session, unsigned next)
{
    if (followed != 0 && session % FOLLOW_STEADY_EVERY == 0)
        client_print(client, "%u FOLLOW s%u\n", number, session / FOLLOW_STEADY_EVERY % followed);
    else
        client_print(client, "%u FOLLOW b%u-%u\n", number, crowd, next);
}

/* The commands of a group: each logs in and joins; then each follows, and some talk. */
static void send_next(struct part *part)
{
    unsigned group = part->next / (2 * GROUP) * GROUP, place = part->next % (2 * GROUP) % GROUP;
    unsigned size = part->count - group < GROUP ? part->count - group : GROUP;
    unsigned number = group + place, session = part->first + number;
    bool joining = part->next % (2 * GROUP) < GROUP;
    part->next++;
    if (place >= size)
        return;
    if (joining) {
        hello_and_join(part->client, number, session);
        part->asked += 2;
        return;
    }
    follow(part->client, number, session, part->first + group + (place + 1) % size);
    part->asked++;
    if (place % TALK_EVERY == 0) {
        client_print(part->client, "%u SAY r%u-%u hello from %u\n", number, crowd, session / GROUP, session);
        part->asked++;
    }
}

static unsigned command_count(const struct part *part)
{
    return (part->count + GROUP - 1) / GROUP * 2 * GROUP;
}

static bool is_done(const struct part *part)
{
    return part->next >= command_count(part) && part->answered == part->asked;
}

/* Talks and listens once. */
static void turn(int milliseconds)
{
    struct pollfd polled[CONNECTIONS_MAX];
    for (unsigned i = 0; i < part_count; i++) {
        struct part *part = &parts[i];
        while (part->next < command_count(part) && client_room(part->client) > CLIENT_BUFFER - OUT_AT_MOST)
            send_next(part);
        client_flush(part->client);
        polled[i] = (struct pollfd){ .fd = part->client->fd,
                                     .events = (short)(POLLIN | (client_is_waiting(part->client) ? POLLOUT : 0)) };
    }
    if (poll(polled, part_count, milliseconds) < 0)
        load_fail("poll");
    for (unsigned i = 0; i < part_count; i++) {
        if (polled[i].revents & ~POLLOUT)
            client_receive(parts[i].client, take_line);
    }
}

static void come(unsigned port, unsigned sessions)
{
    unsigned groups = (sessions + GROUP - 1) / GROUP, first = 0;
    for (unsigned i = 0; i < part_count; i++) {
        unsigned limit = (unsigned)((uint64_t)groups * (i + 1) / part_count) * GROUP;
        limit = limit < sessions ? limit : sessions;
        parts[i] = (struct part){ .client = client_connect(port), .first = first, .count = limit - first };
        first = limit;
    }
    for (unsigned done = 0; done < part_count;) {
        turn(1000);
        for (done = 0; done < part_count && is_done(&parts[done]);)
            done++;
    }
}

/* Listens on, for a while or until it is told to stop. */
static void stay(unsigned milliseconds)
{
    uint64_t end = load_now_ns() + (uint64_t)milliseconds * 1000000;
    struct pollfd told = { .fd = STDIN_FILENO, .events = POLLIN };
    while (load_now_ns() < end && (milliseconds != NO_PAUSE || poll(&told, 1, 0) == 0))
        turn(10);
}

static void vanish(void)
{
    for (unsigned i = 0; i < part_count; i++) {
        close(parts[i].client->fd);
        free(parts[i].client);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    unsigned port = load_option(argv, "--port", 0, UINT16_MAX);
    unsigned sessions = load_option(argv, "--sessions", 100000, SESSIONS_MAX);
    unsigned rounds = load_option(argv, "--rounds", 1, 1000), pause = load_option(argv, "--pause", NO_PAUSE, NO_PAUSE);
    unsigned id = load_option(argv, "--id", 0, 1000);
    part_count = load_option(argv, "--connections", 16, CONNECTIONS_MAX);
    followed = load_option(argv, "--follow", 0, 1000000);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t start = load_now_ns();
        crowd = id * 1000 + round;
        come(port, sessions);
        printf("up %.3f\n", (double)(load_now_ns() - start) / 1e9);
        fflush(stdout);
        stay(pause);
        vanish();
    }
    return 0;
}
