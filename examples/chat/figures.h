/* What the server says of itself. */
#ifndef CHAT_FIGURES_H
#define CHAT_FIGURES_H

#include "worker.h"

enum { FIGURES_TEXT_MAX = 512 };

/* name=number …: objects alive, messages posted and delivered, and the collector's. */
void figures_text(const struct server *server, char *text, size_t size);

/* Sessions that have ended since the start. */
unsigned long figures_ended(const struct server *server);

#endif
