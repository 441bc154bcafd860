"""Draws what the server spends on a client against their number, and what a client spends
against the size of its update. Reads the results on stdin; the argument is the SVG.

Lines differ by marker and dash as well as by colour, and carry their names at their ends. The
same results give the same bytes.
"""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "sealsum"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"

from matplotlib import pyplot  # noqa: E402

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
    for curve in results["curves"]:
        if curve["over"] != over or not curve["points"]:
            continue
        colour, marker, dash = style(curve["line"])
        points = [(point[over], point[figure]) for point in curve["points"]]
        axes.plot(*zip(*points), color=colour, marker=marker, linestyle=dash, label=curve["line"])
        axes.annotate(
            curve["line"], points[-1], xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=9, color=colour,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True, which="major", linewidth=0.4, color="#cccccc")
    axes.spines[["top", "right"]].set_visible(False)
    # Room for the names at the lines' ends.
    left, right = axes.get_xlim()
    axes.set_xlim(left, right * (right / left) ** 0.55)


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
