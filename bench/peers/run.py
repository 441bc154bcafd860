#!/usr/bin/env python3
"""The same work by other systems, beside ours, in one run.

100 clients with 1,000,000 elements each: CPU time of a client, CPU time of the server per
client, bytes that a client uploads. All figures are CPU time of one process that is held to one
core, so they hold on a busy machine; each system's own sum is checked before its figures count.
A full run takes some minutes, and writes bench/peers/results.json, the table in
docs/PERFORMANCE.md and docs/cost.svg.

example:
  python3 bench/peers/run.py --quick --json
"""

import argparse
import datetime
import json
import os
import sys
from pathlib import Path

import catalogue
import install
import machine
import table
from install import HERE, Missing, run, say

ROOT = HERE.parent.parent
TIMEOUT_S = 900


class Bench:
    """Runs programs, each set of arguments once."""

    def __init__(self, cache):
        self.environment = install.Environment(cache)
        self.cache, self.programs, self.done = cache, {}, {}

    def version(self, package):
        """A package's version, wherever it came from."""
        if package == "sealsum":
            try:
                return run(["git", "describe", "--always", "--dirty"], cwd=HERE).strip()
            except Missing:
                return "no commit"
        if package == "prio":
            return install.crate_version(catalogue.PRIO, package)
        return self.environment.version(package)

    def figures(self, program, arguments):
        """What the program says of its work; or Missing, again each time."""
        key = (program, arguments)
        if key not in self.done:
            try:
                self.done[key] = self._measure(program, arguments)
            except Missing as reason:
                self.done[key] = reason
        if isinstance(self.done[key], Missing):
            raise self.done[key]
        return self.done[key]

    def _measure(self, program, arguments):
        command = self.command(program)
        say(f"measuring {program} {' '.join(arguments)}")
        return json.loads(run([*command, *arguments], timeout=TIMEOUT_S))

    def command(self, program):
        """How a program is called; built if it is a crate."""
        if program.endswith(".py"):
            return [str(self.environment.python), str(HERE / "systems" / program)]
        if program not in self.programs:
            try:
                self.programs[program] = install.build(program, self.cache)
            except Missing as reason:
                self.programs[program] = reason
        if isinstance(self.programs[program], Missing):
            raise self.programs[program]
        return [str(self.programs[program])]


def measure(bench, size, wanted):
    """All rows and curves of the catalogue whose key has the word `wanted` in it."""
    rows, missing, lines = [], [], []
    for system in catalogue.systems(size):
        if wanted not in system.key:
            continue
        entry = {"key": system.key, "system": system.name}
        try:
            entry["version"] = bench.version(system.package)
            figures = bench.figures(system.program, system.arguments)
            shown = figures.get("facts", {})
            lacks = [system.lacks]
            # Said of a release only if this run has shown it.
            lacks += [f"{text} (shown)" for fact, text in system.shown.items() if shown[fact]]
            rows.append(
                {**entry, "protects": system.protects, "lacks": "; ".join(lacks),
                 "how": system.how, "figures": figures}
            )
        except Missing as reason:
            say(f"left out: {system.name}: {reason}")
            missing.append({**entry, "reason": str(reason)})
    for curve in catalogue.curves(size) if not wanted else []:
        line = {"over": curve.over, "line": curve.line, "points": []}
        for arguments in curve.points:
            try:
                line["points"].append(bench.figures(curve.program, arguments))
            except Missing as reason:
                line["missing"] = str(reason)
        lines.append(line)
    return {"rows": rows, "missing": missing, "curves": lines}


def main():
    """Measures and writes."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--quick", action="store_true", help="10 clients, 10,000 elements; writes no file"
    )
    options.add_argument("--json", action="store_true", help="the results on stdout, not the table")
    options.add_argument("--only", metavar="WORD", default="", help="rows whose key has this word")
    options.add_argument("--out", type=Path, help="another place for the results")
    options.add_argument(
        "--redraw", action="store_true", help="no measuring: table and plot from the results"
    )
    options.add_argument(
        "--cache", type=Path, help="for what is installed (default: ~/.cache/sealsum/peers)"
    )
    options = options.parse_args()
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    cache = (options.cache or caches / "sealsum" / "peers").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    size = catalogue.QUICK if options.quick else catalogue.FULL

    if options.redraw:
        results = json.loads((options.out or HERE / "results.json").read_text())
        publish(results, install.Environment(cache))
        return
    bench = Bench(cache)
    before = machine.load()
    for crate in install.CRATES:
        try:
            bench.command(crate)
        except Missing:
            pass  # Said in its row.
    machine.hold_to_one_core()
    results = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": bench.version("sealsum"),
        "machine": machine.description(),
        "work": {"clients": size.clients, "dimension": size.dimension},
        **measure(bench, size, options.only),
    }
    results["machine"]["load"] = {"before": before, "after": machine.load()}
    out = options.out or (None if options.quick or options.only else HERE / "results.json")
    if out:
        out.write_text(json.dumps(results, indent=2) + "\n")
    if out == HERE / "results.json":
        publish(results, bench.environment)
    print(json.dumps(results, indent=2) if options.json else table.markdown(results))


def publish(results, environment):
    """The table in docs/PERFORMANCE.md, and the plot."""
    page = ROOT / "docs" / "PERFORMANCE.md"
    text = page.read_text() if page.is_file() else table.EMPTY_PAGE
    page.write_text(table.between_markers(text, table.markdown(results)))
    say(f"wrote the table in {page}")
    plotted = ROOT / "docs" / "cost.svg"
    draw = [str(environment.python), str(HERE / "plot.py"), str(plotted)]
    try:
        run(draw, input=json.dumps(results))
    except Missing as reason:
        raise SystemExit(f"{plotted} is not drawn: {reason}") from None
    say(f"wrote {plotted}")


if __name__ == "__main__":
    sys.exit(main())
