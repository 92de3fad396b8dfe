/* A child, a number to it, figures from it. */
#include "tool/look.h"

#include "base/os.h"
#include "tool/known.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the child ------------------------------------------------------------------------------------------------------- */

/* What has ended, or is about to, has no mappings. */
static bool has_ended(const struct process *process)
{
    char first[8];
    return !process_file(process, "maps", first, sizeof first) || first[0] == '\0';
}

static enum look_outcome look(struct process *process, struct known *known, struct look *answer)
{
    struct stats_page page;
    struct snapshot snapshot;
    if (!process_open(process, known->pid))
        return LOOK_ABSENT;
    if (!known_find_page(known, process, &page))
        return page.size != 0 && !has_ended(process) ? LOOK_FAILED : LOOK_ABSENT;
    if (page.arenas == NULL || page.collector == NULL) /* it is being loaded: the last of these is relocated last */
        return LOOK_ABSENT;
    bool done = known_take(known, process, &page, &snapshot);
    answer->figures = snapshot.figures;
    snapshot_free(&snapshot);
    return done ? LOOK_DONE : has_ended(process) ? LOOK_ABSENT : LOOK_FAILED;
}

/* Until the tool is gone.  A packet each way, which are all or nothing. */
static _Noreturn void look_when_asked(int channel)
{
    struct acquaintances all = { .items = NULL };
    struct known *known;
    int pid;
    while (recv(channel, &pid, sizeof pid, 0) == sizeof pid && (known = known_of(&all, pid)) != NULL) {
        struct look answer;
        struct process process;
        memset(&answer, 0, sizeof answer);
        answer.outcome = look(&process, known, &answer);
        if (answer.outcome == LOOK_ABSENT)
            known_leave(known);
        memcpy(answer.name, process.name, sizeof answer.name);
        memcpy(answer.why, process.why, sizeof answer.why);
        process_close(&process);
        if (send(channel, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
            break;
    }
    _exit(0);
}

/* ---- the tool -------------------------------------------------------------------------------------------------------- */

/* The tool's other descriptors are not kept open by it: a client would not be told the end. */
static _Noreturn void live_as_child(int channel)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(channel, 0);
    close_range(1, ~0u, 0);
    look_when_asked(0);
}

static bool start(struct looker *looker)
{
    int ends[2];
    if (looker->child != 0)
        return true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0)
        live_as_child(ends[1]);
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return false;
    }
    *looker = (struct looker){ child, ends[0] };
    return true;
}

/* It may take the kernel its time to end it: nobody waits for that, and those that have ended are gone with the next one. */
static void stop(struct looker *looker)
{
    kill(looker->child, SIGKILL);
    close(looker->channel);
    looker->child = 0;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static bool answers_in_time(int channel, uint64_t until_ms)
{
    for (;;) {
        uint64_t now_ms = os_clock_ms();
        struct pollfd ready = { .fd = channel, .events = POLLIN };
        int count = poll(&ready, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);
        if (count >= 0 || errno != EINTR)
            return count > 0;
    }
}

/* Where the child did not. */
static void name(struct look *look, int pid)
{
    struct process process = { .pid = pid };
    process_read_name(&process);
    memcpy(look->name, process.name, sizeof look->name);
}

void look_at(struct looker *looker, int pid, unsigned within_ms, struct look *look)
{
    uint64_t until_ms = os_clock_ms() + within_ms;
    look->outcome = LOOK_FAILED;
    snprintf(look->why, sizeof look->why, "process %d can not be looked at: there is nobody to do it", pid);
    if (!start(looker)) {
        name(look, pid);
        return;
    }
    if (send(looker->channel, &pid, sizeof pid, MSG_NOSIGNAL) == sizeof pid && !answers_in_time(looker->channel, until_ms)) {
        look->outcome = LOOK_SLOW;
        snprintf(look->why, sizeof look->why, "process %d takes too long to be looked at", pid);
        name(look, pid);
        stop(looker);
    } else if (recv(looker->channel, look, sizeof *look, 0) != sizeof *look) {
        name(look, pid);
        stop(looker);
    }
}
