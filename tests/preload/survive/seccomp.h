/* A seccomp filter by hand: one system call (or thread creation by clone) answers an errno from now on, in this process and its
   children. */
#ifndef PRELOAD_SECCOMP_H
#define PRELOAD_SECCOMP_H

#include "check.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void install_filter(struct sock_filter *code, size_t length)
{
    struct sock_fprog program = {(unsigned short)length, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        SKIP("the kernel refuses seccomp filters here (%s): run on a kernel with CONFIG_SECCOMP_FILTER", strerror(errno));
}

#define LOAD_CALL BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define UNLESS_CALL(number, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (skip))
#define ANSWER(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

__attribute__((unused)) static void deny_call(unsigned number, unsigned error)
{
    struct sock_filter code[] = {LOAD_CALL, UNLESS_CALL(number, 1), ANSWER(error), ALLOW};
    install_filter(code, ARRAY_LENGTH(code));
    errno = 0;
    CHECK(syscall((long)number, -1L, -1L, -1L, -1L, -1L, -1L) == -1 && errno == (int)error, "(the filter does not work)");
}

/* New processes may be made, new threads not; clone3 is said not to exist, for its flags lie in memory. */
__attribute__((unused)) static void deny_threads(void)
{
    struct sock_filter code[] = {
        LOAD_CALL,
        UNLESS_CALL(__NR_clone3, 1),
        ANSWER(ENOSYS),
        UNLESS_CALL(__NR_clone, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
        ANSWER(EAGAIN),
        ALLOW,
    };
    install_filter(code, ARRAY_LENGTH(code));
}

#endif
