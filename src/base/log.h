/* One line on fd 2: no stdio, no allocation; usable inside malloc and with a broken heap. */
#ifndef ARCA_BASE_LOG_H
#define ARCA_BASE_LOG_H

#include "base/compiler.h"

/* A subset of printf: %s %c %d %u %x %p %zu %lu %llu %%, no flags or widths.  Text that does not
 * fit is cut.  Returns the length written to buf, which is always terminated. */
size_t log_format(char *buf, size_t capacity, const char *format, ...) ARCA_PRINTF(3, 4);

/* "arca: " + the line + newline. */
void log_line(const char *format, ...) ARCA_SHARED(log_line) ARCA_PRINTF(1, 2);

/* The same, then abort(). */
_Noreturn void log_abort(const char *format, ...) ARCA_SHARED(log_abort) ARCA_PRINTF(1, 2);

#endif
