/*
 * A worker: a thread that serves its connections and delivers its mail, and never waits for anything but events.
 *
 * It reads no further command while some mailbox is full: TCP then slows the clients that talk too fast.
 */
#ifndef CHAT_WORKER_H
#define CHAT_WORKER_H

#include "connection.h"
#include "directory.h"
#include "mail.h"

enum { WORKERS_MAX = 16 };

struct worker {
    struct mailbox mailbox;
    struct server *server;
    unsigned index;
    pthread_t thread;
    int epoll;
    int calls[2]; /* a pipe: new sockets, and WAKE */
    _Atomic bool stopping;
    bool has_mail;                        /* perhaps */
    struct connection connections;        /* the head of their ring */
    struct connection *busy, **last_busy; /* a queue */
    atomic_ulong said, delivered, ended;  /* written by the worker */
};

struct server {
    struct directory users, rooms;
    unsigned worker_count;
    bool clean_up; /* sessions of broken connections by hand, too */
    struct worker *workers[WORKERS_MAX];
};

/* 0, or -1 with errno. */
int worker_start(struct worker *worker);
/* Hands a new connection over; false if the worker is too far behind, the socket is then still the caller's. */
bool worker_adopt(struct worker *worker, int fd);
/* Tells it to let all its connections go and to end. */
void worker_stop(struct worker *worker);
/* Waits for its end; throws away what mail is left, once all workers have ended. */
void worker_join(struct worker *worker);
void worker_fini(struct worker *worker);

/* For commands: hands a message to all workers, the audience's among them. */
void worker_post(struct worker *worker, struct message *message, struct array *audience);
/* Ends a session of a connection: the place in its table becomes NULL. */
void worker_end_session(struct worker *worker, struct session **place, bool clean_up);

#endif
