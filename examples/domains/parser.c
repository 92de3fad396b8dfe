/*
 * A program with plug-ins gives them domains of memory to allocate in, so that it can say who holds what.
 *
 *     cc -g -fno-omit-frame-pointer parser.c $(pkg-config --cflags --libs arca) -o parser
 *     ./parser top             what lives, by call stack, and what a second run of the parser adds;
 *                              addr2line -fe parser 0x…  is the line of a parser+0x…
 *     ./parser file PATH       the same for google-pprof --text --lines parser PATH
 *     ./parser overrun         a write past the end, and what the debug hooks say of it
 */
#include <arca/domains.h>
#include <stdio.h>
#include <string.h>

struct node {
    struct node *next;
    char *name;
};

static struct node *parse_word(const char *word, struct node *next)
{
    struct node *node = arca_domain_malloc(ARCA_DOMAIN_OBJECT, sizeof *node);
    size_t bytes = strlen(word) + 1;
    if (node == NULL)
        return next;
    node->next = next;
    node->name = arca_domain_malloc(ARCA_DOMAIN_GENERAL, bytes);
    if (node->name != NULL)
        memcpy(node->name, word, bytes);
    return node;
}

static struct node *parse(unsigned words)
{
    struct node *list = NULL;
    for (unsigned i = 0; i < words; i++)
        list = parse_word("a word of some length", list);
    return list;
}

static void forget(struct node *list)
{
    while (list != NULL) {
        struct node *next = list->next;
        arca_domain_free(ARCA_DOMAIN_GENERAL, list->name);
        arca_domain_free(ARCA_DOMAIN_OBJECT, list);
        list = next;
    }
}

static int top(void)
{
    arca_trace_start();
    struct node *first = parse(1000);
    struct arca_trace_sites *before = arca_trace_snapshot();
    struct node *second = parse(100);
    struct arca_trace_sites *after = arca_trace_snapshot();
    if (before == NULL || after == NULL)
        return 1;
    arca_trace_print(after, 2);
    struct arca_trace_sites *more = arca_trace_difference(after, before);
    if (more != NULL)
        arca_trace_print(more, 2);
    arca_free(before);
    arca_free(after);
    arca_free(more);
    forget(first);
    forget(second);
    return 0;
}

static int file(const char *path)
{
    arca_trace_start();
    struct node *list = parse(1000);
    int status = arca_trace_dump(path, ARCA_PROFILE_LIVE);
    if (status != 0)
        perror(path);
    forget(list);
    return status != 0;
}

static int overrun(void)
{
    arca_domain_debug();
    struct node *list = parse(3);
    strcat(list->name, "!"); /* one too many */
    forget(list);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "top") == 0)
        return top();
    if (strcmp(what, "file") == 0 && argc > 2)
        return file(argv[2]);
    if (strcmp(what, "overrun") == 0)
        return overrun();
    fprintf(stderr, "usage: %s top | file PATH | overrun\n", argv[0]);
    return 2;
}
