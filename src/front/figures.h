/*
 * All figures of a process, and how they are written: one writer for each form, for this process and for another.
 */
#ifndef ARCA_FRONT_FIGURES_H
#define ARCA_FRONT_FIGURES_H

#include "arca/arca.h"
#include "base/stats.h"
#include "heap/usage.h"
#include "heap/watch.h"

struct figures {
    struct arca_stats stats;
    struct usage_class classes[SIZE_CLASSES];
    struct watch_figures collector;
};

/* From what was added up, what was counted and what the collector says; all of it now: who adds up by turns sets stats.age_ms. */
void figures_make(struct figures *figures, const struct usage *usage, size_t mapped, const struct stats *counted,
                  const struct watch_figures *collector);

/* A line at a time, without its end; no allocation. */
typedef void figures_line(void *context, const char *text);

void figures_write_text(const struct figures *figures, figures_line *line, void *context);
/* One JSON object. */
void figures_write_json(const struct figures *figures, unsigned pid, figures_line *line, void *context);

/* OpenMetrics of several processes, each with its labels (`pid="1",command="x"`), to the end mark. */
struct figures_process {
    const struct figures *figures;
    const char *labels;
};
void figures_write_metrics(const struct figures_process *processes, size_t count, figures_line *line, void *context);

#endif
