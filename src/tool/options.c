/* arca options: the table of options, as this version of the library has it. */
#include "tool/tool.h"

#include "base/option_value.h"
#include "base/options.h"

#include <string.h>

#define WIDTH 100

static const char *type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_DURATION] = "duration", [OPTION_SIZE] = "size", [OPTION_MEMORY] = "memory", [OPTION_NUMBER] = "number",
        [OPTION_FLAG] = "switch",       [OPTION_WORD] = "word", [OPTION_TEXT] = "text",
    };
    return names[type];
}

static const char *unit_name(enum option_type type)
{
    return type == OPTION_DURATION ? "ms" : type == OPTION_SIZE || type == OPTION_MEMORY || type == OPTION_TEXT ? "bytes" : "";
}

/* Its range, as README has it. */
static const char *format_values(unsigned key, char *buf, size_t capacity)
{
    const struct option_row *row = &option_rows[key];
    char low[32], high[32];
    option_format(key, row->min, low, sizeof low);
    if (row->type == OPTION_TEXT) {
        snprintf(buf, capacity, "up to %lu bytes; %%p is the process' number", (unsigned long)row->max);
    } else if (row->type == OPTION_FLAG || row->type == OPTION_WORD) {
        int length = 0;
        for (uint64_t i = 0; i <= row->max; i++) {
            option_format(key, row->type == OPTION_FLAG ? !i : i, high, sizeof high);
            length += snprintf(buf + length, capacity - (size_t)length, "%s%s", i == 0 ? "" : ", ", high);
        }
    } else if (row->max == 0) {
        snprintf(buf, capacity, row->min == 0 ? "any" : "%s and more", low);
    } else {
        option_format(key, row->max, high, sizeof high);
        snprintf(buf, capacity, "%s to %s%s", low, high, row->type == OPTION_DURATION ? ", never" : "");
    }
    return buf;
}

/* Quotes and backslashes; the table has no control characters. */
static void print_quoted(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void print_json(void)
{
    char text[OPTION_TEXT_MAX], values[128];
    for (unsigned key = 0; key < OPTION_COUNT; key++) {
        const struct option_row *row = &option_rows[key];
        options_format(key, text, sizeof text);
        printf("%s{\"name\": \"%s\", \"type\": \"%s\", \"unit\": \"%s\", \"default\": ", key == 0 ? "[" : ",\n ", row->name,
               type_name(row->type), unit_name(row->type));
        print_quoted(text);
        printf(", \"values\": ");
        print_quoted(format_values(key, values, sizeof values));
        printf(", \"sentence\": ");
        print_quoted(row->sentence);
        putchar('}');
    }
    puts("]");
}

/* Words of a sentence, in lines that begin below each other. */
static void print_wrapped(const char *text, int indent)
{
    int column = indent;
    while (*text != '\0') {
        int length = (int)strcspn(text, " ");
        if (column + length >= WIDTH && column > indent) {
            printf("\n%*s", indent, "");
            column = indent;
        }
        column += printf("%s%.*s", column > indent ? " " : "", length, text);
        text += length;
        text += *text == ' ';
    }
    putchar('\n');
}

static void print_text(void)
{
    char text[OPTION_TEXT_MAX], head[OPTION_TEXT_MAX + 32], values[128], sentence[1024];
    for (unsigned key = 0; key < OPTION_COUNT; key++) {
        options_format(key, text, sizeof text);
        snprintf(head, sizeof head, "%s=%s", option_rows[key].name, text);
        printf("%-24s", head);
        snprintf(sentence, sizeof sentence, "%s (%s)", option_rows[key].sentence, format_values(key, values, sizeof values));
        print_wrapped(sentence, 24);
    }
    puts("\nSet them by ARCA_CONF=\"key=value,key=value\", by ARCA_KEY=value, in /etc/arca.conf, or by arca run -o key=value.");
}

int run_options(const struct command *command, int argc, char **argv)
{
    bool json = argc != 0 && strcmp(argv[0], "--json") == 0;
    if (argc != 0 && !json)
        return complain_usage(command, "'%s' is no option", argv[0]);
    if (argc > 1)
        return complain_usage(command, "'%s' is one word too many", argv[1]);
    if (json)
        print_json();
    else
        print_text();
    return STATUS_DONE;
}
