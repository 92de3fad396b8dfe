#ifndef ARCA_TEST_SCRIPT_H
#define ARCA_TEST_SCRIPT_H

/* All kinds of blocks and objects come and go; what is refused is done without. */
void script_run(void);
void script_expect_everything_to_work(void);

void script_objects(void);
void script_objects_work(void);

#endif
