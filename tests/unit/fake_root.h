/* A tree of files that looks like /proc and /sys. */
#ifndef ARCA_TEST_FAKE_ROOT_H
#define ARCA_TEST_FAKE_ROOT_H

#include "harness.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char fake_root[] = "/tmp/arca-root-XXXXXX";

static void make_root(void)
{
    REQUIRE(mkdtemp(fake_root) != NULL);
    memory_root = fake_root;
}

static void remove_root(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", fake_root);
    REQUIRE(system(command) == 0);
}

/* With the directories above it. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", fake_root, path);
    for (char *slash = strchr(full + strlen(fake_root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

#endif
