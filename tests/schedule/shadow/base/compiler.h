/* The library's, but what is thread-local lies in a section that the scheduler saves and restores: its threads are
 * contexts of one thread. */
#ifndef ARCA_TEST_COMPILER_H
#define ARCA_TEST_COMPILER_H

#include_next "base/compiler.h"

#undef ARCA_TLS
#define ARCA_TLS __attribute__((section("schedule_tls")))

#endif
