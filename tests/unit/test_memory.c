/* Limits of control groups, in a tree of files that looks like /proc and /sys. */
#include "fake_root.h"

#include <sys/resource.h>

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

TEST(memory, a_limit_above_which_a_group_is_held_up_counts)
{
    make_root();
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "2000000\n");
    put("/sys/fs/cgroup/a/b/memory.high", "max\n");
    CHECK_EQ(memory_cgroup_limit(), 2000000);
    put("/sys/fs/cgroup/a/b/memory.high", "1600000\n");
    CHECK_EQ(memory_cgroup_limit(), 1600000);
    put("/sys/fs/cgroup/a/b/memory.current", "1000000\n");
    CHECK_EQ(memory_cgroup_spare(), 500000);
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    CHECK_EQ(memory_cgroup_limit(), 1600000);
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
    char deep[1024] = "0::/";
    memset(deep + 4, 'd', 900);
    strcpy(deep + 904, "\n");
    put("/proc/self/cgroup", deep); /* longer than any path that is looked at: not cut to that of another group */
    CHECK_EQ(memory_cgroup_limit(), 0);
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.max", "\n");
    put("/sys/fs/cgroup/memory.max", "x\n");
    CHECK_EQ(memory_cgroup_limit(), 0);
    remove_root();
}

/* ---- what is left ------------------------------------------------------------------------------------------------ */

TEST(memory, near_a_limit_is_its_last_sixteenth)
{
    CHECK_EQ(memory_spare(1600, 0), 1500);
    CHECK_EQ(memory_spare(1600, 1499), 1);
    CHECK_EQ(memory_spare(1600, 1500), 0);
    CHECK_EQ(memory_spare(1600, 5000), 0);
}

TEST(memory, what_is_left_is_that_of_the_group_that_has_least)
{
    make_root();
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "16000\n");
    put("/sys/fs/cgroup/a/b/memory.current", "5000\n");
    CHECK_EQ(memory_cgroup_spare(), 10000);
    put("/sys/fs/cgroup/a/memory.max", "32000\n");
    put("/sys/fs/cgroup/a/memory.current", "29000\n"); /* of others below it, mostly */
    CHECK_EQ(memory_cgroup_spare(), 1000);
    put("/sys/fs/cgroup/a/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    CHECK_EQ(memory_cgroup_spare(), UINT64_MAX);
    remove_root();
}

TEST(memory, page_cache_is_not_used_memory)
{
    make_root();
    put("/proc/self/cgroup", "4:memory:/a\n0::/b\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "16000\n");
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "15000\n");
    put("/sys/fs/cgroup/memory/a/memory.stat", "cache 9\ninactive_file 1\nactive_file 1\ntotal_inactive_file 4000\ntotal_active_file 3000\n");
    CHECK_EQ(memory_cgroup_spare(), 7000);
    put("/sys/fs/cgroup/b/memory.max", "16000\n");
    put("/sys/fs/cgroup/b/memory.current", "15000\n");
    put("/sys/fs/cgroup/b/memory.stat", "anon 1\nfile 9\ninactive_file 1000\nactive_file 500\n");
    CHECK_EQ(memory_cgroup_spare(), 1500);
    remove_root();
}

static void limit_to(int resource, rlim_t bytes)
{
    struct rlimit limit;
    REQUIRE(getrlimit(resource, &limit) == 0);
    limit.rlim_cur = bytes;
    REQUIRE(setrlimit(resource, &limit) == 0);
}

TEST(memory, a_limit_of_own_memory_is_one_of_address_space)
{
    CHECK_EQ(memory_address_spare(0), UINT64_MAX);
    limit_to(RLIMIT_DATA, (rlim_t)1 << 50); /* more than a sanitizer maps for itself */
    uint64_t own = memory_address_spare(0);
    CHECK(own < (uint64_t)15 << 46 && own > (uint64_t)14 << 46);
    CHECK_EQ(memory_address_spare(4096), own + 4096);
    limit_to(RLIMIT_AS, (rlim_t)1 << 49);
    CHECK(memory_address_spare(0) < (uint64_t)15 << 45);
    limit_to(RLIMIT_AS, RLIM_INFINITY);
    limit_to(RLIMIT_DATA, RLIM_INFINITY);
}

TEST(memory, reserving_is_dear_where_it_counts)
{
    make_root();
    CHECK(!memory_reserving_is_dear());
    put("/proc/sys/vm/overcommit_memory", "1\n");
    CHECK(!memory_reserving_is_dear());
    put("/proc/sys/vm/overcommit_memory", "2\n");
    CHECK(memory_reserving_is_dear());
    put("/proc/sys/vm/overcommit_memory", "0\n");
    for (unsigned i = 0; i < 2; i++) {
        int resource = i == 0 ? RLIMIT_DATA : RLIMIT_AS;
        limit_to(resource, (rlim_t)512 << 20);
        CHECK(memory_reserving_is_dear());
        limit_to(resource, (rlim_t)2 << 30);
        CHECK(!memory_reserving_is_dear());
        limit_to(resource, RLIM_INFINITY);
    }
    remove_root();
}

TEST(memory, stalls_are_the_first_line_of_the_pressure_file)
{
    make_root();
    CHECK_EQ(memory_stall(), 0);
    put("/proc/pressure/memory", "some avg10=12.34 avg60=50.00 avg300=60.00 total=7\nfull avg10=99.00 avg60=0.00 avg300=0.00 total=1\n");
    CHECK_EQ(memory_stall(), 1234);
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.pressure", "some avg10=20.05 avg60=0.00 avg300=0.00 total=7\n");
    CHECK_EQ(memory_stall(), 2005);
    put("/sys/fs/cgroup/a/memory.pressure", "some avg10=x\n");
    CHECK_EQ(memory_stall(), 1234);
    put("/proc/pressure/memory", "");
    CHECK_EQ(memory_stall(), 0);
    remove_root();
}
