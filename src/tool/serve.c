/* arca serve: OpenMetrics over HTTP, for a scraper.  One request at a time; each has its time. */
#include "base/os.h"
#include "tool/samples.h"
#include "tool/tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX 4096
#define REQUEST_MS 2000 /* for all of it */
#define ANSWER_MS 10000
#define CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* "host:port", "[::1]:port"; the host must be said: what is to be seen from outside is a decision. */
static int listen_at(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
    size_t length = colon != NULL ? (size_t)(colon - address) : 0;
    if (length == 0 || length >= sizeof host) {
        errno = EINVAL;
        return -1;
    }
    bool bracketed = address[0] == '[' && address[length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(length - 2 * bracketed), address + bracketed);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int one = 1, listener = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener >= 0)
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listener >= 0 && (bind(listener, found->ai_addr, found->ai_addrlen) != 0 || listen(listener, 16) != 0)) {
        int error = errno;
        close(listener);
        listener = -1;
        errno = error;
    }
    freeaddrinfo(found);
    return listener;
}

/* What is left of a peer's time becomes the limit of the next call; false when nothing is. */
static bool limit_next(int connection, int what, uint64_t until_ms)
{
    uint64_t now_ms = os_clock_ms();
    if (now_ms >= until_ms)
        return false;
    struct timeval limit = { (time_t)((until_ms - now_ms) / 1000), (suseconds_t)((until_ms - now_ms) % 1000 * 1000) };
    return setsockopt(connection, SOL_SOCKET, what, &limit, sizeof limit) == 0;
}

/* The first line of a request; false where none comes in time. */
static bool read_request(int connection, char *request)
{
    size_t length = 0;
    uint64_t until_ms = os_clock_ms() + REQUEST_MS;
    while (length + 1 < REQUEST_MAX) {
        if (!limit_next(connection, SO_RCVTIMEO, until_ms))
            return false;
        ssize_t n = recv(connection, request + length, REQUEST_MAX - 1 - length, 0);
        if (n <= 0)
            return false;
        length += (size_t)n;
        request[length] = '\0';
        if (strstr(request, "\r\n\r\n") != NULL || strstr(request, "\n\n") != NULL)
            break;
    }
    request[strcspn(request, "\r\n")] = '\0';
    return true;
}

static char *make_metrics(size_t *length)
{
    static struct samples samples; /* remembers who is not worth a look */
    char *text = NULL;
    samples_take(&samples, NULL, 0);
    struct figures_process *processes = calloc(samples.count + 1, sizeof *processes);
    char(*labels)[128] = calloc(samples.count + 1, sizeof *labels);
    FILE *file = open_memstream(&text, length);
    if (processes != NULL && labels != NULL && file != NULL) {
        for (size_t i = 0; i < samples.count; i++) {
            snprintf(labels[i], sizeof labels[i], "pid=\"%d\",command=\"%s\"", samples.items[i].pid, samples.items[i].name);
            processes[i] = (struct figures_process){ &samples.items[i].snapshot.figures, labels[i] };
        }
        figures_write_metrics(processes, samples.count, print_line, file);
    }
    if (file != NULL)
        fclose(file);
    free(processes);
    free(labels);
    samples_free(&samples);
    return text;
}

static void send_all(int connection, const char *text, size_t length, uint64_t until_ms)
{
    while (length != 0 && limit_next(connection, SO_SNDTIMEO, until_ms)) {
        ssize_t n = send(connection, text, length, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        text += n;
        length -= (size_t)n;
    }
}

static void answer(int connection, const char *status, const char *type, const char *body, size_t length)
{
    char head[256];
    uint64_t until_ms = os_clock_ms() + ANSWER_MS;
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                     type, length);
    send_all(connection, head, (size_t)n, until_ms);
    send_all(connection, body, length, until_ms);
}

static void answer_request(int connection, const char *request)
{
    static const char wrong_method[] = "only GET is answered\n", wrong_path[] = "the figures are at /metrics\n";
    bool get = strncmp(request, "GET ", 4) == 0;
    size_t path = get ? strcspn(request + 4, " ?") : 0;
    if (!get) {
        answer(connection, "405 Method Not Allowed", "text/plain", wrong_method, sizeof wrong_method - 1);
    } else if ((path != 8 || strncmp(request + 4, "/metrics", 8) != 0)) {
        answer(connection, "404 Not Found", "text/plain", wrong_path, sizeof wrong_path - 1);
    } else {
        size_t length = 0;
        char *text = make_metrics(&length);
        if (text != NULL)
            answer(connection, "200 OK", CONTENT_TYPE, text, length);
        free(text);
    }
}

static void serve_connection(int connection)
{
    char request[REQUEST_MAX];
    if (read_request(connection, request))
        answer_request(connection, request);
}

int run_serve(const struct command *command, int argc, char **argv)
{
    const char *address = "127.0.0.1:9412";
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--listen") != 0)
            return complain_usage(command, "'%s' is no option", argv[i]);
        if (++i == argc)
            return complain_usage(command, "--listen without an address");
        address = argv[i];
    }
    int listener = listen_at(address);
    if (listener < 0 && errno == EINVAL)
        return complain_usage(command, "'%s' is no address and port", address);
    if (listener < 0)
        return complain("serve: %s: %s", address, strerror(errno));
    printf("http://%s/metrics\n", address);
    fflush(stdout);
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0) {
            serve_connection(connection);
            close(connection);
        } else if (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
            return complain("serve: %s", strerror(errno));
        }
    }
}
