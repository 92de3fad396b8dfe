/*
 * The commands, a line each; the number is the client's name for one of the sessions of its connection.
 *
 *   N HELLO user        opens session N                       N SAID room user text   a message in a joined room
 *   N JOIN room         (made if there is none)               N SEEN user online      or offline: a followed user
 *   N LEAVE room                                              N OK                    each command, but HISTORY,
 *   N SAY room text     to all members, the sender too        N ERR reason            is answered by one of these
 *   N FOLLOW user                                             N HAD room user text    per message of a history;
 *   N HISTORY room                                            N END                   then this
 *   N BYE               ends session N                        ERR reason              the line makes no sense
 *   STATS                                                     STATS name=number …
 *
 * A command that is refused changes nothing.  After a line that is too long the connection ends.
 */
#ifndef CHAT_COMMAND_H
#define CHAT_COMMAND_H

#include "worker.h"

/* The line is overwritten. */
void command_perform(struct worker *worker, struct connection *connection, char *line);

#endif
