/* liburcu as its contract has it: a grace period ends when the sections that began before it are over. */
#ifndef ARCA_TEST_EPOCH_H
#define ARCA_TEST_EPOCH_H

#include <stdbool.h>

bool epoch_is_attached(void);
void epoch_enter(void);
void epoch_leave(void);
#define epoch_enter_anyhow epoch_enter
#define epoch_leave_anyhow epoch_leave
bool epoch_inside(void);
bool epoch_attach(void);
void epoch_wait(void);

#endif
