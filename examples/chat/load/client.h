/*
 * A connection of the load generators to the server: what is to be sent is kept until the socket takes it, what comes
 * in is handed out by lines.  Errors end the program: a load generator that lost its connection has nothing to say.
 */
#ifndef CHAT_LOAD_CLIENT_H
#define CHAT_LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIENT_BUFFER = 256 << 10 };

struct client {
    int fd;
    size_t in_used, out_first, out_end;
    char in[CLIENT_BUFFER], out[CLIENT_BUFFER];
};

_Noreturn void load_fail(const char *what);
uint64_t load_now_ns(void);
/* The value of an option `name` among the arguments, or the default; ends the program where it is no number up to most. */
unsigned load_option(char **arguments, const char *name, unsigned standard, unsigned most);

/* To 127.0.0.1. */
struct client *client_connect(unsigned port);
/* Bytes that can be printed now. */
size_t client_room(const struct client *client);
void client_print(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool client_is_waiting(const struct client *client);
void client_flush(struct client *client);
/* Calls line for each whole line that has come. */
void client_receive(struct client *client, void (*line)(struct client *client, char *line));

#endif
