"""The result as a Markdown table and as an SVG plot."""

from html import escape

# Figure, head of its column, how it is written, whether more is better.
COLUMNS = [
    ("enqueue", "enqueue /s", "{:,.0f}", True),
    ("enqueue_batched", "batched /s", "{:,.0f}", True),
    ("drain", "drain /s", "{:,.0f}", True),
    ("drain_two", "two processes /s", "{:,.0f}", True),
    ("drain_calls", "with a call /s", "{:,.0f}", True),
    ("pick_p50", "pick-up p50 ms", "{:.2f}", False),
    ("pick_p99", "p99 ms", "{:.2f}", False),
    ("cpu", "CPU s / 1,000", "{:.3f}", False),
    ("commands", "commands / job", "{:.1f}", False),
    ("waiting_bytes", "bytes waiting", "{:,.0f}", False),
    ("finished_bytes", "finished", "{:,.0f}", False),
]
# Bytes of a finished job may be 0, which has no ratio.
COMPARED = [column for column in COLUMNS if column[0] != "finished_bytes"]
PLOTTED = ("drain", "drain_two", "drain_calls", "enqueue_batched", "pick_p50", "cpu", "waiting_bytes")


def markdown(result, plot):
    machine, contestants = result["machine"], result["contestants"]
    lines = [
        "# Side by side",
        "",
        f"{machine['when']}, {machine['processors']} × {machine['model']}, Redis {machine['redis']}, load "
        f"{machine['load_before']:.1f} before and {machine['load_after']:.1f} after. {machine['note']}".rstrip(),
        "",
        f"Up to {result['jobs']:,} no-op jobs, medians of {result['repetitions']}. [What is measured](../README.md)",
        "",
        f"![]({plot})",
        "",
        *table([head for _, head, _, _ in COLUMNS], [row(one, COLUMNS) for one in contestants]),
    ]
    reference = next((one for one in contestants if one["name"] == result["reference"]), None)
    if reference:
        lines += ["", f"How many times better *{reference['name']}* is (below 1: worse):", ""]
        others = [[one["name"], *ratios(reference, one)] for one in contestants if one is not reference]
        lines += table([head for _, head, _, _ in COMPARED], others)
    floor = ", ".join(f"{rate:,.0f}/s {how}" for how, rate in result["floor"].items())
    lines += ["", f"The floor, `redis-benchmark` of an empty script: {floor}.", ""]
    lines += [f"- {one['name']} {one['version']}: {one['settings']}." for one in contestants]
    lines += [f"- **Missing**: {name}: {why}." for name, why in result["missing"].items()]
    return "\n".join(lines) + "\n"


def table(heads, rows):
    yield "| | " + " | ".join(heads) + " |"
    yield "|---|" + "--:|" * len(heads)
    for cells in rows:
        yield "| " + " | ".join(cells) + " |"


def row(one, columns):
    figures = one["figures"]
    return [one["name"], *(form.format(figures[name]) if name in figures else "–" for name, _, form, _ in columns)]


def ratios(reference, other):
    for name, _, _, more in COMPARED:
        mine, theirs = reference["figures"].get(name), other["figures"].get(name)
        if not mine or not theirs:
            yield "–"
        else:
            yield f"{mine / theirs if more else theirs / mine:.1f}×"


LEFT, BAR, LINE, GAP = 210, 300, 20, 44
WIDTH = 2 * (LEFT + BAR + 90)


def svg(result):
    """Bars in panels of two columns, one panel a figure, ours in another colour."""
    contestants = result["contestants"]
    height = GAP + LINE * len(contestants)
    columns = {name: (head, form, more) for name, head, form, more in COLUMNS}
    panels = []
    for number, name in enumerate(PLOTTED):
        x, y = number % 2 * WIDTH // 2, number // 2 * height
        panels += panel(contestants, name, *columns[name], x, y)
    total = (len(PLOTTED) + 1) // 2 * height + LINE
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{total}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{total}" fill="white"/>',
        *panels,
        "</svg>\n",
    ])


def panel(contestants, name, head, form, more, x, y):
    figures = [one["figures"].get(name) for one in contestants]
    most = max((figure for figure in figures if figure), default=1)
    yield f'<text x="{x + LEFT}" y="{y + 30}" font-weight="bold">{escape(head)}, {"more" if more else "less"} is better</text>'
    for number, (one, figure) in enumerate(zip(contestants, figures)):
        top = y + GAP + LINE * number
        colour = "#c2410c" if one["ours"] else "#64748b"
        yield f'<text x="{x + LEFT - 8}" y="{top + 11}" text-anchor="end">{escape(one["name"])}</text>'
        if figure is not None:
            width = max(1, BAR * figure / most)
            yield f'<rect x="{x + LEFT}" y="{top}" width="{width:.1f}" height="{LINE - 6}" fill="{colour}"/>'
            yield f'<text x="{x + LEFT + width + 6:.1f}" y="{top + 11}">{form.format(figure)}</text>'
