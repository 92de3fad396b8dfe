/*
 * A worker's mailbox: what other workers (and itself) want it to deliver, in the order in which it was sent.
 * Any thread pushes; the worker takes.
 */
#ifndef CHAT_MAIL_H
#define CHAT_MAIL_H

#include "graph.h"

/* A push needs room for one letter; who looks first and then pushes at most one can not be refused, as long as there
 * are no more workers than MAIL_RESERVE. */
enum { MAIL_MAX = 1024, MAIL_RESERVE = 64 };

/* A message and who should hear it.  Both are owned references in memory that no type declares: they keep alive what
 * they refer to. */
struct letter {
    struct message *message;
    struct array *audience; /* handles of sessions or users */
};

struct mailbox {
    pthread_mutex_t lock;
    unsigned first;
    _Atomic unsigned count;
    struct letter letters[MAIL_MAX];
};

void mail_init(struct mailbox *mailbox);
/* True if a push will not be refused. */
bool mail_has_room(const struct mailbox *mailbox);
/* Takes units of its own.  True if the mailbox was empty: its worker may be asleep. */
bool mail_push(struct mailbox *mailbox, struct message *message, struct array *audience);
/* False if there is none; else the units are the caller's. */
bool mail_take(struct mailbox *mailbox, struct letter *letter);

#endif
