/* Formatting and printing without stdio. */
#include "base/log.h"

#include "base/os.h"

#include <stdarg.h>
#include <stdlib.h>

#define LINE_CAPACITY 512

struct out {
    char *at, *end;
};

static void put_char(struct out *out, char c)
{
    if (out->at < out->end)
        *out->at++ = c;
}

static void put_text(struct out *out, const char *text)
{
    for (; *text != '\0'; text++)
        put_char(out, *text);
}

static void put_number(struct out *out, unsigned long long n, unsigned base)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0);
    while (count != 0)
        put_char(out, digits[--count]);
}

static void put_format(struct out *out, const char *format, va_list args)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            put_char(out, *format);
            continue;
        }
        bool wide = false;
        for (format++; *format == 'l' || *format == 'z'; format++)
            wide = true;
        switch (*format) {
        case 's':
            put_text(out, va_arg(args, const char *));
            break;
        case 'c':
            put_char(out, (char)va_arg(args, int));
            break;
        case 'd': {
            int n = va_arg(args, int);
            if (n < 0)
                put_char(out, '-');
            put_number(out, n < 0 ? 0ull - (unsigned long long)n : (unsigned long long)n, 10);
            break;
        }
        case 'u':
        case 'x':
            put_number(out, wide ? va_arg(args, unsigned long) : va_arg(args, unsigned), *format == 'x' ? 16 : 10);
            break;
        case 'p':
            put_text(out, "0x");
            put_number(out, (uintptr_t)va_arg(args, void *), 16);
            break;
        default:
            put_char(out, *format);
            break;
        }
    }
}

static size_t format_list(char *buf, size_t capacity, const char *prefix, const char *format, va_list args)
{
    struct out out = { buf, buf + capacity - 1 };
    put_text(&out, prefix);
    put_format(&out, format, args);
    *out.at = '\0';
    return (size_t)(out.at - buf);
}

size_t log_format(char *buf, size_t capacity, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = format_list(buf, capacity, "", format, args);
    va_end(args);
    return length;
}

static void print_list(const char *format, va_list args)
{
    char line[LINE_CAPACITY];
    size_t length = format_list(line, sizeof line - 1, "arca: ", format, args);
    line[length++] = '\n';
    os_write(OS_STDERR, line, length);
}

void log_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_list(format, args);
    va_end(args);
}

void log_abort(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_list(format, args);
    va_end(args);
    abort();
}
