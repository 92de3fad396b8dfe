#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void load_fail(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(2);
}

uint64_t load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

unsigned load_option(char **arguments, const char *name, unsigned standard, unsigned most)
{
    for (; *arguments != NULL; arguments++) {
        if (strcmp(*arguments, name) != 0)
            continue;
        char *end = NULL;
        unsigned long value = arguments[1] != NULL ? strtoul(arguments[1], &end, 10) : 0;
        if (end == NULL || end == arguments[1] || *end != 0 || value > most)
            load_fail(name);
        return (unsigned)value;
    }
    return standard;
}

struct client *client_connect(unsigned port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct client *client = calloc(1, sizeof *client);
    int yes = 1;
    if (client == NULL || (client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
        connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        load_fail("can not connect");
    return client;
}

size_t client_room(const struct client *client)
{
    return CLIENT_BUFFER - (client->out_end - client->out_first);
}

bool client_is_waiting(const struct client *client)
{
    return client->out_first != client->out_end;
}

void client_print(struct client *client, const char *format, ...)
{
    size_t waiting = client->out_end - client->out_first;
    memmove(client->out, client->out + client->out_first, waiting);
    client->out_first = 0;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(client->out + waiting, CLIENT_BUFFER - waiting, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= CLIENT_BUFFER - waiting)
        load_fail("the server does not read");
    client->out_end = waiting + (size_t)size;
}

void client_flush(struct client *client)
{
    while (client_is_waiting(client)) {
        ssize_t size = send(client->fd, client->out + client->out_first, client->out_end - client->out_first,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0 && errno != EINTR)
            load_fail("the server has hung up");
        client->out_first += size > 0 ? (size_t)size : 0;
    }
}

static void hand_out(struct client *client, void (*line)(struct client *client, char *line))
{
    char *first = client->in, *limit = client->in + client->in_used, *end;
    while ((end = memchr(first, '\n', (size_t)(limit - first))) != NULL) {
        *end = 0;
        line(client, first);
        first = end + 1;
    }
    client->in_used = (size_t)(limit - first);
    memmove(client->in, first, client->in_used);
}

void client_receive(struct client *client, void (*line)(struct client *client, char *line))
{
    for (;;) {
        ssize_t size = recv(client->fd, client->in + client->in_used, CLIENT_BUFFER - client->in_used, MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN)
            return;
        if (size == 0 || (size < 0 && errno != EINTR))
            load_fail("the server has hung up");
        client->in_used += size > 0 ? (size_t)size : 0;
        hand_out(client, line);
    }
}
