"""What the comparison must not do: drop a system, count a wrong sum, or damage the page.

`python3 bench/peers/test_peers.py`; nothing is downloaded, built or timed here.
"""

import os
import sys
import tempfile
import unittest
from pathlib import Path

import catalogue
import install
import run
import table

FIGURES = {"client_ms": 12.0, "server_ms_per_client": 0.25, "bytes_per_client": 4_000_000}
MACHINE = {"cpu": "a CPU", "vaes": True, "kernel": "a kernel", "rustc": "r", "python": "p"}


def results(rows=(), missing=()):
    """Results with these rows."""
    return {
        "date": "2026-01-01", "commit": "abc", "machine": MACHINE,
        "work": {"clients": 100, "dimension": 1_000_000},
        "rows": list(rows), "missing": list(missing), "curves": [],
    }


class Offline(run.Bench):
    """A bench whose package index was empty; whatever needs no package is taken as measured."""

    def __init__(self, environment):
        self.environment, self.programs, self.done = environment, {}, {}

    def _measure(self, program, arguments):
        return FIGURES


class Tests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["PIP_NO_INDEX"] = "1"
        with tempfile.TemporaryDirectory() as cache:
            cls.nothing_installed = install.Environment(Path(cache))
        del os.environ["PIP_NO_INDEX"]

    def test_a_system_that_can_not_be_installed_is_named_with_its_reason(self):
        measured = run.measure(Offline(self.nothing_installed), catalogue.QUICK, "")
        systems = catalogue.systems(catalogue.QUICK)
        of_python = {system.name for system in systems if not system.is_rust}
        self.assertEqual({gap["system"] for gap in measured["missing"]}, of_python)
        self.assertEqual(len(measured["rows"]) + len(measured["missing"]), len(systems))
        page = table.markdown(results(measured["rows"], measured["missing"]))
        for name in of_python:
            self.assertRegex(page, rf"\| {name.replace('+', '.')} \| not measured: .*==.* can't be")

    def test_a_program_that_fails_gives_the_line_that_says_why(self):
        fails = [sys.executable, "-c", "import sys; sys.exit('note\\nerror: no such crate\\nhint')"]
        with self.assertRaisesRegex(install.Missing, "^error: no such crate$"):
            install.run(fails)
        with self.assertRaisesRegex(install.Missing, "No such file"):
            install.run(["./no-such-program"])
        with self.assertRaisesRegex(install.Missing, "not done after"):
            install.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=1)

    def test_a_wrong_sum_gives_no_figures(self):
        lies = "import measure; measure.require(1 + 1 == 3, 'off'); measure.report(client_ms=1)"
        with self.assertRaisesRegex(install.Missing, "the result is wrong: off"):
            install.run([sys.executable, "-c", lies], cwd=install.HERE / "systems")

    def test_a_failed_measurement_is_not_tried_again_and_not_forgotten(self):
        calls = []

        class Failing(Offline):
            def _measure(self, program, arguments):
                calls.append((program, arguments))
                raise install.Missing("it broke")

        measured = run.measure(Failing(self.nothing_installed), catalogue.QUICK, "")
        self.assertEqual(len(calls), len(set(calls)))
        self.assertEqual(measured["rows"], [])
        self.assertTrue(all(curve["missing"] == "it broke" for curve in measured["curves"]))

    def test_a_fault_of_a_release_is_told_only_if_this_run_has_shown_it(self):
        class Showing(Offline):
            def version(self, package):
                return "1"

            def _measure(self, program, arguments):
                seen, unseen = catalogue.SHOWN
                return {**FIGURES, "facts": {seen: True, unseen: False}}

        measured = run.measure(Showing(self.nothing_installed), catalogue.QUICK, "")
        told = " ".join(row["lacks"] for row in measured["rows"])
        for fact, shown in zip(catalogue.SHOWN, (1, 0)):
            self.assertEqual(told.count(catalogue.SHOWN[fact]), shown)

    def test_every_row_of_the_table_has_every_cell(self):
        row = {"system": "s", "version": "1", "protects": "p", "lacks": "l", "how": "h"}
        gap = {"system": "t", "reason": "it broke"}
        lines = table.markdown(results([{**row, "figures": FIGURES}], [gap])).splitlines()
        cells = {line.count("|") for line in lines if line.startswith("|")}
        self.assertEqual(cells, {table.HEADER.splitlines()[0].count("|")})
        for system in catalogue.systems(catalogue.FULL):
            for text in (system.name, system.how, system.protects, system.lacks):
                self.assertTrue(text and "|" not in text, system.key)

    def test_only_what_is_between_the_markers_changes(self):
        page = f"# Before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
        changed = table.between_markers(page, "new")
        self.assertEqual(changed, page.replace("old", "new"))
        self.assertEqual(table.between_markers(changed, "new"), changed)
        for broken in ("# Before\n", f"{table.END}\n{table.BEGIN}\n"):
            with self.assertRaises(SystemExit):
                table.between_markers(broken, "new")

    def test_what_row_and_curve_share_is_measured_once(self):
        for size in (catalogue.FULL, catalogue.QUICK):
            rows = {(system.program, system.arguments) for system in catalogue.systems(size)}
            points = {(c.program, p) for c in catalogue.curves(size) for p in c.points}
            at_size = {(c, p) for c, p in points if f"'{size.dimension}'" in str(p)}
            at_size = {(c, p) for c, p in at_size if p[1] in (str(size.clients), "1", str(size.few))}
            self.assertTrue(at_size)
            self.assertLessEqual(at_size, rows)

    def test_numbers_keep_what_can_be_told_apart(self):
        shown = [table.number(value) for value in (0, 0.166, 4.56, 12.3, 5362.1)]
        self.assertEqual(shown, ["-", "0.17", "4.6", "12", "5,362"])
        self.assertEqual([table.size(33_814), table.size(256_256_336)], ["33.8 KB", "256.3 MB"])


if __name__ == "__main__":
    unittest.main(buffer=True)
