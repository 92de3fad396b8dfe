/*
 * The objects of the server, and who holds whom.
 *
 *   session ──▶ user, rooms                             ──▶ keeps alive
 *   user    ──▶ its last session, the users it follows  ┄┄▶ its followers   ┄┄▶ does not
 *   room    ──▶ its last messages                       ┄┄▶ its members (sessions)
 *   message ──▶ sender (a user), room
 *
 * From outside, the connection's table holds its sessions, and nothing else is held: the directories and the rosters
 * of members and followers are weak.  So a connection that breaks only lets its sessions go.  What is left is garbage
 * in cycles (session and user; users that follow each other; a room, its history, its messages), which the collector
 * finds; nobody cleans up.
 */
#ifndef CHAT_GRAPH_H
#define CHAT_GRAPH_H

#include "roster.h"

#include <stdatomic.h>

enum { ROOMS_PER_SESSION = 4, HISTORY = 16, TEXT_MAX = 400 };

struct connection;

struct user {
    arca_object object;
    arca_slot session;       /* the last one, or NULL; written under the lock */
    arca_slot handle;        /* the weak reference to itself that others keep */
    struct roster following; /* users */
    struct roster followers; /* handles of users */
    pthread_mutex_t lock;
    char *name;
};

struct session {
    arca_object object;
    arca_slot user, handle;
    arca_slot rooms[ROOMS_PER_SESSION]; /* written by its worker only */
    unsigned worker, number;
    struct connection *connection; /* for its worker, while open */
    _Atomic bool open;             /* written by its worker */
};

struct room {
    arca_object object;
    struct roster members; /* handles of sessions */
    arca_slot history;     /* an array: the last messages, in a ring */
    atomic_uint posted;
    char *name;
};

/* What a user said in a room; without a room, what became of the user. */
struct message {
    arca_var_object head;
    arca_slot sender, room;
    char text[]; /* no 0 at its end */
};

/* How many there are. */
struct graph_counts {
    atomic_long users, sessions, rooms;
};
extern struct graph_counts graph_counts;

/* New objects, owned, or NULL. */
void *user_new(const char *name);
void *room_new(const char *name);
struct session *session_new(struct user *user, struct connection *connection, unsigned worker, unsigned number);
struct message *message_new(struct user *sender, struct room *room, const char *text, size_t length);

/* Makes the session its user's.  False if the user has an open one. */
bool user_attach(struct user *user, struct session *session);
/* 0, or -1 with ENOSPC or ENOMEM. */
int user_follow(struct user *user, struct user *other);

/* 0, or -1 with EEXIST, ENOSPC (the session's rooms, or the room's members) or ENOMEM. */
int session_join(struct session *session, struct room *room);
/* 0, or -1 with ENOENT or ENOMEM. */
int session_leave(struct session *session, const char *room);
/* Borrowed, or NULL if it has not joined. */
struct room *session_room(struct session *session, const char *name);
/* The server forgets the session, which stays in whatever cycles it is in; or, with clean_up, these are undone by hand:
 * what a polite goodbye does, and what a program without a collector would have to do always. */
void session_close(struct session *session, bool clean_up);

void room_remember(struct room *room, struct message *message);

/* The open session behind a handle of a session or of a user.  Owned, or NULL. */
struct session *handle_session(void *handle);

#endif
