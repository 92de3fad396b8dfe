/*
 * A chat server whose rooms, users, sessions and messages are objects of Arca.
 *
 *   chat-server [--port N] [--workers N] [--clean-up]
 *
 * Listens on 127.0.0.1; port 0, the default, is any free one.  Prints `listening PORT`, and at the end, on SIGTERM or
 * SIGINT, the figures.  --clean-up undoes by hand what sessions of broken connections are part of, for a comparison with
 * programs that have no collector (ARCA_CONF=collector=off).
 *
 * The main thread accepts connections and sees to it that what they leave behind is collected.
 */
#include "figures.h"

#include <arca/gc.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MILLISECONDS = 100, ENDED_AT_MOST = 10000, MAIN_NICE = 10 };

static struct server server = { .worker_count = 2 };

static int fail(const char *what)
{
    fprintf(stderr, "chat-server: %s: %s\n", what, strerror(errno));
    return 2;
}

static int listen_on(unsigned port, unsigned *bound)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return -1;
    *bound = ntohs(address.sin_port);
    return fd;
}

static void accept_all(int listener)
{
    static unsigned turn;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (!worker_adopt(server.workers[turn++ % server.worker_count], fd))
            close(fd);
    }
    if (errno != EAGAIN && errno != EINTR)
        poll(NULL, 0, TICK_MILLISECONDS); /* no descriptor is free: those who wait have to */
}

/* Arca collects by itself while objects are born.  A server that only loses sessions says so: when no more seem to be
 * ending for now, or many have ended. */
static void collect_if_due(void)
{
    static unsigned long collected, last;
    unsigned long ended = figures_ended(&server);
    if (ended != collected && (ended == last || ended - collected > ENDED_AT_MOST) && arca_gc_is_enabled()) {
        arca_gc_collect(ARCA_GC_GENERATIONS - 1);
        collected = ended;
    }
    last = ended;
}

/* Until a signal tells it to stop. */
static void serve(int listener, int signals)
{
    struct pollfd polled[] = { { .fd = listener, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
    for (;;) {
        int count = poll(polled, 2, TICK_MILLISECONDS);
        if (count > 0 && polled[1].revents != 0)
            return;
        if (count > 0)
            accept_all(listener);
        else
            collect_if_due();
    }
}

static int start(void)
{
    directory_init(&server.users);
    directory_init(&server.rooms);
    for (unsigned i = 0; i < server.worker_count; i++) {
        struct worker *worker = server.workers[i] = calloc(1, sizeof *worker);
        if (worker == NULL)
            return -1;
        worker->server = &server;
        worker->index = i;
    }
    for (unsigned i = 0; i < server.worker_count; i++) {
        if (worker_start(server.workers[i]) < 0)
            return -1;
    }
    return 0;
}

/* With the workers goes everything that refers to objects, and so go all objects. */
static void stop(void)
{
    char text[FIGURES_TEXT_MAX];
    for (unsigned i = 0; i < server.worker_count; i++)
        worker_stop(server.workers[i]);
    for (unsigned i = 0; i < server.worker_count; i++)
        worker_join(server.workers[i]);
    for (unsigned i = 0; i < server.worker_count; i++)
        worker_fini(server.workers[i]);
    if (arca_gc_is_enabled())
        arca_gc_collect(ARCA_GC_GENERATIONS - 1);
    figures_text(&server, text, sizeof text);
    printf("stopped %s\n", text);
}

static bool read_number(const char *text, unsigned least, unsigned most, unsigned *number)
{
    char *end;
    unsigned long value = text != NULL && *text != 0 ? strtoul(text, &end, 10) : 0;
    if (text == NULL || *text == 0 || *end != 0 || value < least || value > most)
        return false;
    *number = (unsigned)value;
    return true;
}

static bool read_arguments(char **arguments, unsigned *port)
{
    for (const char *name; (name = *arguments) != NULL; arguments++) {
        if (strcmp(name, "--clean-up") == 0)
            server.clean_up = true;
        else if (strcmp(name, "--port") == 0 && read_number(arguments[1], 0, UINT16_MAX, port))
            arguments++;
        else if (strcmp(name, "--workers") == 0 && read_number(arguments[1], 1, WORKERS_MAX, &server.worker_count))
            arguments++;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    unsigned port = 0;
    sigset_t stopping;
    (void)argc;
    if (!read_arguments(argv + 1, &port)) {
        fprintf(stderr, "usage: chat-server [--port 0-65535] [--workers 1-%d] [--clean-up]\n", WORKERS_MAX);
        return 2;
    }
    if (arca_thread_attach() < 0)
        return fail("objects");
    sigemptyset(&stopping);
    sigaddset(&stopping, SIGTERM);
    sigaddset(&stopping, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stopping, NULL); /* in all threads: the descriptor gets them */
    int signals = signalfd(-1, &stopping, SFD_CLOEXEC), listener = listen_on(port, &port);
    if (signals < 0 || listener < 0)
        return fail("listening");
    if (start() < 0)
        return fail("starting");
    setpriority(PRIO_PROCESS, 0, MAIN_NICE); /* on Linux of this thread only */
    printf("listening %u\n", port);
    fflush(stdout);
    serve(listener, signals);
    close(listener);
    stop();
    return 0;
}
