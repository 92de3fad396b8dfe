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
        const struct option_row *row = &option_rows[i];
        const char *field = (const char *)&options + row->offset;
        uint64_t value;
        bool good = row->type == OPTION_TEXT ? strnlen(field, OPTION_TEXT_MAX) < OPTION_TEXT_MAX
                                             : options_get(row->name, &value) && is_possible(row, value);
        if (!good)
            harness_fail_now(__FILE__, __LINE__, "%s is out of its bounds", row->name);
    }
}

/* Each line as settings of ARCA_CONF, as a variable of the environment and as a line of the file. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char text[LONGEST + 1];
    struct options before = options; /* the next input finds what this one did, and no file is written at exit */
    size = size < LONGEST ? size : LONGEST;
    memcpy(text, bytes, size);
    text[size] = '\0';
    for (char *line = text, *rest = NULL; (line = strtok_r(rest == NULL ? line : NULL, "\n", &rest)) != NULL;) {
        options_parse("ARCA_CONF", line);
        expect_bounds();
        options_parse_variable(line);
        expect_bounds();
        options_parse_line("/etc/arca.conf", line, strlen(line));
        expect_bounds();
    }
    options = before;
    return 0;
}
