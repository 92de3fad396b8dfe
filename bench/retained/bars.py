"""The bars: what the retained-memory workloads must and should show. The only place that states them.

A bar is (workload, kind, quantity, limit); a result meets it when the quantity is at most the limit. Quantities:
    retained@S   (RSS - baseline) / (peak - baseline) in percent, S seconds after the last free
    peak         (peak - baseline) / most bytes that were alive
    mappings     mappings of the process 5 s after the last free
    wakeups      times any thread woke between 6 and 8 s after the last free (quiet mode)
    disturbed    times a thread of the program woke between 0.1 and 5 s (quiet mode): threads stay asleep
"""

from dataclasses import dataclass

READINGS = (0.1, 1.0, 1.5, 2.0, 5.0)  # seconds after the last free
WORKLOADS = ("load_and_drop", "thread_burst", "idle_threads", "cross_thread", "survivors_1", "survivors_0.1",
             "size_shift", "large_buffers")
# Traffic in one thread, or wakings of all, may move a retained figure by so many points.
MODE_POINTS = {"quiet": 0.0, "light": 2.0, "waking": 2.0}
# The bars are for full size. A smaller burst shrinks what threads hold, but not what each caches while it runs: with
# 2 MB a thread (a tenth) those caches weigh ten times as much, which the peak of the workload with most threads shows.
SMALL_PEAK_POINTS = 2.0  # hundredths of the ratio, times (1 / scale - 1)
SMALL_PEAK_WORKLOAD = "thread_burst"


@dataclass(frozen=True)
class Bar:
    workload: str
    kind: str  # "must" or "aim"
    quantity: str
    limit: float

    def text(self):
        if self.quantity.startswith("retained@"):
            return f"retained at {self.quantity[9:]} s <= {self.limit:g} %"
        if self.quantity == "peak":
            return f"peak <= {self.limit:.2f}x live"
        return f"{self.quantity} <= {self.limit:g}"


BARS = (
    Bar("load_and_drop", "must", "retained@1.5", 2),
    Bar("load_and_drop", "must", "retained@5.0", 0.5),
    Bar("load_and_drop", "aim", "retained@1.0", 1),
    Bar("thread_burst", "must", "retained@1.5", 2),
    Bar("thread_burst", "must", "peak", 1.2),
    Bar("thread_burst", "aim", "retained@1.0", 1),
    Bar("idle_threads", "must", "retained@1.5", 2),
    Bar("idle_threads", "aim", "retained@5.0", 0.5),
    Bar("idle_threads", "aim", "disturbed", 0),
    Bar("cross_thread", "must", "retained@1.5", 3),
    Bar("cross_thread", "aim", "retained@1.0", 1),
    Bar("survivors_1", "must", "retained@2.0", 27),
    Bar("survivors_1", "aim", "retained@5.0", 12),
    Bar("survivors_1", "aim", "mappings", 16000),
    Bar("survivors_0.1", "must", "retained@2.0", 4),
    Bar("survivors_0.1", "aim", "retained@5.0", 2),
    Bar("size_shift", "must", "peak", 1.10),
    Bar("size_shift", "must", "retained@1.5", 1),
    Bar("size_shift", "aim", "peak", 1.03),
    Bar("large_buffers", "must", "retained@2.0", 2),
    Bar("large_buffers", "must", "peak", 1.35),
    Bar("large_buffers", "aim", "peak", 1.2),
    *(Bar(workload, "must", "wakeups", 0) for workload in WORKLOADS),
)


def quantity(result, name):
    """The measured value, or None where the mode does not measure it."""
    if name.startswith("retained@"):
        return result["retained"][name[9:]]
    return result[name]


def judge(result, margin=0.0):
    """[(bar, value, met)] for one result. The margin: points on percentages, hundredths on ratios; counts have none."""
    verdicts = []
    for bar in BARS:
        value = quantity(result, bar.quantity) if bar.workload == result["workload"] else None
        if value is None:
            continue
        slack = 0.0
        if bar.quantity.startswith("retained@"):
            slack = margin + MODE_POINTS[result["mode"]]
        elif bar.quantity == "peak":
            slack = margin / 100
            if bar.workload == SMALL_PEAK_WORKLOAD:
                slack += SMALL_PEAK_POINTS / 100 * (1 / result["scale"] - 1)
        verdicts.append((bar, value, value <= bar.limit + slack))
    return verdicts
