"""Who is measured, on what work, and what each protects and does not: one entry per row.

A claim about another system is either its own documentation's or can be read in, or was shown
by, the release that is measured; `SHOWN` holds those that a run has to show again.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Size:
    """How much work. Flower's numbers of shares are odd: in its release 1.42.0 an even number
    below the cohort's size ends in an IndexError at the client."""

    clients: int
    dimension: int
    few: int  # Clients that stand for all where the cost per client does not depend on them.
    turns: int
    shares: tuple
    dropouts: int


FULL = Size(clients=100, dimension=1_000_000, few=9, turns=3, shares=(11, 31, 100), dropouts=5)
QUICK = Size(clients=10, dimension=10_000, few=3, turns=1, shares=(5, 9, 10), dropouts=1)


@dataclass(frozen=True)
class System:
    """One row. `program` is a file in systems/, or a crate of its own."""

    key: str
    name: str
    package: str  # Its version is this package's.
    program: str
    arguments: tuple = ()
    how: str = ""
    protects: str = ""
    lacks: str = ""
    shown: dict = field(default_factory=dict)

    @property
    def is_rust(self):
        return "." not in self.program


OURS = "ours"
PRIO = "libprio"
FLOWER_PROTECTS = (
    "no TEE: updates are hidden from the server by masks that clients agree on; the sum "
    "survives dropouts; quantized, weighted means"
)
FLOWER_LACKS = (
    "the server has to keep to the protocol: nothing signs the round's keys that it relays; no "
    "range proofs, no receipts"
)
SHOWN = {
    "unequal_seeds_give_equal_masks": "a mask's seed of 256 bits is folded to 32",
    "a_client_gives_both_shares_of_another": (
        "asked for a client as active and as dropped, a neighbour hands out both of its shares"
    ),
}
FLOWER_HOW = (
    "its released workflow and client mod over messages in memory, dropouts after sharing keys: "
    "{dropouts}; without transport, and without the strategy's second average"
)
TENSEAL_LACKS = (
    "all clients hold one secret key, so that one client and the server together read any "
    "update; nothing checks values; the sum travels back encrypted to each client; no receipts"
)
PLAIN_LACKS = "the server reads every update"
OURS_PROTECTS = (
    "updates are hidden from server, host and network, post-quantum on the way; minimum cohort, "
    "one release, budget per data set, overflow excluded; signed receipts that each client checks"
)
OURS_LACKS = (
    "trusts AWS Nitro and the measured image; in `presum` the parent can falsify the sum and no "
    "range of an update is checked (`stream` does both at another cost); no noise yet"
)
OURS_HOW = (
    "one `presum` round of the shipped protocol, verifier and enclave core in one process, X-Wing; "
    "without ledger, transport, disk and the security module's signature"
)


def systems(size):
    """Every row, in the table's order."""
    work = ("--clients", str(size.clients), "--dimension", str(size.dimension))
    few = ("--clients", str(size.few), "--dimension", str(size.dimension))
    one = ("--clients", "1", "--dimension", str(size.dimension))
    turns = ("--turns", str(size.turns))
    rows = [
        System(
            "plain", "Plain sum, numpy", "numpy", "plain.py", work,
            "float32, one accumulator", "nothing", PLAIN_LACKS,
        ),
        System(
            "fedavg", "Flower FedAvg, arithmetic", "flwr", "plain.py", (*work, "--fedavg"),
            "its released function `aggregate`", "nothing", PLAIN_LACKS,
        ),
        System(
            "ours", "Sealsum, 22-bit values", "sealsum", OURS, (*work, *turns),
            OURS_HOW, OURS_PROTECTS, OURS_LACKS,
        ),
        System(
            "ours_12_bits", "Sealsum, 12-bit values", "sealsum", OURS,
            (*work, "--turns", "1", "--value-bits", "12"), OURS_HOW, "as above", "as above",
        ),
    ]
    for place, shares in enumerate(size.shares):
        rows.append(
            System(
                f"flower_{shares}", f"Flower SecAgg+, {shares} shares", "flwr",
                "flower_secagg.py",
                (*work, "--shares", str(shares), "--dropouts", str(size.dropouts)),
                FLOWER_HOW.format(dropouts=size.dropouts),
                FLOWER_PROTECTS if place == 0 else "as above",
                FLOWER_LACKS if place == 0 else "as above",
                SHOWN if place == 0 else {},
            )
        )
    rows += [
        System(
            "tenseal", "TenSEAL CKKS 8192", "tenseal", "tenseal_ckks.py", few,
            f"{size.few} clients stand for all; public-key encryption, primes of 60, 40, 60 bits",
            "no TEE: the server adds ciphertexts that it can't read; lattice-based, so "
            "post-quantum; real numbers without a clip",
            TENSEAL_LACKS,
        ),
        System(
            "tenseal_lean", "TenSEAL CKKS 8192, lean", "tenseal", "tenseal_ckks.py",
            (*few, "--lean"),
            f"{size.few} clients stand for all; secret-key encryption, primes of 40, 40 bits",
            "as above", "as above",
        ),
        System(
            "libprio", "libprio Prio3SumVec, 16-bit values", "prio", PRIO, one,
            "one client stands for all; the server's is both aggregators' work",
            "no TEE: updates are hidden from each of two aggregators, and proven to both to have "
            "every element in its range",
            "two operators must not collude, and both must stay up; no receipts",
        ),
    ]
    return rows


@dataclass(frozen=True)
class Curve:
    """One line of a panel of the plot: a program at several sizes."""

    over: str  # "clients" or "dimension"
    line: str
    program: str
    points: tuple  # Arguments, one tuple per point.


def curves(size):
    """The plot's lines. Points that are rows of the table as well are measured once."""
    full = size is FULL
    clients = (10, 31, 100, 316) if full else (5, 10)
    dimensions = (10_000, 100_000, 1_000_000) if full else (1_000, 10_000)
    log_shares, all_clients = size.shares[0], (10, 31, 100) if full else (5, 10)

    def at(n, d, *more):
        return ("--clients", str(n), "--dimension", str(d), *more)

    def flower(n, d, shares):
        dropped = size.dropouts if n == size.clients else max(1, n // 20)
        return at(n, d, "--shares", str(shares), "--dropouts", str(dropped))

    def turns(n, d):
        return str(size.turns if (n, d) == (size.clients, size.dimension) else 1)

    n, d = size.clients, size.dimension
    # A cohort smaller than the number of shares is its own neighbourhood.
    return [
        Curve("clients", "plain sum", "plain.py", tuple(at(m, d) for m in clients)),
        Curve(
            "clients", "Sealsum", OURS,
            tuple(at(m, d, "--turns", turns(m, d)) for m in clients),
        ),
        Curve(
            "clients", f"Flower SecAgg+, {log_shares} shares", "flower_secagg.py",
            tuple(flower(m, d, min(m, log_shares)) for m in clients),
        ),
        Curve(
            "clients", "Flower SecAgg, all share", "flower_secagg.py",
            tuple(flower(m, d, m) for m in all_clients),
        ),
        Curve(
            "dimension", "Sealsum", OURS,
            tuple(at(n, e, "--turns", turns(n, e)) for e in dimensions),
        ),
        Curve(
            "dimension", f"Flower SecAgg+, {log_shares} shares", "flower_secagg.py",
            tuple(flower(n, e, log_shares) for e in dimensions),
        ),
        Curve(
            "dimension", "TenSEAL CKKS", "tenseal_ckks.py",
            tuple(at(size.few, e) for e in dimensions),
        ),
        Curve("dimension", "libprio Prio3SumVec", PRIO, tuple(at(1, e) for e in dimensions)),
    ]
