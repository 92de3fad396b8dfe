/* Limits of control groups, in a tree of files that looks like /proc and /sys. */
#include "harness.h"

#include "base/memory.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/arca-memory-XXXXXX";

static void make_root(void)
{
    REQUIRE(mkdtemp(root) != NULL);
    memory_root = root;
}

static void remove_root(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    REQUIRE(system(command) == 0);
}

/* With the directories above it. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    REQUIRE(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

TEST(memory, without_files_nothing_is_known)
{
    make_root();
    CHECK_EQ(memory_cgroup_limit(), 0);
    CHECK_EQ(memory_machine_bytes(), 0);
    remove_root();
}

TEST(memory, the_machine_has_what_meminfo_says)
{
    make_root();
    put("/proc/meminfo", "MemTotal:       24684096 kB\nMemFree:        22498656 kB\n");
    CHECK_EQ(memory_machine_bytes(), (uint64_t)24684096 << 10);
    remove_root();
}

TEST(memory, a_limit_of_version_2_is_that_of_the_own_group)
{
    make_root();
    put("/proc/self/cgroup", "0::/system.slice/web.service\n");
    put("/sys/fs/cgroup/system.slice/web.service/memory.max", "104857600\n");
    put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice/other.service/memory.max", "4096\n");
    CHECK_EQ(memory_cgroup_limit(), 104857600);
    remove_root();
}

TEST(memory, a_tighter_limit_further_up_counts)
{
    make_root();
    put("/proc/self/cgroup", "0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "3000000\n");
    put("/sys/fs/cgroup/a/memory.max", "2000000\n");
    CHECK_EQ(memory_cgroup_limit(), 2000000);
    remove_root();
}

TEST(memory, version_1_is_found_by_its_controller)
{
    make_root();
    put("/proc/self/cgroup", "9:name=memory:/wrong\n4:cpu,memory:/jobs/7\n3:memoryless:/wrong\n0::/\n");
    put("/sys/fs/cgroup/memory/wrong/memory.limit_in_bytes", "4096\n");
    put("/sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", "50331648\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK_EQ(memory_cgroup_limit(), 50331648);
    remove_root();
}

TEST(memory, no_limit_of_either_version_is_none)
{
    make_root();
    put("/proc/self/cgroup", "4:memory:/\n0::/x\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/x/memory.max", "max\n");
    CHECK_EQ(memory_cgroup_limit(), 0);
    remove_root();
}

TEST(memory, in_a_container_the_root_is_the_own_group)
{
    make_root();
    put("/proc/self/cgroup", "4:memory:/docker/0123456789abcdef\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
    CHECK_EQ(memory_cgroup_limit(), 67108864);
    remove_root();
}

TEST(memory, nonsense_is_no_limit)
{
    make_root();
    put("/proc/self/cgroup", "nonsense\n");
    put("/sys/fs/cgroup/memory.max", "4096\n");
    CHECK_EQ(memory_cgroup_limit(), 0);
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.max", "\n");
    put("/sys/fs/cgroup/memory.max", "x\n");
    CHECK_EQ(memory_cgroup_limit(), 0);
    remove_root();
}
