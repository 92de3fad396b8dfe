#include "worker.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { WAKE = -1 };
/* What is done of one thing before the others have their turn. */
enum { EVENTS_AT_ONCE = 64, COMMANDS_AT_ONCE = 32, LETTERS_AT_ONCE = 128, SESSIONS_AT_ONCE = 32 };

/* ---- calls -------------------------------------------------------------------------------------------------- */

static bool call(struct worker *worker, int what)
{
    return write(worker->calls[1], &what, sizeof what) == sizeof what;
}

bool worker_adopt(struct worker *worker, int fd)
{
    return call(worker, fd);
}

void worker_post(struct worker *worker, struct message *message, struct array *audience)
{
    struct server *server = worker->server;
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct worker *other = server->workers[i];
        if (mail_push(&other->mailbox, message, audience) && other != worker)
            call(other, WAKE); /* where the pipe is full it is awake */
    }
}

static bool all_have_room(const struct server *server)
{
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (!mail_has_room(&server->workers[i]->mailbox))
            return false;
    }
    return true;
}

/* ---- connections -------------------------------------------------------------------------------------------- */

static void make_busy(struct worker *worker, struct connection *connection)
{
    if (connection->busy)
        return;
    connection->busy = true;
    connection->next_busy = NULL;
    *worker->last_busy = connection;
    worker->last_busy = &connection->next_busy;
}

static void add_connection(struct worker *worker, int fd)
{
    struct connection *connection = connection_create(fd);
    if (connection == NULL)
        return;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection };
    connection->next = worker->connections.next;
    connection->previous = &worker->connections;
    connection->next->previous = connection->previous->next = connection;
    connection->closing = epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) < 0;
    make_busy(worker, connection);
}

static void remove_connection(struct connection *connection)
{
    connection->next->previous = connection->previous;
    connection->previous->next = connection->next;
    connection_destroy(connection);
}

void worker_end_session(struct worker *worker, struct session **place, bool clean_up)
{
    struct session *session = *place;
    struct user *user = arca_slot_borrow(&session->user);
    struct array *followers = worker->stopping ? NULL : roster_snapshot(&user->followers);
    struct message *message = followers != NULL ? message_new(user, NULL, "offline", 7) : NULL;
    if (message != NULL)
        worker_post(worker, message, followers);
    arca_release(message);
    arca_release(followers);
    *place = NULL;
    session_close(session, clean_up);
    arca_release(session);
    atomic_fetch_add_explicit(&worker->ended, 1, memory_order_relaxed);
}

/* Lets some sessions of a closing connection go; true when it has none left. */
static bool close_some(struct worker *worker, struct connection *connection)
{
    for (int i = 0; i < SESSIONS_AT_ONCE && connection->closed < connection->session_limit; i++) {
        if (!all_have_room(worker->server) && !worker->stopping)
            return false;
        struct session **place = &connection->sessions[connection->closed++];
        if (*place != NULL)
            worker_end_session(worker, place, worker->server->clean_up);
    }
    return connection->closed == connection->session_limit;
}

/* Performs the commands that are there; true if some are left. */
static bool perform(struct worker *worker, struct connection *connection)
{
    size_t offset = 0;
    char *line = NULL;
    bool more = true;
    for (int i = 0; more && i < COMMANDS_AT_ONCE && all_have_room(worker->server); i++) {
        line = connection_line(connection, &offset);
        if (line != NULL)
            command_perform(worker, connection, line);
        more = line != NULL && !connection->closing;
    }
    connection_consume(connection, offset);
    return more;
}

/* The input of a connection; true if there is more to do. */
static bool serve(struct worker *worker, struct connection *connection)
{
    if (connection->closing)
        return true;
    connection_receive(connection);
    if (perform(worker, connection) || connection->readable)
        return true;
    if (connection->ended) {
        connection_flush(connection);
        connection->closing = true;
    }
    return connection->closing;
}

/* ---- mail ------------------------------------------------------------------------------------------------------ */

/* The line of a message, behind the number of the session. */
static int format_letter(const struct message *message, char *line, size_t size)
{
    const struct user *sender = arca_slot_borrow(&message->sender);
    const struct room *room = arca_slot_borrow(&message->room);
    int length = (int)message->head.count;
    if (room != NULL)
        return snprintf(line, size, " SAID %s %s %.*s\n", room->name, sender->name, length, message->text);
    return snprintf(line, size, " SEEN %s %.*s\n", sender->name, length, message->text);
}

/* To those of the audience that are this worker's. */
static unsigned long deliver(struct worker *worker, const struct letter *letter)
{
    char line[LINE_MAX_BYTES * 2], number[16];
    unsigned long delivered = 0;
    int size = format_letter(letter->message, line, sizeof line);
    for (size_t i = 0; i < letter->audience->head.count; i++) {
        arca_auto struct session *session = handle_session(arca_slot_borrow(&letter->audience->items[i]));
        if (session == NULL || session->worker != worker->index)
            continue;
        connection_send(session->connection, number, (size_t)snprintf(number, sizeof number, "%u", session->number));
        connection_send(session->connection, line, (size_t)size);
        make_busy(worker, session->connection);
        delivered++;
    }
    return delivered;
}

static bool deliver_some(struct worker *worker, int limit)
{
    struct letter letter;
    unsigned long delivered = 0;
    int count = 0;
    while (count < limit && mail_take(&worker->mailbox, &letter)) {
        delivered += deliver(worker, &letter);
        arca_release(letter.message);
        arca_release(letter.audience);
        count++;
    }
    atomic_fetch_add_explicit(&worker->delivered, delivered, memory_order_relaxed);
    return count == limit;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void answer_calls(struct worker *worker)
{
    int calls[EVENTS_AT_ONCE];
    ssize_t size;
    while ((size = read(worker->calls[0], calls, sizeof calls)) > 0) {
        for (size_t i = 0; i < (size_t)size / sizeof *calls; i++) {
            if (calls[i] != WAKE)
                add_connection(worker, calls[i]);
        }
    }
}

static void wait_for_events(struct worker *worker, int milliseconds)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int count = epoll_wait(worker->epoll, events, EVENTS_AT_ONCE, milliseconds);
    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (connection == NULL) {
            answer_calls(worker);
            continue;
        }
        connection->readable |= (events[i].events & ~(uint32_t)EPOLLOUT) != 0;
        connection->writable |= (events[i].events & EPOLLOUT) != 0;
        make_busy(worker, connection);
    }
}

static struct connection *take_busy(struct worker *worker)
{
    struct connection *connection = worker->busy;
    worker->busy = NULL;
    worker->last_busy = &worker->busy;
    return connection;
}

/* What one connection has to send, or to let go. */
static void finish(struct worker *worker, struct connection *connection)
{
    bool unfinished = connection->unfinished;
    connection->busy = connection->unfinished = false;
    connection_flush(connection);
    if (connection->closing && close_some(worker, connection))
        remove_connection(connection);
    else if (connection->closing || unfinished)
        make_busy(worker, connection);
}

/* Everything that is to be done, once. */
static void go_round(struct worker *worker)
{
    for (struct connection *each = worker->busy; each != NULL; each = each->next_busy)
        each->unfinished = serve(worker, each);
    worker->has_mail = deliver_some(worker, LETTERS_AT_ONCE);
    struct connection *first = take_busy(worker), *next;
    for (struct connection *each = first != NULL ? first->next_busy : NULL; each != NULL; each = next) {
        next = each->next_busy;
        finish(worker, each);
    }
    if (first != NULL)
        finish(worker, first); /* last, so that each is the first in turn when there is not enough room in the mail */
}

static void let_all_go(struct worker *worker)
{
    answer_calls(worker); /* sockets that were handed over last */
    while (worker->connections.next != &worker->connections) {
        struct connection *connection = worker->connections.next;
        while (!close_some(worker, connection))
            continue;
        remove_connection(connection);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    arca_thread_attach();
    while (!worker->stopping) {
        if (worker->busy == NULL && !worker->has_mail)
            wait_for_events(worker, -1);
        else /* a millisecond where others must make room first */
            wait_for_events(worker, worker->has_mail || all_have_room(worker->server) ? 0 : 1);
        go_round(worker);
    }
    let_all_go(worker);
    return NULL;
}

int worker_start(struct worker *worker)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    mail_init(&worker->mailbox);
    worker->last_busy = &worker->busy;
    worker->connections.next = worker->connections.previous = &worker->connections;
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll < 0 || pipe2(worker->calls, O_NONBLOCK | O_CLOEXEC) < 0 ||
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->calls[0], &event) < 0)
        return -1;
    errno = pthread_create(&worker->thread, NULL, work, worker);
    return errno == 0 ? 0 : -1;
}

void worker_stop(struct worker *worker)
{
    worker->stopping = true;
    call(worker, WAKE);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

void worker_fini(struct worker *worker)
{
    while (deliver_some(worker, MAIL_MAX))
        continue;
    close(worker->epoll);
    close(worker->calls[0]);
    close(worker->calls[1]);
}
