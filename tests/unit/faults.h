/* Fault injection where the build has it; elsewhere the test that asks for it is skipped. */
#ifndef ARCA_TEST_FAULTS_H
#define ARCA_TEST_FAULTS_H

#include "base/os.h"
#include "harness.h"

#ifdef NDEBUG
static inline void os_fault_after(unsigned n, bool for_ever)
{
    (void)n, (void)for_ever;
    SKIP("fault injection needs a build with asserts: cmake --preset dev");
}
#endif

#endif
