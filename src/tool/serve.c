/* arca serve: OpenMetrics over HTTP, for a scraper. */
#include "tool/http.h"
#include "tool/samples.h"
#include "tool/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* The reason is the tool's own words, but for a name in it. */
static void write_quoted(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
}

static void write_left_out(FILE *file, const struct samples *samples)
{
    fputs("# TYPE arca_left_out gauge\n# HELP arca_left_out A process on Arca of which there are no figures, and why.\n", file);
    for (size_t i = 0; i < samples->left_out_count; i++) {
        const struct left_out *one = &samples->left_out[i];
        fprintf(file, "arca_left_out{pid=\"%d\",command=\"%s\",reason=\"", one->pid, one->name);
        write_quoted(file, one->why);
        fputs("\"} 1\n", file);
    }
    fprintf(file, "# TYPE arca_unreached gauge\n# HELP arca_unreached Processes for which there was no time.\narca_unreached %zu\n",
            samples->unreached);
}

static char *make_metrics(size_t *length)
{
    static struct samples samples; /* remembers who is not worth a look */
    char *text = NULL;
    samples_take(&samples, NULL, 0);
    struct figures_process *processes = calloc(samples.count + 1, sizeof *processes);
    char(*labels)[128] = calloc(samples.count + 1, sizeof *labels);
    FILE *file = open_memstream(&text, length);
    if (processes != NULL && labels != NULL && file != NULL) {
        for (size_t i = 0; i < samples.count; i++) {
            snprintf(labels[i], sizeof labels[i], "pid=\"%d\",command=\"%s\"", samples.items[i].pid, samples.items[i].name);
            processes[i] = (struct figures_process){ &samples.items[i].figures, labels[i] };
        }
        write_left_out(file, &samples);
        figures_write_metrics(processes, samples.count, print_line, file);
    }
    if (file != NULL)
        fclose(file);
    free(processes);
    free(labels);
    return text;
}

static char *make_answer(const char *status, const char *type, const char *body, size_t body_length, size_t *length)
{
    char head[256];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                     type, body_length);
    char *text = malloc((size_t)n + body_length);
    if (text == NULL)
        return NULL;
    memcpy(text, head, (size_t)n);
    memcpy(text + n, body, body_length);
    *length = (size_t)n + body_length;
    return text;
}

static char *answer_request(const char *request, size_t *length)
{
    static const char wrong_method[] = "only GET is answered\n", wrong_path[] = "the figures are at /metrics\n";
    bool get = strncmp(request, "GET ", 4) == 0;
    size_t path = get ? strcspn(request + 4, " ?") : 0;
    if (!get)
        return make_answer("405 Method Not Allowed", "text/plain", wrong_method, sizeof wrong_method - 1, length);
    if (path != 8 || strncmp(request + 4, "/metrics", 8) != 0)
        return make_answer("404 Not Found", "text/plain", wrong_path, sizeof wrong_path - 1, length);
    size_t metrics_length = 0;
    char *metrics = make_metrics(&metrics_length);
    char *text = metrics != NULL ? make_answer("200 OK", CONTENT_TYPE, metrics, metrics_length, length) : NULL;
    free(metrics);
    return text;
}

int run_serve(const struct command *command, int argc, char **argv)
{
    const char *address = "127.0.0.1:9412";
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--listen") != 0)
            return complain_usage(command, "'%s' is no option", argv[i]);
        if (++i == argc)
            return complain_usage(command, "--listen without an address");
        address = argv[i];
    }
    int listener = http_listen(address);
    if (listener < 0 && errno == EINVAL)
        return complain_usage(command, "'%s' is no address and port", address);
    if (listener < 0)
        return complain("serve: %s: %s", address, strerror(errno));
    int host = (int)(strrchr(address, ':') - address);
    bool bare = address[0] != '[' && memchr(address, ':', (size_t)host) != NULL; /* of IPv6, which a URL has in brackets */
    printf("http://%s%.*s%s:%u/metrics\n", bare ? "[" : "", host, address, bare ? "]" : "", http_port(listener));
    fflush(stdout);
    http_serve(listener, answer_request);
    return complain("serve: %s", strerror(errno));
}
