/* The little of HTTP that a scraper needs, for many clients at a time: none waits for one that is slow. */
#ifndef ARCA_TOOL_HTTP_H
#define ARCA_TOOL_HTTP_H

#include <stddef.h>

/* All of an answer, head and body, to a request's first line: the server frees it; NULL hangs up. */
typedef char *http_answer(const char *request, size_t *length);

/* From a host and port, "host:port" or "[::1]:port"; a listening socket, or -1 with errno (EINVAL for what is no address). */
int http_listen(const char *address);

/* The port that it has: the kernel's choice where 0 was asked for. */
unsigned http_port(int listener);

/* Answers what comes; returns only when it can not go on, with errno. */
void http_serve(int listener, http_answer *answer);

#endif
