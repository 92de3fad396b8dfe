"""RSS over time, drawn twice from the same recordings: as text for the terminal and as an SVG file."""

import html
import math

EIGHTHS = " ▁▂▃▄▅▆▇█"
MB = 1e6
# Per series, by place: the system malloc, Arca, and (where there is one) what the program ships with.
ANSI = ("\x1b[38;5;173m", "\x1b[38;5;42m", "\x1b[38;5;110m")
COLOURS = ("#d9703c", "#12a67c", "#5b8dd6")
DIM, RESET = "\x1b[2m", "\x1b[0m"


def columns(samples, start, end, count):
    """The highest value in each of count equal stretches of time; a stretch without a sample keeps the one before."""
    heights, index, last = [], 0, None
    for column in range(count):
        edge = start + (end - start) * (column + 1) / count
        highest = None
        while index < len(samples) and samples[index][0] < edge:
            last = samples[index][1]
            highest = last if highest is None else max(highest, last)
            index += 1
        heights.append(last if highest is None else highest)
    return heights


def span(recordings):
    return min(r.samples[0][0] for r in recordings), min(r.samples[-1][0] for r in recordings)


def round_up(value):
    step = 10 ** math.floor(math.log10(value)) / 2
    return math.ceil(value / step) * step


def _cell(row, rows, top, heights, paint):
    """One character: Arca's solid area in front of the system malloc's shade, dots for the third."""
    system, arca, *third = (None if h is None else h / top * rows for h in heights)
    if arca is not None and arca >= row + 0.06:
        return paint(EIGHTHS[min(8, max(1, round((arca - row) * 8)))], 1)
    if third and third[0] is not None and row <= third[0] < row + 1:
        return paint("•", 2)
    if system is not None and system >= row + 0.5:
        return paint("░", 0)
    return " "


def terminal(title, recordings, width, rows=11, colour=True):
    """recordings: the system malloc, Arca, and perhaps a third. Returns lines."""
    def paint(text, place):
        return f"{ANSI[place]}{text}{RESET}" if colour else text

    def dim(text):
        return f"{DIM}{text}{RESET}" if colour else text

    start, end = span(recordings)
    top = round_up(max(r.peak for r in recordings) / MB) * MB
    count = width - 10
    heights = list(zip(*(columns(r.samples, start, end, count) for r in recordings)))
    keys = "   ".join(paint(f"{mark} {r.allocator}", place)
                      for place, (mark, r) in enumerate(zip("░█•", recordings)))
    lines = [f"  {title}    {keys}"]
    for row in reversed(range(rows)):
        label = f"{top * (row + 1) / rows / MB:5.0f} MB" if row in (rows - 1, rows // 2) else " " * 8
        lines.append(dim(label + " │") + "".join(_cell(row, rows, top, column, paint) for column in heights))
    axis, labels = ["─"] * count, [" "] * (count + 8)
    # The drop is labelled first, then outwards from it: a label that would touch another is left out.
    for second in sorted(range(math.ceil(start), math.floor(end) + 1), key=abs):
        place = min(count - 1, int((second - start) / (end - start) * count))
        axis[place] = "┼" if second == 0 else "┴"
        text = "drop" if second == 0 else f"{second:+d} s"
        left = max(0, place - len(text) // 2)
        if not "".join(labels[max(0, left - 1):left + len(text) + 1]).strip():
            labels[left:left + len(text)] = text
    lines.append(dim("         └" + "".join(axis)))
    lines.append(dim("          " + "".join(labels).rstrip()))
    return lines


def _path(samples, x, y):
    """A polyline thinned to what can be seen: one point a pixel of time, plus the ends."""
    points, last = [], -10.0
    for at, size in samples:
        if x(at) - last >= 1 or at == samples[-1][0]:
            points.append(f"{x(at):.1f},{y(size):.1f}")
            last = x(at)
    return " ".join(points)


def _panel(title, recordings, offset):
    width, height, left, right = 860, 250, 70, 190
    start, end = span(recordings)
    top = round_up(max(r.peak for r in recordings) / MB) * MB
    x = lambda at: left + (at - start) / (end - start) * (width - left - right)
    y = lambda size: offset + 46 + (1 - size / top) * (height - 90)
    floor = y(0)
    out = [f'<text class="title" x="{left}" y="{offset + 26}">{html.escape(title)}</text>']
    for part in range(5):
        size = top * part / 4
        out.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(size):.1f}" y2="{y(size):.1f}"/>'
                   f'<text class="tick" text-anchor="end" x="{left - 8}" y="{y(size) + 4:.1f}">{size / MB:.0f} MB</text>')
    for second in range(math.ceil(start), math.floor(end) + 1):
        text = "drop" if second == 0 else f"{second:+d} s"
        out.append(f'<text class="tick" text-anchor="middle" x="{x(second):.1f}" y="{floor + 20:.1f}">{text}</text>')
    out.append(f'<line class="drop" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{y(top):.1f}" y2="{floor:.1f}"/>')
    label_floor = None
    order = sorted(range(len(recordings)), key=lambda i: recordings[i].samples[-1][1])
    for place in (0, 2, 1):
        if place < len(recordings):
            seen = [sample for sample in recordings[place].samples if start <= sample[0] <= end]
            points = _path(seen, x, y)
            if place != 2:
                out.append(f'<polygon fill="{COLOURS[place]}" opacity="0.14" points="{x(seen[0][0]):.1f},{floor:.1f} {points} '
                           f'{x(seen[-1][0]):.1f},{floor:.1f}"/>')
            out.append(f'<polyline fill="none" stroke="{COLOURS[place]}" stroke-width="2" points="{points}"/>')
    for place in order:  # from the lowest curve up, pushed apart where two end at the same height
        recording = recordings[place]
        at = y(recording.samples[-1][1]) + 4
        at = at if label_floor is None else min(at, label_floor - 17)
        label_floor = at
        out.append(f'<text class="label" fill="{COLOURS[place]}" x="{width - right + 10}" y="{at:.1f}">'
                   f'{html.escape(recording.allocator)}: {recording.at[max(recording.at)] / MB:.0f} MB</text>')
    return "\n".join(out)


STYLE = """
svg { background: #ffffff; font-family: ui-sans-serif, system-ui, sans-serif; }
.title { font-size: 15px; font-weight: 600; fill: #222; } .label { font-size: 13px; font-weight: 600; }
.tick { font-size: 11px; fill: #777; } .grid { stroke: #ececec; } .drop { stroke: #999; stroke-dasharray: 3 4; }
@media (prefers-color-scheme: dark) {
  svg { background: #16181c; } .title { fill: #eee; } .tick { fill: #999; } .grid { stroke: #2b2f36; } .drop { stroke: #777; }
}
"""


def svg(panels):
    """panels: [(title, recordings)]."""
    height = 250 * len(panels)
    drawn = "\n".join(_panel(title, recordings, 250 * place) for place, (title, recordings) in enumerate(panels))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" width="860" height="{height}">\n'
            f"<style>{STYLE}</style>\n{drawn}\n</svg>\n")
