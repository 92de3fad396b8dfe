/*
 * dlopen without RTLD_DEEPBIND.
 *
 * A library that is opened so finds libc's own malloc and free before those of the program.  libc's functions that
 * return blocks (getline, strdup, realpath) have theirs from the program's malloc all the same, so that the library
 * passes them to the wrong free: PHP loads its extensions so and dies.  Without the flag the names mean in the library
 * what they mean everywhere.
 *
 * libc takes the library that calls it from the return address, for its RUNPATH and $ORIGIN.  So the call must not be
 * one of ours: a jump leaves the caller's return address where it was.
 */
#include "base/compiler.h"
#include "base/log.h"

#include <dlfcn.h>

_Static_assert(RTLD_DEEPBIND == 8, "the mask below");

/* Asked again each time: it is nothing beside what follows, and needs no state. */
__attribute__((used)) static void *next_dlopen(void)
{
    void *next = dlsym(RTLD_NEXT, "dlopen");
    if (next == NULL)
        log_abort("dlopen(): no libc to pass it to");
    return next;
}

__asm__(".text\n"
        ".globl dlopen\n"
        ".type dlopen, @function\n"
        "dlopen:\n"
        "    .cfi_startproc\n"
        "    push %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    push %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    sub $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call next_dlopen\n"
        "    add $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    pop %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    and $-9, %esi\n"
        "    jmp *%rax\n"
        "    .cfi_endproc\n"
        ".size dlopen, . - dlopen\n");
