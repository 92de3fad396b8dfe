/*
 * The control socket (option `control`): one line asks, lines answer, the background thread does the work.
 *
 * The thread then stays for as long as the process, and waits on the socket between its rounds.  What is asked is done
 * in it: so a verb allocates nothing, uses no thread-local data, and lets nobody wait for long.
 */
#ifndef ARCA_FRONT_CONTROL_H
#define ARCA_FRONT_CONTROL_H

#include "base/compiler.h"

/* One row per verb.  The first answer begins with "ok" or "error". */
struct control_verb {
    const char *name;
    void (*run)(int connection, const char *arguments);
};

/* Answers the request that comes, if one does in time. */
void control_serve(int connection);

/* Sends a line. */
void control_answer(int connection, const char *line);

#endif
