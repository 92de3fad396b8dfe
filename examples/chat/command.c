#include "command.h"

#include "figures.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Whom a command comes from. */
struct caller {
    struct worker *worker;
    struct connection *connection;
    struct session **place;
    unsigned number;
};

static void answer(const struct caller *caller, const char *text)
{
    connection_print(caller->connection, "%u %s\n", caller->number, text);
}

static void refuse(const struct caller *caller, const char *reason)
{
    connection_print(caller->connection, "%u ERR %s\n", caller->number, reason);
}

/* Answers what a function of the graph has returned. */
static void answer_result(const struct caller *caller, int result)
{
    if (result == 0)
        answer(caller, "OK");
    else if (errno == EEXIST)
        refuse(caller, "joined already");
    else if (errno == ENOENT)
        refuse(caller, "not in that room");
    else
        refuse(caller, errno == ENOSPC ? "full" : "no memory");
}

/* Cuts the next word off; "" at the end. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " ");
    *rest = word + strcspn(word, " ");
    if (**rest != 0)
        *(*rest)++ = 0;
    return word;
}

static bool is_name(const char *word)
{
    size_t length = 0;
    while (isalnum((unsigned char)word[length]) || word[length] == '-' || word[length] == '_')
        length++;
    return word[length] == 0 && length > 0 && length <= NAME_LENGTH_MAX;
}

static void tell_followers(const struct caller *caller, struct user *user, const char *news)
{
    arca_auto struct array *followers = roster_snapshot(&user->followers);
    if (followers == NULL)
        return;
    arca_auto struct message *message = message_new(user, NULL, news, strlen(news));
    if (message != NULL)
        worker_post(caller->worker, message, followers);
}

/* ---- a function a command ------------------------------------------------------------------------------------ */

static void say_hello(const struct caller *caller, char *rest)
{
    char *name = next_word(&rest);
    if (*caller->place != NULL || !is_name(name)) {
        refuse(caller, *caller->place != NULL ? "session is open" : "bad name");
        return;
    }
    arca_auto struct user *user = directory_find_or_make(&caller->worker->server->users, name, user_new);
    arca_auto struct session *session =
        user != NULL ? session_new(user, caller->connection, caller->worker->index, caller->number) : NULL;
    if (session == NULL) {
        refuse(caller, "no memory");
    } else if (!user_attach(user, session)) {
        session_close(session, false);
        refuse(caller, "name is in use");
    } else {
        *caller->place = arca_retain(session);
        answer(caller, "OK");
        tell_followers(caller, user, "online");
    }
}

static void join(const struct caller *caller, char *rest)
{
    char *name = next_word(&rest);
    if (!is_name(name)) {
        refuse(caller, "bad name");
        return;
    }
    arca_auto struct room *room = directory_find_or_make(&caller->worker->server->rooms, name, room_new);
    if (room == NULL)
        refuse(caller, "no memory");
    else
        answer_result(caller, session_join(*caller->place, room));
}

static void leave(const struct caller *caller, char *rest)
{
    answer_result(caller, session_leave(*caller->place, next_word(&rest)));
}

static void say(const struct caller *caller, char *rest)
{
    struct session *session = *caller->place;
    struct room *room = session_room(session, next_word(&rest));
    size_t length = strlen(rest);
    if (room == NULL || length > TEXT_MAX) {
        refuse(caller, room == NULL ? "not in that room" : "text too long");
        return;
    }
    arca_auto struct message *message = message_new(arca_slot_borrow(&session->user), room, rest, length);
    arca_auto struct array *members = roster_snapshot(&room->members);
    if (message == NULL || members == NULL) {
        refuse(caller, "no memory");
        return;
    }
    room_remember(room, message);
    worker_post(caller->worker, message, members);
    atomic_fetch_add_explicit(&caller->worker->said, 1, memory_order_relaxed);
    answer(caller, "OK");
}

static void follow(const struct caller *caller, char *rest)
{
    arca_auto struct user *other = directory_find(&caller->worker->server->users, next_word(&rest));
    if (other == NULL)
        refuse(caller, "no such user");
    else
        answer_result(caller, user_follow(arca_slot_borrow(&(*caller->place)->user), other));
}

static void tell_history(const struct caller *caller, char *rest)
{
    struct room *room = session_room(*caller->place, next_word(&rest));
    if (room == NULL) {
        refuse(caller, "not in that room");
        return;
    }
    struct array *history = arca_slot_borrow(&room->history);
    for (unsigned i = 0, first = room->posted; i < HISTORY; i++) {
        arca_auto struct message *message = arca_slot_load(&history->items[(first + i) % HISTORY]);
        if (message == NULL)
            continue;
        const struct user *sender = arca_slot_borrow(&message->sender);
        connection_print(caller->connection, "%u HAD %s %s %.*s\n", caller->number, room->name, sender->name,
                         (int)message->head.count, message->text);
    }
    answer(caller, "END");
}

static void say_goodbye(const struct caller *caller, char *rest)
{
    (void)rest;
    worker_end_session(caller->worker, caller->place, true);
    answer(caller, "OK");
}

static const struct command {
    const char *name;
    void (*perform)(const struct caller *caller, char *rest);
} commands[] = { { "SAY", say },       { "HELLO", say_hello },      { "JOIN", join },      { "LEAVE", leave },
                 { "FOLLOW", follow }, { "HISTORY", tell_history }, { "BYE", say_goodbye } };

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void tell_figures(struct worker *worker, struct connection *connection)
{
    char text[FIGURES_TEXT_MAX];
    figures_text(worker->server, text, sizeof text);
    connection_print(connection, "STATS %s\n", text);
}

void command_perform(struct worker *worker, struct connection *connection, char *line)
{
    char *rest = line, *word = next_word(&rest), *end;
    if (strcmp(word, "STATS") == 0) {
        tell_figures(worker, connection);
        return;
    }
    unsigned long number = isdigit((unsigned char)*word) ? strtoul(word, &end, 10) : ULONG_MAX;
    if (number >= SESSIONS_PER_CONNECTION || *end != 0) {
        connection_print(connection, "ERR no session number below %d\n", SESSIONS_PER_CONNECTION);
        return;
    }
    struct caller caller = { worker, connection, connection_place(connection, number), (unsigned)number };
    const struct command *command = find_command(next_word(&rest));
    if (command == NULL)
        refuse(&caller, "no such command");
    else if (caller.place == NULL)
        refuse(&caller, "no memory");
    else if (*caller.place == NULL && command->perform != say_hello)
        refuse(&caller, "no such session");
    else
        command->perform(&caller, rest);
}
