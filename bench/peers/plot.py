"""Draws what the server spends on a client against their number, and what a client spends
against the size of its update. Reads the results on stdin; the argument is the SVG.

Lines differ by marker and dash as well as by colour, and carry their names at their ends. The
same results give the same bytes.
"""

import json
import math
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "sealsum"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullLocator  # noqa: E402

STYLES = {
    "Sealsum": ("#0b5fa5", "o", "-"),
    "plain sum": ("#555555", "s", ":"),
    "Flower SecAgg+": ("#c2410c", "^", "--"),
    "Flower SecAgg, all share": ("#7c2d12", "v", "-."),
    "TenSEAL": ("#15803d", "D", (0, (5, 1))),
    "libprio": ("#6d28d9", "P", (0, (1, 1))),
}


def style(line):
    """By the longest name that the line's begins with."""
    fitting = [name for name in STYLES if line.startswith(name)]
    return STYLES[max(fitting, key=len)]


def panel(axes, results, over, figure):
    """One panel: a figure in ms over clients or elements."""
    lines, places = [], set()
    for curve in results["curves"]:
        if curve["over"] != over or not curve["points"]:
            continue
        colour, marker, dash = style(curve["line"])
        points = [(point[over], point[figure]) for point in curve["points"]]
        places.update(place for place, _ in points)
        axes.plot(*zip(*points), color=colour, marker=marker, linestyle=dash)
        lines.append((points[-1], curve["line"], colour))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted(places), [f"{place:,}" for place in sorted(places)])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.grid(True, which="major", linewidth=0.4, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
    # From the lowest line up, no name closer to the one below than a row of text.
    height = math.log10(axes.get_ylim()[1] / axes.get_ylim()[0])
    lowest = -math.inf
    for (x, y), name, colour in sorted(lines, key=lambda line: line[0][1]):
        at = max(math.log10(y), lowest + 0.045 * height)
        lowest = at
        axes.annotate(
            name, (x, y), xytext=(x * 1.12, 10**at), textcoords="data",
            va="center", fontsize=9, color=colour, annotation_clip=False,
        )


def main():
    """Two panels."""
    results = json.load(sys.stdin)
    work, machine = results["work"], results["machine"]
    figure, (server, client) = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    panel(server, results, "clients", "server_ms_per_client")
    server.set_title(f"Server, {work['dimension']:,} elements", loc="left", fontsize=11)
    server.set_xlabel("clients")
    server.set_ylabel("CPU ms per client")
    panel(client, results, "dimension", "client_ms")
    client.set_title(f"Client, {work['clients']} clients", loc="left", fontsize=11)
    client.set_xlabel("elements of an update")
    client.set_ylabel("CPU ms per update")
    figure.suptitle(f"One core of {machine['cpu']}, {results['date']}", fontsize=9, color="#555555")
    figure.savefig(sys.argv[1], metadata={"Date": None})


main()
