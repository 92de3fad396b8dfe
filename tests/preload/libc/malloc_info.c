/* malloc_info: with threads at work it writes one well-formed XML document whose root is <malloc version="...">; other options
   than 0 are refused. Facts of glibc's tst-malloc_info. */
#include "check.h"
#include <ctype.h>
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 4, BLOCKS = 200000 };
static pthread_barrier_t barrier;

static const char *skip_name(const char *at)
{
    CHECK(isalpha((unsigned char)*at) || *at == '_', "(a name, at: %.40s)", at);
    while (isalnum((unsigned char)*at) || strchr("_-.:", *at) != NULL)
        at += *at != '\0';
    return at;
}

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *skip_attributes(const char *at)
{
    for (at = skip_space(at); *at != '>' && *at != '/' && *at != '?'; at = skip_space(at)) {
        at = skip_space(skip_name(at));
        CHECK(*at == '=', "(at: %.40s)", at);
        at = skip_space(at + 1);
        CHECK(*at == '"' || *at == '\'', "(at: %.40s)", at);
        const char *end = strchr(at + 1, *at);
        CHECK(end != NULL && memchr(at, '<', (size_t)(end - at)) == NULL, "(at: %.40s)", at);
        at = end + 1;
    }
    return at;
}

/* Well-formed: one root, tags nest, attributes are quoted. */
static void check_xml(const char *text)
{
    const char *open_tags[64];
    size_t depth = 0, roots = 0;
    const char *at = text;
    while (*(at = at + strcspn(at, "<")) != '\0') {
        if (strncmp(at, "<?", 2) == 0 || strncmp(at, "<!--", 4) == 0) {
            at = strchr(at, '>');
            CHECK(at != NULL);
        } else if (at[1] == '/') {
            CHECK(depth > 0, "(at: %.40s)", at);
            const char *end = skip_name(at + 2);
            size_t length = (size_t)(end - (at + 2));
            CHECK(strncmp(open_tags[--depth], at + 2, length) == 0, "(closes another tag: %.40s)", at);
            CHECK(skip_name(open_tags[depth]) == open_tags[depth] + length);
            at = skip_space(end);
            CHECK(*at == '>');
        } else {
            roots += depth == 0;
            CHECK(depth < ARRAY_LENGTH(open_tags));
            open_tags[depth++] = at + 1;
            at = skip_attributes(skip_name(at + 1));
            if (*at == '/') {
                depth--;
                at++;
            }
            CHECK(*at == '>', "(at: %.40s)", at);
        }
    }
    CHECK(depth == 0 && roots == 1, "(%zu open, %zu roots)", depth, roots);
}

static void check_document(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    CHECK(stream != NULL);
    CHECK(malloc_info(0, stream) == 0);
    CHECK(fclose(stream) == 0);
    CHECK(strstr(text, "<malloc version=\"") != NULL);
    check_xml(text);
    free(text);
}

static void *hold_memory(void *unused)
{
    void **list = NULL;
    for (size_t i = 0; i < BLOCKS; i++) {
        void **node = malloc(48);
        CHECK(node != NULL);
        *node = list;
        list = node;
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    while (list != NULL) {
        void **next = *list;
        free(list);
        list = next;
    }
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];
    check_document();
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, hold_memory, NULL) == 0);
    pthread_barrier_wait(&barrier);
    check_document();
    pthread_barrier_wait(&barrier);
    check_document(); /* while they free */
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_document();
    CHECK(malloc_info(1, stdout) != 0);
    return 0;
}
