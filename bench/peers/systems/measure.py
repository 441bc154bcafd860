"""What every measured system shares: the CPU clock, the work, and one JSON object on stdout."""

import json
import os
import statistics
import sys
import time

# One core: libraries that start threads of their own would only blur the figures.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"


def cpu_ms(work):
    """What `work` returns, and the ms of CPU time that all threads of this process took."""
    started = time.process_time_ns()
    done = work()
    return done, (time.process_time_ns() - started) / 1e6


def median(values):
    """The median, or None of nothing."""
    return statistics.median(values) if values else None


def update_of(client, dimension):
    """Numbers between -1 and 1, others for each client: the same that our own program takes."""
    import numpy as np

    return np.modf(np.arange(dimension) * 0.618034 + client * 0.37)[0] * 1.9 - 0.95


def require(holds, what):
    """A figure of a sum that is wrong is no figure."""
    if not holds:
        sys.exit(f"the result is wrong: {what}")


def report(**figures):
    """Prints the figures."""
    print(json.dumps({**figures, "sum_is_right": True}))
