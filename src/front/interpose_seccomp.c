/*
 * prctl and syscall, by which a process puts itself under a filter of system calls.
 *
 * Such a filter is made for the calls that the program knows of, and often ends it at any other.  OpenSSH, Tor and many more
 * confine themselves so once they have started, and would end when a burst of memory makes Arca start its thread.  No call
 * that asks whether there is a filter is safe to make under one.  So the way into one is watched: programs and libraries
 * (libseccomp too) go it by these two.
 *
 * Arca's thread makes way for a filter of all threads.  It waits by the clock, and a wait of a process that is stopped and goes on is
 * taken up by a call that no program knows of, restart_syscall.
 *
 * A filter that was there before the program, of a container or a service manager, is not noticed.
 */
#include "base/compiler.h"
#include "base/os.h"
#include "front/background.h"
#include "front/process.h"

#include <errno.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* libc's syscall(), below: as that, it leaves the stack to whoever calls clone() by it. */
__attribute__((visibility("hidden"))) long call_kernel(long number, ...);

__attribute__((used)) static long call_failed(long result)
{
    errno = (int)-result;
    return -1;
}

/* Confined before the call: after it is too late.  Programs ask whether there are filters by calls that fail, most without a filter
 * (third), for which nobody has to wait.  made: the largest result of one that made something. */
static long call_that_confines(long number, long first, long second, long third, long made, bool alone)
{
    process_after_fork(); /* it would wait for calls of the parent's threads */
    bool paused = third != 0 && !alone && background_pause();
    bool confined = third != 0 && os_confine(alone);
    long result = call_kernel(number, first, second, third, 0L, 0L);
    if (confined)
        os_confine_end(alone, result >= 0 && result <= made);
    int error = errno;
    if (paused)
        background_resume();
    errno = error;
    return result;
}

__attribute__((used)) static long call_seccomp(long number, long operation, long flags, long argument)
{
    if ((unsigned)operation == SECCOMP_SET_MODE_FILTER) /* a listener's descriptor; or the thread that would not */
        return call_that_confines(number, operation, flags, argument,
                                  flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? INT_MAX : 0, !(flags & SECCOMP_FILTER_FLAG_TSYNC));
    return call_kernel(number, operation, flags, argument, 0L, 0L);
}

__attribute__((visibility("default"))) int prctl(int option, ...)
{
    long arguments[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (option == PR_SET_SECCOMP && arguments[0] == SECCOMP_MODE_FILTER)
        return (int)call_that_confines(SYS_prctl, PR_SET_SECCOMP, arguments[0], arguments[1], 0, true);
    return (int)call_kernel(SYS_prctl, (long)option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

_Static_assert(SYS_seccomp == 317 && SYS_unshare == 272 && SYS_setns == 308, "the comparisons below");

__asm__(".text\n"
        ".globl syscall\n"
        ".globl call_kernel\n"
        ".hidden call_kernel\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "    .cfi_startproc\n"
        "    cmp $317, %rdi\n"
        "    je call_seccomp\n"
        "    cmp $272, %rdi\n"
        "    je call_namespace\n"
        "    cmp $308, %rdi\n"
        "    je call_namespace\n"
        "call_kernel:\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        "    mov %r9, %r8\n"
        "    mov 8(%rsp), %r9\n"
        "    syscall\n"
        "    mov %rax, %rdi\n"
        "    cmp $-4095, %rax\n"
        "    jae call_failed\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size syscall, . - syscall\n");
