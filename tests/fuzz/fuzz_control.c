/* Requests on the control socket of any text, in any parts: one that came whole is answered by a line, and by one only. */
#include "input.h"

#include "harness.h"

#include "front/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PART_END 0xff
#define ANSWER_BYTES 4096

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

/* A part is what one receive finds. */
static void send_parts(int to, const uint8_t *bytes, size_t size)
{
    for (size_t from = 0; from < size;) {
        const uint8_t *end = memchr(bytes + from, PART_END, size - from);
        size_t length = (end != NULL ? (size_t)(end - bytes) : size) - from;
        if (length != 0 && send(to, bytes + from, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return;
        from += length + 1;
    }
}

/* Without its end. */
static size_t receive_answer(int from, char *answer)
{
    size_t length = 0;
    ssize_t n;
    while (length < ANSWER_BYTES - 1 && (n = recv(from, answer + length, ANSWER_BYTES - 1 - length, MSG_DONTWAIT)) > 0)
        length += (size_t)n;
    answer[length] = '\0';
    return length;
}

static void expect_one_line(const char *answer, size_t length)
{
    if (length == 0) /* to what was no request */
        return;
    if ((strncmp(answer, "ok", 2) != 0 && strncmp(answer, "error ", 6) != 0) || strchr(answer, '\n') != answer + length - 1)
        harness_fail_now(__FILE__, __LINE__, "an answer: %s", answer);
}

/* No profile is taken here, so that none is written anywhere. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char answer[ANSWER_BYTES];
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    send_parts(ends[0], bytes, size);
    shutdown(ends[0], SHUT_WR);
    control_serve(ends[1]);
    expect_one_line(answer, receive_answer(ends[0], answer));
    close(ends[0]);
    close(ends[1]);
    return 0;
}
