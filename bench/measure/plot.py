"""Results as bars, in SVG that can be read on light and on dark ground."""

from html import escape
from statistics import median

from report import of

PANELS = (
    ("calls a second, 64 connections (more is better)", lambda turn: turn.calls_a_second, "{:,.0f}"),
    ("CPU µs a call (less is better)", lambda turn: turn.cpu_us, "{:.1f}"),
    ("p99 in ms at 1,000 calls a second (less is better)", lambda turn: turn.p99 / 1e3, "{:.2f}"),
)
LABELS, BARS, NUMBERS = 310, 430, 90
ROW, HEAD = 22, 44

STYLE = """
.ground { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.other { fill: #9aa4b0 }
.gateway { fill: #2f6fdb }
.range { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117 }
  text { fill: #e6edf3 }
  .other { fill: #6b7683 }
  .gateway { fill: #5b95f5 }
  .range { stroke: #e6edf3 }
}"""


def drawn(results):
    parts, y = [], 0
    for title, value, form in PANELS:
        rows = [(subject, [value(turn) for turn in of(results, subject.name)]) for subject in results.subjects]
        parts += panel(title, [row for row in rows if row[1]], form, y)
        y += HEAD + ROW * len(rows)
    width, height = LABELS + BARS + NUMBERS, y + 8
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    ground = f'<rect class="ground" width="{width}" height="{height}"/>'
    return "\n".join([head, f"<style>{STYLE}\n</style>", ground, *parts, "</svg>"]) + "\n"


def panel(title, rows, form, top):
    """Bars of medians, with a line from the least to the most."""
    scale = BARS / max((max(values) for _, values in rows), default=1)
    yield f'<text class="title" x="8" y="{top + 28}">{escape(title)}</text>'
    for number, (subject, values) in enumerate(rows):
        y = top + HEAD + ROW * number
        middle, end = y + ROW / 2 - 3, LABELS + median(values) * scale
        kind = "gateway" if subject.kind == "gateway" else "other"
        yield f'<text x="{LABELS - 8}" y="{y + 12}" text-anchor="end">{escape(subject.name)}</text>'
        yield f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{end - LABELS:.1f}" height="{ROW - 6}" rx="2"/>'
        low, high = LABELS + min(values) * scale, LABELS + max(values) * scale
        yield f'<line class="range" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        yield f'<text x="{max(end, high) + 6:.1f}" y="{y + 12}">{form.format(median(values))}</text>'
