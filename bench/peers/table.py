"""The results as a table for docs/PERFORMANCE.md."""

BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
EMPTY_PAGE = f"# Performance\n\n## Beside other systems\n\n{BEGIN}\n{END}\n"
HEADER = (
    "| system | version | client, ms | server, ms per client | uploaded per client "
    "| what it protects | what it does not |\n"
    "|---|---|---|---|---|---|---|"
)


def markdown(results):
    """The work, the table, what is missing, and how each row was measured."""
    work, machine = results["work"], results["machine"]
    vaes = "with" if machine["vaes"] else "without"
    lines = [
        f"{work['clients']} clients, {work['dimension']:,} elements each; CPU time on one core of "
        f"{machine['cpu']} ({vaes} VAES), {machine['kernel']}, {machine['rustc']}, Python "
        f"{machine['python']}; {results['date']}, at {results['commit']}. Written by "
        "`python3 bench/peers/run.py` from one run, whose figures are in "
        "[bench/peers/results.json](../bench/peers/results.json).",
        "",
        HEADER,
    ]
    for row in results["rows"]:
        figures = row["figures"]
        lines.append(
            f"| {row['system']} | {row['version']} | {client(figures)} "
            f"| {number(figures['server_ms_per_client'])} | {size(figures['bytes_per_client'])} "
            f"| {row['protects']} | {row['lacks']} |"
        )
    for gap in results["missing"]:
        lines.append(f"| {gap['system']} | not measured: {gap['reason']} | | | | | |")
    lines += ["", "How each row was measured:", ""]
    alike = {}
    for row in results["rows"]:
        alike.setdefault(row["how"], []).append(row["system"])
    lines += [f"- {'; '.join(names)}: {how}." for how, names in alike.items()]
    gaps = [curve for curve in results["curves"] if "missing" in curve]
    lines += [f"- Not all of {gap['line']} is in the plot: {gap['missing']}." for gap in gaps]
    lines += ["", "![CPU time against clients and elements](cost.svg)"]
    return "\n".join(lines)


def between_markers(page, text):
    """The page with `text` between its markers; whatever else is on it stays."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"docs/PERFORMANCE.md has no {BEGIN} with {END} after it: add both")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def client(figures):
    """A client's time until its upload; after a plus, what it takes to read the result."""
    before = number(figures["client_ms"])
    after = figures.get("client_after_ms")
    return before if after is None else f"{before} + {number(after)}"


def number(value):
    """Two significant digits, or all before the point."""
    if value == 0:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def size(count):
    """Bytes in MB, or KB below one."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} KB"
