/* Clients, each at its own pace, in one loop; none of them is waited for. */
#include "tool/http.h"

#include "base/os.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One beyond these takes the place of the one that came first: who means well is gone long before. */
#define CLIENTS_MAX 64
#define REQUEST_MAX 4096
#define REQUEST_MS 2000 /* for all of it */
#define ANSWER_MS 10000
#define REST_MS 100 /* when there is no descriptor for one more */

struct client {
    int socket;
    uint64_t until_ms;
    size_t got;          /* of the request */
    char *answer;        /* NULL until there is one */
    size_t length, sent; /* of it */
    char request[REQUEST_MAX];
};

/* In the order in which they came. */
static struct client *clients[CLIENTS_MAX];
static size_t client_count;

/* getaddrinfo() takes any number, and what is left of it. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits != 0 && digits <= 5 && text[digits] == '\0' && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* The host must be said: what is to be seen from outside is a decision. */
int http_listen(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
    size_t length = colon != NULL ? (size_t)(colon - address) : 0;
    if (length == 0 || length >= sizeof host || !is_port(colon + 1)) {
        errno = EINVAL;
        return -1;
    }
    bool bracketed = address[0] == '[' && address[length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(length - 2 * bracketed), address + bracketed);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int one = 1, listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener >= 0)
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listener >= 0 && (bind(listener, found->ai_addr, found->ai_addrlen) != 0 || listen(listener, CLIENTS_MAX) != 0)) {
        int error = errno;
        close(listener);
        listener = -1;
        errno = error;
    }
    freeaddrinfo(found);
    return listener;
}

unsigned http_port(int listener)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return 0;
    return (unsigned)strtoul(port, NULL, 10);
}

static void hang_up(size_t at)
{
    struct client *client = clients[at];
    close(client->socket);
    free(client->answer);
    free(client);
    client_count--;
    memmove(&clients[at], &clients[at + 1], (client_count - at) * sizeof clients[0]);
}

/* False when nobody can be taken for now. */
static bool take_client(int listener)
{
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0)
        return false;
    if (client_count == CLIENTS_MAX)
        hang_up(0);
    struct client *client = malloc(sizeof *client);
    if (client == NULL) {
        close(socket);
        return true;
    }
    *client = (struct client){ .socket = socket, .until_ms = os_clock_ms() + REQUEST_MS };
    clients[client_count++] = client;
    return true;
}

/* All three: false when it is over with a client. */

static bool receive(struct client *client)
{
    ssize_t n = recv(client->socket, client->request + client->got, REQUEST_MAX - 1 - client->got, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    client->got += (size_t)n;
    client->request[client->got] = '\0';
    return n != 0;
}

static bool is_whole(const struct client *client)
{
    return strstr(client->request, "\r\n\r\n") != NULL || strstr(client->request, "\n\n") != NULL || client->got + 1 >= REQUEST_MAX;
}

static bool send_more(struct client *client)
{
    ssize_t n = send(client->socket, client->answer + client->sent, client->length - client->sent, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    client->sent += (size_t)n;
    return client->sent < client->length;
}

static bool go_on(struct client *client, http_answer *make_answer)
{
    if (client->answer == NULL) {
        if (!receive(client))
            return false;
        if (!is_whole(client))
            return true;
        client->request[strcspn(client->request, "\r\n")] = '\0';
        client->answer = make_answer(client->request, &client->length);
        client->until_ms = os_clock_ms() + ANSWER_MS;
        if (client->answer == NULL)
            return false;
    }
    return send_more(client);
}

/* Until something can be done, or a client's time is over. */
static int wait_for_any(int listener, struct pollfd *ready)
{
    uint64_t now_ms = os_clock_ms();
    int wait_ms = -1;
    ready[client_count] = (struct pollfd){ .fd = listener, .events = POLLIN };
    for (size_t i = 0; i < client_count; i++) {
        int left_ms = clients[i]->until_ms > now_ms ? (int)(clients[i]->until_ms - now_ms) : 0;
        wait_ms = wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
        ready[i] = (struct pollfd){ .fd = clients[i]->socket, .events = clients[i]->answer != NULL ? POLLOUT : POLLIN };
    }
    return poll(ready, client_count + 1, wait_ms);
}

void http_serve(int listener, http_answer *answer)
{
    struct pollfd ready[CLIENTS_MAX + 1];
    for (;;) {
        if (wait_for_any(listener, ready) < 0 && errno != EINTR)
            return;
        uint64_t now_ms = os_clock_ms(); /* what others are answered meanwhile is not a client's time */
        bool some_one = (ready[client_count].revents & POLLIN) != 0;
        for (size_t i = client_count; i-- != 0;) {
            if ((ready[i].revents != 0 && !go_on(clients[i], answer)) || now_ms >= clients[i]->until_ms)
                hang_up(i);
        }
        if (!some_one || take_client(listener))
            continue;
        if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            poll(NULL, 0, REST_MS);
    }
}
