/* The verbs, and the socket of this process: another one after a fork. */
#include "front/control.h"

#include "arca/arca.h"
#include "base/log.h"
#include "base/options.h"
#include "base/os.h"
#include "front/background.h"
#include "heap/watch.h"

#include <errno.h>
#include <string.h>

#define REQUEST_BYTES 1024

/* Of the background thread; at exit of who exits. */
static struct os_listener control_listener = { .fd = -1 };
static _Atomic unsigned control_owner; /* the process that it is bound in */
static char control_path[OPTION_TEXT_MAX];
static bool control_complained;
static uint32_t control_failed_ms; /* when, with control_complained */

/* Another process may have the path for as long as it runs: it is not to be disturbed at each round. */
#define RETRY_MS 10000

/* ---- verbs ------------------------------------------------------------------------------------------------------- */

void control_answer(int connection, const char *line)
{
    os_send(connection, line, strlen(line));
    os_send(connection, "\n", 1);
}

static void answer_trim(int connection, const char *arguments)
{
    (void)arguments;
    char line[REQUEST_BYTES];
    log_format(line, sizeof line, "ok %zu", background_round(0));
    control_answer(connection, line);
}

/* Asks the collector's thread: this one can not run objects' functions. */
static void answer_gc(int connection, const char *arguments)
{
    (void)arguments;
    if (!load_rlx(&watch_figures.loaded)) {
        control_answer(connection, "error libarcagc is not loaded");
    } else if (load_rlx(&watch_call) & WATCH_CALL_START) {
        control_answer(connection, "error there is no thread that collects: no object was made yet, or collector=inline");
    } else {
        store_rlx(&watch_wanted, true);
        watch_ring();
        control_answer(connection, "ok");
    }
}

static void answer_written(int connection, int error)
{
    char line[REQUEST_BYTES];
    log_format(line, sizeof line, "error it can not write the file: %s", os_error_text(error));
    control_answer(connection, error == 0 ? "ok" : line);
}

/* "live PATH" or "peak PATH": this process writes the file itself, as its own user. */
static void answer_prof(int connection, const char *arguments)
{
    bool peak = strncmp(arguments, "peak ", 5) == 0;
    if (options.profile == 0)
        control_answer(connection, "error no profile is taken: start it with profile=512k");
    else if (!peak && strncmp(arguments, "live ", 5) != 0)
        control_answer(connection, "error want prof live|peak PATH");
    else if (!os_is_own_user())
        control_answer(connection, "error it has changed its user since it started, and the thread that would write the file has not: start it as that user");
    else
        answer_written(connection, arca_profile_dump(arguments + 5, peak ? ARCA_PROFILE_PEAK : ARCA_PROFILE_LIVE) == 0 ? 0 : errno);
}

static const struct control_verb verbs[] = {
    { "trim", answer_trim },
    { "gc", answer_gc },
    { "prof", answer_prof },
};

void control_serve(int connection)
{
    char line[REQUEST_BYTES];
    if (os_receive_line(connection, line, sizeof line) < 0)
        return;
    size_t length = strcspn(line, " ");
    const char *arguments = line + length + (line[length] == ' ');
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(verbs); i++) {
        if (strncmp(line, verbs[i].name, length) == 0 && verbs[i].name[length] == '\0') {
            verbs[i].run(connection, arguments);
            return;
        }
    }
    control_answer(connection, "error the library in this process knows no such request");
}

/* ---- the socket -------------------------------------------------------------------------------------------------- */

static const char *listen_error(int error)
{
    return error == EINVAL       ? "this is no absolute path"
           : error == EADDRINUSE ? "another process does"
           : error == EEXIST     ? "there is something else, which is not taken away"
                                 : os_error_text(error);
}

static void open_socket(void)
{
    bool forked = load_rlx(&control_owner) != os_process_id();
    if (!forked && (os_listener_is_open(&control_listener) || (control_complained && os_now_ms() - control_failed_ms < RETRY_MS)))
        return;
    os_listener_close(&control_listener); /* a child's copy of its parent's */
    int error = options_expand(options.control, control_path, sizeof control_path) ? os_listen(&control_listener, control_path) : ENAMETOOLONG;
    if (error != 0) {
        if (!control_complained)
            log_line("control=%s: can not listen at %s: %s", options.control, control_path, listen_error(error));
        control_complained = true;
        control_failed_ms = os_now_ms();
        return;
    }
    store_rlx(&control_owner, os_process_id());
}

/* False without a socket. */
static bool serve_socket(uint32_t timeout_ms)
{
    open_socket();
    if (control_listener.fd < 0)
        return false;
    int connection = os_listener_wait(&control_listener, timeout_ms);
    if (connection >= 0) {
        control_serve(connection);
        os_close(connection);
    }
    return true;
}

/* A process that is confined is not to be asked for anything. */
static void control_wait(uint32_t timeout_ms)
{
    static _Atomic uint32_t never;
    bool served = false;
    if (os_rare_begin()) {
        served = serve_socket(timeout_ms);
        os_rare_end();
    }
    if (!served)
        os_wait(&never, 0, timeout_ms);
}

/* After the options are read, and before the program's own constructors. */
__attribute__((constructor(102))) static void control_construct(void)
{
    if (options.control[0] == '\0')
        return;
    if (options.background)
        background_serve(control_wait);
    else
        log_line("control=%s: there is no background thread to answer (background=off)", options.control);
}

__attribute__((destructor(101))) static void control_destruct(void)
{
    if (load_rlx(&control_owner) == 0 || !os_rare_begin())
        return;
    if (load_rlx(&control_owner) == os_process_id())
        os_unlink(control_path);
    os_rare_end();
}
