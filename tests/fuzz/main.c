/* Runs a target once for each file given, or in a directory given, or once for what is on its standard input: the kept corpus
 * without a fuzzer, and AFL++ (afl-fuzz ... -- fuzz-heap @@). */
#include "input.h"

#include "harness.h"

#include <dirent.h>
#include <stdlib.h>

static unsigned inputs;

static void run_stream(FILE *stream)
{
    static uint8_t bytes[1 << 16];
    size_t size = fread(bytes, 1, sizeof bytes, stream);
    LLVMFuzzerTestOneInput(bytes, size);
    inputs++;
}

static void run_file(const char *path)
{
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        harness_fail_now(__FILE__, __LINE__, "%s can not be read", path);
    run_stream(stream);
    fclose(stream);
}

static void run_directory(DIR *directory, const char *path)
{
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char name[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        run_file(name);
    }
}

int main(int argc, char **argv)
{
    LLVMFuzzerInitialize(&argc, &argv);
    if (argc == 1)
        run_stream(stdin);
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        if (directory == NULL) {
            run_file(argv[i]);
        } else {
            run_directory(directory, argv[i]);
            closedir(directory);
        }
    }
    printf("%u passed, 0 failed\n", inputs);
    return inputs == 0;
}
