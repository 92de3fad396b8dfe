/* libc's own functions which hand out malloc's memory, freed with the program's free, in several threads at once.
   (The scratch buffers, dynamic arrays and allocation buffers of glibc's tests live inside these.) */
#include "check.h"
#include <dirent.h>
#include <glob.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <regex.h>
#include <search.h>
#include <wchar.h>
#include <wordexp.h>

static int compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(uint64_t));
}

static void strings_and_streams(void)
{
    char *text = NULL, *line = NULL;
    size_t length = 0, room = 0;
    FILE *stream = open_memstream(&text, &length);
    CHECK(stream != NULL);
    for (int i = 0; i < 2000; i++)
        fprintf(stream, "%d %0*d\n", i, i % 300, i);
    CHECK(fclose(stream) == 0);
    stream = fmemopen(text, length, "r");
    for (int i = 0; i < 2000; i++) {
        CHECK(getline(&line, &room, stream) > 0);
        CHECK(atoi(line) == i);
    }
    fclose(stream);
    char *word = NULL;
    CHECK(sscanf(text, "%ms", &word) == 1 && strcmp(word, "0") == 0);
    free(word);
    free(line);
    free(text);
    wchar_t *wide = wcsdup(L"wide");
    CHECK(wide != NULL && wcslen(wide) == 4);
    free(wide);
}

static void paths_and_patterns(void)
{
    char *path = realpath("/proc/self/../self/exe", NULL), *here = getcwd(NULL, 0);
    CHECK(path != NULL && here != NULL);
    free(path);
    free(here);
    struct dirent **entries = NULL;
    int count = scandir("/etc", &entries, NULL, alphasort);
    CHECK(count > 2);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    glob_t found;
    CHECK(glob("/etc/*", 0, NULL, &found) == 0 && found.gl_pathc > 2);
    globfree(&found);
    regex_t pattern;
    CHECK(regcomp(&pattern, "^(a|b)*c{1,40}([[:alpha:]]+)$", REG_EXTENDED) == 0);
    CHECK(regexec(&pattern, "ababcccxyz", 0, NULL, 0) == 0);
    regfree(&pattern);
    iconv_t converter = iconv_open("UTF-16", "UTF-8");
    CHECK(converter != (iconv_t)-1);
    CHECK(iconv_close(converter) == 0);
}

static void sorts_and_trees(void)
{
    enum { COUNT = 20000 };
    uint64_t *numbers = malloc(COUNT * sizeof *numbers), random = 3;
    CHECK(numbers != NULL);
    void *root = NULL;
    for (size_t i = 0; i < COUNT; i++)
        numbers[i] = random_next(&random);
    qsort(numbers, COUNT, sizeof *numbers, compare);
    for (size_t i = 0; i < COUNT; i += 20)
        CHECK(tsearch(&numbers[i], &root, compare) != NULL);
    for (size_t i = 0; i < COUNT; i += 20)
        CHECK(tdelete(&numbers[i], &root, compare) != NULL);
    CHECK(root == NULL);
    free(numbers);
}

static void *everything(void *unused)
{
    for (int i = 0; i < 5; i++) {
        strings_and_streams();
        paths_and_patterns();
        sorts_and_trees();
    }
    return unused;
}

int main(void)
{
    pthread_t threads[4];
    setlocale(LC_ALL, "C.UTF-8");
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, everything, NULL) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    setenv("PRELOAD_TEST", "1", 1);
    unsetenv("PRELOAD_TEST");
    return 0;
}
