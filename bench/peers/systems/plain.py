"""What a server without any protection computes: a sum of float32 vectors, and the arithmetic of
Flower's FedAvg, which is its released function.

Example: python plain.py --clients 10 --dimension 10000 --fedavg
"""

import argparse

from measure import cpu_ms, median, report, require, update_of

import numpy as np

TURNS = 5


def summed(updates):
    """One accumulator, one pass per update."""
    total = np.zeros_like(updates[0])
    for update in updates:
        total += update
    return total / len(updates)


def fedavg(updates):
    """Flower's weighted mean, all weights one."""
    from flwr.server.strategy.aggregate import aggregate

    return aggregate([([update], 1) for update in updates])[0]


def main():
    """Some sums."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--clients", type=int, default=100)
    options.add_argument("--dimension", type=int, default=1_000_000)
    options.add_argument("--fedavg", action="store_true")
    options = options.parse_args()

    updates = [
        update_of(client, options.dimension).astype(np.float32)
        for client in range(options.clients)
    ]
    work = fedavg if options.fedavg else summed
    work(updates)  # The first pass pays for fresh memory.
    turns = [cpu_ms(lambda: work(updates)) for _ in range(TURNS)]
    expected = np.mean(updates, axis=0, dtype=np.float64)
    error = float(np.abs(turns[0][0] - expected).max())
    require(error < 1e-4, f"the mean is off by {error}")
    report(
        clients=options.clients,
        dimension=options.dimension,
        client_ms=0.0,
        server_ms_per_client=median([ms for _, ms in turns]) / options.clients,
        bytes_per_client=updates[0].nbytes,
    )


main()
