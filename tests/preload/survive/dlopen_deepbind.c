/* A library opened with RTLD_DEEPBIND may free what libc's functions give it, and give to free what the program allocated; a
   library that opens another by its own RUNPATH finds it there. */
#include "check.h"
#include <dlfcn.h>

static const char plugin_source[] = "#define _GNU_SOURCE\n"
                                    "#include <stdio.h>\n"
                                    "#include <stdlib.h>\n"
                                    "#include <string.h>\n"
                                    "void drop(void *block) { free(block); }\n"
                                    "void use(void) {\n"
                                    "    char *line = NULL; size_t size = 0;\n"
                                    "    FILE *file = fopen(\"/proc/self/stat\", \"r\");\n"
                                    "    if (getline(&line, &size, file) < 0) abort();\n"
                                    "    fclose(file); free(line); free(strdup(\"text\")); free(realpath(\"/\", NULL));\n"
                                    "    free(realloc(strdup(\"longer text\"), 5000));\n"
                                    "}\n";
static const char opener_source[] = "#include <dlfcn.h>\n"
                                    "void *open_by_runpath(const char *name) { return dlopen(name, RTLD_NOW); }\n";

static void compile(const char *directory, const char *name, const char *source, const char *flags)
{
    char path[300], command[900];
    snprintf(path, sizeof path, "%s/%s.c", directory, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(source, file) >= 0 && fclose(file) == 0);
    snprintf(command, sizeof command, "env -u LD_PRELOAD cc -shared -fPIC -O1 -fno-builtin -o %s/lib%s.so %s/%s.c %s", directory,
             name, directory, name, flags);
    CHECK(system(command) == 0, "(%s)", command);
}

static void *find(void *library, const char *name)
{
    void *address = dlsym(library, name);
    CHECK(address != NULL, "(%s)", name);
    return address;
}

int main(void)
{
    char directory[] = "/tmp/preload-XXXXXX", flags[200], path[300];
    void (*use)(void), (*drop)(void *);
    void *(*open_by_runpath)(const char *);
    if (system("cc --version > /dev/null 2>&1") != 0)
        SKIP("cc is not installed: apt-get install gcc");
    CHECK(mkdtemp(directory) != NULL);
    compile(directory, "plugin", plugin_source, "");
    snprintf(flags, sizeof flags, "-Wl,--enable-new-dtags,-rpath,'$ORIGIN'");
    compile(directory, "opener", opener_source, flags);

    snprintf(path, sizeof path, "%s/libopener.so", directory);
    void *opener = dlopen(path, RTLD_NOW);
    CHECK(opener != NULL, "(%s)", dlerror());
    *(void **)&open_by_runpath = find(opener, "open_by_runpath");
    void *by_runpath = open_by_runpath("libplugin.so");
    CHECK(by_runpath != NULL, "(%s)", dlerror());
    dlclose(by_runpath);

    snprintf(path, sizeof path, "%s/libplugin.so", directory);
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    CHECK(plugin != NULL, "(%s)", dlerror());
    *(void **)&use = find(plugin, "use");
    *(void **)&drop = find(plugin, "drop");
    use();
    drop(malloc(100));
    drop(malloc(1000000));
    CHECK(dlopen("libno-such-library.so", RTLD_NOW | RTLD_DEEPBIND) == NULL && strstr(dlerror(), "libno-such-library") != NULL);
    CHECK(dlopen(NULL, RTLD_NOW) != NULL);
    snprintf(path, sizeof path, "rm -rf %s", directory);
    return system(path) == 0 ? 0 : 1;
}
