/*
 * A TCP connection: lines in, lines out, and the sessions that it carries.  It belongs to one worker, which alone
 * calls these functions; none of them blocks.
 *
 * Bounds: a line, the bytes waiting to be sent, and the sessions.  A client that breaks one of the first two is
 * told so, if it can be told, and disconnected.
 */
#ifndef CHAT_CONNECTION_H
#define CHAT_CONNECTION_H

#include "graph.h"

enum {
    LINE_MAX_BYTES = 512,
    INPUT_BYTES = 16 << 10,
    OUTPUT_START = 16 << 10,
    OUTPUT_MAX = 8 << 20,
    SESSIONS_PER_CONNECTION = 8192
};

struct connection {
    struct connection *next, *previous; /* of the worker's connections */
    struct connection *next_busy;       /* of those it has to look after now */
    bool busy, unfinished;
    bool readable, writable; /* as far as is known: the kernel tells changes only */
    bool ended;              /* the client sends no more */
    bool closing;            /* nothing is read or sent any more; its sessions are being let go */
    int fd;
    struct session **sessions; /* by number; owned references, NULL where there is none */
    unsigned session_limit;
    unsigned closed; /* of the sessions, while closing */
    size_t in_used, out_first, out_end, out_limit;
    char *in, *out;
};

/* Takes the socket.  NULL without memory; the socket is then closed. */
struct connection *connection_create(int fd);
/* All sessions have been let go. */
void connection_destroy(struct connection *connection);

/* The place of a session in the table, which grows for it; NULL without memory or if the number is too large. */
struct session **connection_place(struct connection *connection, unsigned long number);

void connection_receive(struct connection *connection);
/* The next line, without its end; NULL if there is no whole one.  Valid until the next call. */
char *connection_line(struct connection *connection, size_t *offset);
/* Forgets the lines before the offset. */
void connection_consume(struct connection *connection, size_t offset);

void connection_send(struct connection *connection, const char *bytes, size_t size);
void connection_print(struct connection *connection, const char *format, ...) __attribute__((format(printf, 2, 3)));
void connection_flush(struct connection *connection);

#endif
