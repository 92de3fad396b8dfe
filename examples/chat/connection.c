#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection *connection_create(int fd)
{
    /* Here and in the other files calloc makes what may hold references, malloc what is bytes. */
    struct connection *connection = calloc(1, sizeof *connection);
    char *in = malloc(INPUT_BYTES), *out = malloc(OUTPUT_START);
    if (connection == NULL || in == NULL || out == NULL) {
        free(connection);
        free(in);
        free(out);
        close(fd);
        return NULL;
    }
    connection->fd = fd;
    connection->in = in;
    connection->out = out;
    connection->out_limit = OUTPUT_START;
    connection->readable = connection->writable = true;
    return connection;
}

void connection_destroy(struct connection *connection)
{
    close(connection->fd);
    free(connection->sessions);
    free(connection->in);
    free(connection->out);
    free(connection);
}

struct session **connection_place(struct connection *connection, unsigned long number)
{
    if (number >= SESSIONS_PER_CONNECTION)
        return NULL;
    if (number >= connection->session_limit) {
        unsigned limit = connection->session_limit != 0 ? connection->session_limit : 16;
        while (limit <= number)
            limit *= 2;
        struct session **sessions = calloc(limit, sizeof *sessions);
        if (sessions == NULL)
            return NULL;
        if (connection->session_limit != 0)
            memcpy(sessions, connection->sessions, connection->session_limit * sizeof *sessions);
        free(connection->sessions);
        connection->sessions = sessions;
        connection->session_limit = limit;
    }
    return &connection->sessions[number];
}

/* ---- in ----------------------------------------------------------------------------------------------------- */

void connection_receive(struct connection *connection)
{
    while (connection->readable && !connection->closing && connection->in_used < INPUT_BYTES) {
        ssize_t size =
            recv(connection->fd, connection->in + connection->in_used, INPUT_BYTES - connection->in_used, MSG_DONTWAIT);
        if (size > 0)
            connection->in_used += (size_t)size;
        else if (size == 0)
            connection->readable = !(connection->ended = true);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            connection->readable = false;
        else if (errno != EINTR)
            connection->closing = true;
    }
}

char *connection_line(struct connection *connection, size_t *offset)
{
    char *line = connection->in + *offset;
    size_t rest = connection->in_used - *offset;
    char *end = memchr(line, '\n', rest < LINE_MAX_BYTES ? rest : LINE_MAX_BYTES);
    if (end == NULL) {
        if (rest >= LINE_MAX_BYTES) {
            connection_print(connection, "ERR line too long\n");
            connection_flush(connection);
            connection->closing = true;
        }
        return NULL;
    }
    *offset += (size_t)(end - line) + 1;
    if (end > line && end[-1] == '\r')
        end--;
    *end = 0;
    return line;
}

void connection_consume(struct connection *connection, size_t offset)
{
    connection->in_used -= offset;
    memmove(connection->in, connection->in + offset, connection->in_used);
}

/* ---- out ------------------------------------------------------------------------------------------------------ */

/* Room for so many more bytes; false where the client reads too slowly for what it is sent. */
static bool make_room(struct connection *connection, size_t size)
{
    size_t waiting = connection->out_end - connection->out_first, limit = connection->out_limit;
    if (connection->out_end + size <= limit)
        return true;
    while (waiting + size > limit)
        limit *= 2;
    if (limit > OUTPUT_MAX)
        return false;
    if (limit > connection->out_limit) {
        char *out = realloc(connection->out, limit);
        if (out == NULL)
            return false;
        connection->out = out;
        connection->out_limit = limit;
    }
    memmove(connection->out, connection->out + connection->out_first, waiting);
    connection->out_first = 0;
    connection->out_end = waiting;
    return true;
}

void connection_send(struct connection *connection, const char *bytes, size_t size)
{
    if (connection->closing)
        return;
    if (!make_room(connection, size)) {
        connection->closing = true;
        return;
    }
    memcpy(connection->out + connection->out_end, bytes, size);
    connection->out_end += size;
}

void connection_print(struct connection *connection, const char *format, ...)
{
    char line[LINE_MAX_BYTES * 2];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size > 0)
        connection_send(connection, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

/* A buffer that a burst has made large is not kept. */
static void shrink_output(struct connection *connection)
{
    connection->out_first = connection->out_end = 0;
    if (connection->out_limit == OUTPUT_START)
        return;
    char *out = realloc(connection->out, OUTPUT_START);
    if (out != NULL) {
        connection->out = out;
        connection->out_limit = OUTPUT_START;
    }
}

void connection_flush(struct connection *connection)
{
    while (connection->writable && !connection->closing && connection->out_first < connection->out_end) {
        ssize_t size = send(connection->fd, connection->out + connection->out_first,
                            connection->out_end - connection->out_first, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size >= 0)
            connection->out_first += (size_t)size;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            connection->writable = false;
        else if (errno != EINTR)
            connection->closing = true;
    }
    if (connection->out_first == connection->out_end && connection->out_end != 0)
        shrink_output(connection);
}
