/*
 * Static probes (USDT): an instruction that does nothing, and a note in the library that tells tools where it is
 * (bpftrace, perf, SystemTap).  docs/probes.md lists them.  Without <sys/sdt.h> (systemtap-sdt-dev) there are none.
 */
#ifndef ARCA_BASE_PROBE_H
#define ARCA_BASE_PROBE_H

#ifdef ARCA_PROBES
#include <sys/sdt.h>
#define PROBE1(name, a) DTRACE_PROBE1(arca, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(arca, name, a, b)
#else
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#endif

#endif
