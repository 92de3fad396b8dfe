/* arca trim, arca gc, arca prof: what a process does when it is asked, and what came of it. */
#include "tool/snapshot.h"
#include "tool/tool.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SECONDS 60
#define COLLECTION_POLLS 600
#define POLL_MS 100
#define PATH_BYTES 900 /* a request is a line of 1024 bytes at most */

struct target {
    struct process process;
    struct stats_page page;
    struct snapshot before, after;
};

/* The process' number as it sees it itself: another one in a container. */
static int own_number(const struct process *process)
{
    char text[4096];
    const char *at = process_file(process, "status", text, sizeof text) ? strstr(text, "NSpid:") : NULL;
    int number = process->pid, length;
    for (at = at != NULL ? at + 6 : ""; sscanf(at, "%d%n", &number, &length) == 1 && *at != '\n';)
        at += length;
    return number;
}

/* As the process itself makes it from the option. */
static bool socket_path(const struct process *process, const char *option, char *path, size_t capacity)
{
    size_t length = 0;
    int number = own_number(process);
    for (const char *at = option; *at != '\0' && length + 12 < capacity; at++) {
        if (at[0] == '%' && at[1] == 'p') {
            length += (size_t)snprintf(path + length, capacity - length, "%d", number);
            at++;
        } else {
            at += at[0] == '%' && at[1] == '%';
            path[length++] = *at;
        }
    }
    path[length] = '\0';
    return length != 0;
}

/* -1 with errno. */
static int connect_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = ANSWER_SECONDS };
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof address) == 0)
        return connection;
    int error = errno;
    close(connection);
    errno = error;
    return -1;
}

/* In the files of a container, or in ours: the process may have changed its root since it has bound the socket. */
static int connect_in_root(const struct process *process, const char *path)
{
    char root[OPTION_TEXT_MAX + 96];
    snprintf(root, sizeof root, "/proc/%d/root%s", process->pid, path);
    int connection = connect_at(root);
    return connection < 0 && (errno == ENOENT || errno == ENAMETOOLONG) ? connect_at(path) : connection;
}

/* One that has been stopped would be waited for in vain. */
static bool is_stopped(const struct process *process)
{
    char text[512], *name_end;
    return process_file(process, "stat", text, sizeof text) && (name_end = strrchr(text, ')')) != NULL && strchr("tT", name_end[2]) != NULL;
}

/* -1 with the reason in why. */
static int connect_to(struct process *process, const struct snapshot *snapshot)
{
    struct ucred peer = { .pid = 0 };
    socklen_t size = sizeof peer;
    char option[OPTION_TEXT_MAX], path[128];
    memcpy(option, snapshot->options.control, sizeof option);
    option[sizeof option - 1] = '\0';
    if (!socket_path(process, option, path, sizeof path)) {
        snprintf(process->why, sizeof process->why, "process %d (%s) has no control socket: start it with control=/path/%%p.sock",
                 process->pid, process->name);
        return -1;
    }
    if (is_stopped(process)) {
        snprintf(process->why, sizeof process->why, "process %d (%s) is stopped, and can not answer before it goes on (kill -CONT %d)",
                 process->pid, process->name, process->pid);
        return -1;
    }
    int connection = path[0] == '/' ? connect_in_root(process, path) : -1;
    if (connection < 0) {
        snprintf(process->why, sizeof process->why, "process %d (%s) does not listen at %s: %s", process->pid, process->name, path,
                 path[0] == '/' ? strerror(errno) : "this is no absolute path");
    } else if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid != process->pid) {
        snprintf(process->why, sizeof process->why, "%s is the socket of process %d, not of %d", path, (int)peer.pid, process->pid);
        close(connection);
        connection = -1;
    }
    return connection;
}

/* The answer, without its end; false with the reason in why. */
static bool ask(struct process *process, const struct snapshot *snapshot, const char *request, char *reply, size_t capacity)
{
    size_t length = 0;
    ssize_t n = 0;
    int connection = connect_to(process, snapshot);
    if (connection < 0)
        return false;
    bool sent = send(connection, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request);
    while (sent && length + 1 < capacity && (n = recv(connection, reply + length, capacity - 1 - length, 0)) > 0)
        length += (size_t)n;
    bool late = n < 0 && errno == EAGAIN;
    close(connection);
    reply[length] = '\0';
    reply[strcspn(reply, "\n")] = '\0';
    if (strncmp(reply, "ok", 2) == 0)
        return true;
    snprintf(process->why, sizeof process->why, "process %d (%s): %s", process->pid, process->name,
             strncmp(reply, "error ", 6) == 0 ? reply + 6 : late ? "it has not answered for a minute" : "it did not answer");
    return false;
}

static bool open_target(struct target *target, int pid)
{
    memset(target, 0, sizeof *target);
    return process_open_named(&target->process, pid) && snapshot_find_page(&target->process, &target->page, NULL) &&
           snapshot_take(&target->process, &target->page, &target->before);
}

static int close_target(struct target *target, bool done)
{
    snapshot_free(&target->before);
    snapshot_free(&target->after);
    process_close(&target->process);
    return done ? STATUS_DONE : complain("%s", target->process.why);
}

static bool take_after(struct target *target)
{
    snapshot_free(&target->after);
    return snapshot_take(&target->process, &target->page, &target->after);
}

static void print_difference(const char *name, size_t before, size_t after)
{
    printf("%-9s %15zu %15zu %+15lld\n", name, before, after, (long long)after - (long long)before);
}

static void print_both(const struct target *target)
{
    const struct arca_stats *before = &target->before.figures.stats, *after = &target->after.figures.stats;
    printf("%-9s %15s %15s %15s\n", "bytes", "before", "after", "difference");
    print_difference("resident", before->resident, after->resident);
    print_difference("live", before->live, after->live);
    print_difference("slack", before->slack, after->slack);
    print_difference("cached", before->cached, after->cached);
    print_difference("dirty", before->dirty, after->dirty);
    print_difference("meta", before->meta, after->meta);
}

int run_trim(const struct command *command, int argc, char **argv)
{
    static struct target target;
    char reply[256];
    int pid;
    if (!parse_one_pid(command, argc, argv, &pid))
        return STATUS_USAGE;
    bool done = open_target(&target, pid) && ask(&target.process, &target.before, "trim\n", reply, sizeof reply) && take_after(&target);
    if (done)
        print_both(&target);
    return close_target(&target, done);
}

/* ---- gc ------------------------------------------------------------------------------------------------------------ */

static uint64_t full_collections(const struct snapshot *snapshot)
{
    return load_rlx(&snapshot->figures.collector.generations[WATCH_GENERATIONS - 1].collections);
}

/* The collector's thread does it when it comes to it; one that was under way does not count. */
static bool wait_for_collection(struct target *target)
{
    struct timespec rest = { .tv_nsec = POLL_MS * 1000000 };
    for (unsigned i = 0; i < COLLECTION_POLLS; i++) {
        if (!take_after(target))
            return false;
        if (full_collections(&target->after) > full_collections(&target->before))
            return true;
        nanosleep(&rest, NULL);
    }
    snprintf(target->process.why, sizeof target->process.why, "process %d (%s): no collection has ended after a minute",
             target->process.pid, target->process.name);
    return false;
}

int run_gc(const struct command *command, int argc, char **argv)
{
    static struct target target;
    char reply[256];
    int pid;
    if (!parse_one_pid(command, argc, argv, &pid))
        return STATUS_USAGE;
    bool done = open_target(&target, pid) && ask(&target.process, &target.before, "gc\n", reply, sizeof reply) && wait_for_collection(&target);
    if (done) {
        const struct watch_generation *before = &target.before.figures.collector.generations[WATCH_GENERATIONS - 1];
        const struct watch_generation *after = &target.after.figures.collector.generations[WATCH_GENERATIONS - 1];
        printf("%lu objects freed in %lu ms\n", (unsigned long)(load_rlx(&after->collected) - load_rlx(&before->collected)),
               (unsigned long)(load_rlx(&after->microseconds) - load_rlx(&before->microseconds)) / 1000);
        print_both(&target);
    }
    return close_target(&target, done);
}

/* ---- prof ---------------------------------------------------------------------------------------------------------- */

/* As the process, which may work elsewhere, will find it. */
static bool absolute_path(const char *file, char *path, size_t capacity)
{
    char here[PATH_BYTES];
    int length = -1;
    if (file[0] == '/')
        length = snprintf(path, capacity, "%s", file);
    else if (file[0] != '\0' && getcwd(here, sizeof here) != NULL)
        length = snprintf(path, capacity, "%s/%s", here, file);
    return length > 0 && (size_t)length < capacity && strchr(path, '\n') == NULL;
}

struct wanted {
    int pid;
    const char *file;
    bool peak;
};

/* STATUS_USAGE once it has complained. */
static int parse_prof(const struct command *command, int argc, char **argv, struct wanted *wanted)
{
    char *words[2] = { NULL };
    int count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--peak") == 0)
            wanted->peak = true;
        else if (argv[i][0] == '-')
            return complain_usage(command, "'%s' is no option", argv[i]);
        else if (count == 2)
            return complain_usage(command, "'%s' is one word too many", argv[i]);
        else
            words[count++] = argv[i];
    }
    if (!parse_one_pid(command, count == 0 ? 0 : 1, words, &wanted->pid))
        return STATUS_USAGE;
    if (count == 1)
        return complain_usage(command, "no file");
    wanted->file = words[1];
    return STATUS_DONE;
}

int run_prof(const struct command *command, int argc, char **argv)
{
    static struct target target;
    char request[PATH_BYTES + 16], path[PATH_BYTES], reply[256];
    struct wanted wanted = { .peak = false };
    int status = parse_prof(command, argc, argv, &wanted);
    if (status != STATUS_DONE)
        return status;
    if (!absolute_path(wanted.file, path, sizeof path))
        return complain_usage(command, "'%s' is no path that can be sent", wanted.file);
    snprintf(request, sizeof request, "prof %s %s\n", wanted.peak ? "peak" : "live", path);
    bool done = open_target(&target, wanted.pid) && ask(&target.process, &target.before, request, reply, sizeof reply);
    if (done)
        printf("%s is written; google-pprof --text /proc/%d/exe %s shows it\n", path, wanted.pid, path);
    return close_target(&target, done);
}
