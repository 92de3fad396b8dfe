/* Settings of any text: what is in force afterwards is within its bounds, whatever was wrong. */
#include "input.h"

#include "harness.h"

#include "base/options.h"

#include <stdlib.h>

#define LONGEST 4096

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

static bool is_possible(const struct option_row *row, uint64_t value)
{
    if (value == row->standard || (row->type == OPTION_DURATION && value == OPTION_NEVER))
        return true;
    return value >= row->min && (row->max == 0 || value <= row->max);
}

static void expect_bounds(void)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        uint64_t value;
        if (!options_get(option_rows[i].name, &value) || !is_possible(&option_rows[i], value))
            harness_fail_now(__FILE__, __LINE__, "%s is %llu", option_rows[i].name, (unsigned long long)value);
    }
}

/* Lines of the input are the environment; the first is ARCA_CONF's value. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char text[LONGEST + 1], first[LONGEST + 16];
    char *environment[16] = { first }, *line = text;
    unsigned lines = 1;
    size = size < LONGEST ? size : LONGEST;
    memcpy(text, bytes, size);
    text[size] = '\0';
    char *end = strchr(line, '\n');
    while (end != NULL && lines < 15) {
        *end = '\0';
        line = end + 1;
        environment[lines++] = line;
        end = strchr(line, '\n');
    }
    snprintf(first, sizeof first, "ARCA_CONF=%s", text);
    options_read(environment);
    expect_bounds();
    options_parse("ARCA_CONF", text);
    expect_bounds();
    return 0;
}
