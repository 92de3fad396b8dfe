#include "graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct graph_counts graph_counts;

/* ---- types --------------------------------------------------------------------------------------------- */

static void user_destroy(void *object)
{
    struct user *user = object;
    pthread_mutex_destroy(&user->lock);
    roster_fini(&user->following);
    roster_fini(&user->followers);
    free(user->name);
    atomic_fetch_sub(&graph_counts.users, 1);
}

static void session_destroy(void *object)
{
    (void)object;
    atomic_fetch_sub(&graph_counts.sessions, 1);
}

static void room_destroy(void *object)
{
    struct room *room = object;
    roster_fini(&room->members);
    free(room->name);
    atomic_fetch_sub(&graph_counts.rooms, 1);
}

static const uint32_t user_slots[] = { offsetof(struct user, session), offsetof(struct user, handle),
                                       offsetof(struct user, following.array), offsetof(struct user, followers.array) };
static const uint32_t session_slots[] = { offsetof(struct session, user),     offsetof(struct session, handle),
                                          offsetof(struct session, rooms[0]), offsetof(struct session, rooms[1]),
                                          offsetof(struct session, rooms[2]), offsetof(struct session, rooms[3]) };
static const uint32_t room_slots[] = { offsetof(struct room, members.array), offsetof(struct room, history) };
static const uint32_t message_slots[] = { offsetof(struct message, sender), offsetof(struct message, room) };

static arca_type user_type = {
    .name = "user", .size = sizeof(struct user), .slots = user_slots, .slot_count = 4, .destroy = user_destroy
};
static arca_type session_type = {
    .name = "session", .size = sizeof(struct session), .slots = session_slots, .slot_count = 6,
    .destroy = session_destroy
};
static arca_type room_type = {
    .name = "room", .size = sizeof(struct room), .slots = room_slots, .slot_count = 2, .destroy = room_destroy
};
static arca_type message_type = {
    .name = "message", .size = offsetof(struct message, text), .slots = message_slots, .slot_count = 2, .item_size = 1
};

/* ---- births ---------------------------------------------------------------------------------------------- */

/* What fails half-way is released: destroy finds NULL where nothing was made, and the locks always there. */
void *user_new(const char *name)
{
    struct user *user = arca_new(&user_type);
    if (user == NULL)
        return NULL;
    atomic_fetch_add(&graph_counts.users, 1);
    pthread_mutex_init(&user->lock, NULL);
    roster_init(&user->following);
    roster_init(&user->followers);
    user->name = strdup(name);
    arca_slot_put(&user->handle, arca_weak_bind(user, NULL, NULL));
    if (user->name == NULL || arca_slot_borrow(&user->handle) == NULL) {
        arca_release(user);
        return NULL;
    }
    return user;
}

void *room_new(const char *name)
{
    struct room *room = arca_new(&room_type);
    if (room == NULL)
        return NULL;
    atomic_fetch_add(&graph_counts.rooms, 1);
    roster_init(&room->members);
    room->name = strdup(name);
    arca_slot_put(&room->history, array_new(HISTORY));
    if (room->name == NULL || arca_slot_borrow(&room->history) == NULL) {
        arca_release(room);
        return NULL;
    }
    return room;
}

struct session *session_new(struct user *user, struct connection *connection, unsigned worker, unsigned number)
{
    struct session *session = arca_new(&session_type);
    if (session == NULL)
        return NULL;
    atomic_fetch_add(&graph_counts.sessions, 1);
    session->connection = connection;
    session->worker = worker;
    session->number = number;
    session->open = true;
    arca_slot_put(&session->user, arca_retain(user));
    arca_slot_put(&session->handle, arca_weak_bind(session, NULL, NULL));
    if (arca_slot_borrow(&session->handle) == NULL) {
        arca_release(session);
        return NULL;
    }
    return session;
}

struct message *message_new(struct user *sender, struct room *room, const char *text, size_t length)
{
    struct message *message = arca_new_var(&message_type, length);
    if (message == NULL)
        return NULL;
    memcpy(message->text, text, length);
    arca_slot_put(&message->sender, arca_retain(sender));
    arca_slot_put(&message->room, arca_retain(room));
    return message;
}

/* ---- what is still wanted ----------------------------------------------------------------------------------- */

struct session *handle_session(void *handle)
{
    void *object = arca_weak_upgrade(handle);
    if (object != NULL && arca_type_of(object) == &user_type) {
        struct user *user = object;
        object = arca_slot_load(&user->session);
        arca_release(user);
    }
    struct session *session = object;
    if (session == NULL || session->open)
        return session;
    arca_release(session);
    return NULL;
}

static bool wants_open(void *handle)
{
    struct session *session = handle_session(handle);
    arca_release(session);
    return session != NULL;
}

static bool wants_living(void *handle)
{
    void *object = arca_weak_upgrade(handle);
    arca_release(object);
    return object != NULL;
}

static bool wants_all(void *item)
{
    (void)item;
    return true;
}

/* ---- users ---------------------------------------------------------------------------------------------------- */

bool user_attach(struct user *user, struct session *session)
{
    struct session *old = NULL;
    pthread_mutex_lock(&user->lock); /* of two that log in at once, one is told so */
    struct session *now = arca_slot_borrow(&user->session);
    bool vacant = now == NULL || !now->open;
    if (vacant)
        old = arca_slot_exchange(&user->session, arca_retain(session));
    pthread_mutex_unlock(&user->lock);
    arca_release(old);
    return vacant;
}

static void user_detach(struct user *user, struct session *session)
{
    struct session *old = NULL;
    pthread_mutex_lock(&user->lock);
    if (arca_slot_borrow(&user->session) == session)
        old = arca_slot_take(&user->session);
    pthread_mutex_unlock(&user->lock);
    arca_release(old);
}

int user_follow(struct user *user, struct user *other)
{
    if (roster_add(&other->followers, arca_slot_borrow(&user->handle), wants_living) < 0)
        return -1;
    return roster_add(&user->following, other, wants_all);
}

/* ---- sessions ------------------------------------------------------------------------------------------------- */

static arca_slot *find_room(struct session *session, const char *name)
{
    for (int i = 0; i < ROOMS_PER_SESSION; i++) {
        struct room *room = arca_slot_borrow(&session->rooms[i]);
        if (room != NULL && strcmp(room->name, name) == 0)
            return &session->rooms[i];
    }
    return NULL;
}

struct room *session_room(struct session *session, const char *name)
{
    arca_slot *slot = find_room(session, name);
    return slot != NULL ? arca_slot_borrow(slot) : NULL;
}

int session_join(struct session *session, struct room *room)
{
    if (find_room(session, room->name) != NULL) {
        errno = EEXIST;
        return -1;
    }
    for (int i = 0; i < ROOMS_PER_SESSION; i++) {
        if (arca_slot_borrow(&session->rooms[i]) != NULL)
            continue;
        if (roster_add(&room->members, arca_slot_borrow(&session->handle), wants_open) < 0)
            return -1;
        arca_slot_put(&session->rooms[i], arca_retain(room));
        return 0;
    }
    errno = ENOSPC;
    return -1;
}

int session_leave(struct session *session, const char *name)
{
    arca_slot *slot = find_room(session, name);
    if (slot == NULL) {
        errno = ENOENT;
        return -1;
    }
    struct room *room = arca_slot_borrow(slot);
    if (roster_remove(&room->members, arca_slot_borrow(&session->handle), wants_open) < 0)
        return -1;
    arca_slot_clear(slot);
    return 0;
}

/* A room that everybody has left is kept by its own history. */
static void room_clean_up(struct room *room)
{
    struct array *members = roster_snapshot(&room->members), *history = arca_slot_borrow(&room->history);
    for (size_t i = 0; members == NULL && i < HISTORY; i++)
        arca_slot_clear(&history->items[i]);
    arca_release(members);
}

static void session_clean_up(struct session *session)
{
    struct user *user = arca_slot_borrow(&session->user);
    for (int i = 0; i < ROOMS_PER_SESSION; i++) {
        struct room *room = arca_slot_take(&session->rooms[i]);
        if (room != NULL && roster_remove(&room->members, arca_slot_borrow(&session->handle), wants_open) == 0)
            room_clean_up(room);
        arca_release(room);
    }
    roster_clear(&user->following);
    user_detach(user, session);
}

void session_close(struct session *session, bool clean_up)
{
    session->open = false;
    if (clean_up)
        session_clean_up(session);
}

/* ---- rooms ------------------------------------------------------------------------------------------------------ */

void room_remember(struct room *room, struct message *message)
{
    struct array *history = arca_slot_borrow(&room->history);
    arca_slot_store(&history->items[atomic_fetch_add(&room->posted, 1) % HISTORY], message);
}
