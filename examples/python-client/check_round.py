"""One round of two Rust clients and this Python one, over a mock enclave: the mean is right.

    python check_round.py FOLDER_OF_PROGRAMS
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = pathlib.Path(sys.argv[1]).resolve()
OPEN = "I accept open admission without noise: whoever controls all other clients of a round can compute my update from the sum."
F, SHAPE = 16, (7, 3000)  # two blocks, the last one shorter


def start(processes, program, *arguments):
    process = subprocess.Popen([PROGRAMS / program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    processes.append(process)
    return json.loads(process.stdout.readline())["listening"]


def play(folder: pathlib.Path, processes, intake: str, rounding: str, number: int, parent: str, operator: str):
    def sealsum(*arguments):
        done = subprocess.run([PROGRAMS / "sealsum", *map(str, arguments), "--json"], stdout=subprocess.PIPE, cwd=folder)
        assert done.returncode == 0, (arguments, done.stdout)
        return json.loads(done.stdout)

    rng = np.random.default_rng(number)
    task = f"python-{intake}"
    np.save(folder / "base.npy", rng.normal(size=SHAPE).astype(np.float32))
    updates = rng.uniform(-1, 1, size=(3, *SHAPE)).astype(np.float32)
    for i, update in enumerate(updates):
        np.save(folder / f"update-{i}.npy", update)
    opened = sealsum("round", "open", "--parent", parent, "--operator", "operator.key", "--task", task,
                     "--round-number", number, "--base-model", "base.npy", "--clip", "1", "--fractional-bits", F,
                     "--min-cohort", 3, "--max-cohort", 10, "--intake", intake, "--kem", "x25519",
                     "--rounding", rounding)
    for i in (0, 1):
        site, policy = f"{intake}-{i}", f"{intake}-{i}.toml"
        sealsum("identity", "new", site)
        sealsum("policy", "new", policy, "--mock", "--appraisal-policy", "mock.toml", "--operator-key", operator,
                "--task", task, "--min-cohort", 3, "--admission", "open", "--noise-floor", "none", "--kem", "x25519",
                "--intake", intake, "--rule", "mean", "--budget", 1, "--consent", OPEN)
        sealsum("contribute", "--parent", parent, "--identity", site, "--policy", policy, "--task", task,
                "--base-model", "base.npy", "--update", f"update-{i}.npy", "--mock")
    python = subprocess.Popen([sys.executable, HERE / "client.py", parent, task, "base.npy", "update-2.npy", "mean.npy"],
                              stdout=subprocess.PIPE, cwd=folder)
    processes.append(python)
    accepted = json.loads(python.stdout.readline())
    assert accepted["round_id"] == opened["round_id"], "another round"
    closed = sealsum("round", "close", "--parent", parent, opened["round_id"])
    assert closed["cohort_size"] == 3, closed
    assert python.wait(timeout=60) == 0, "the Python client failed"
    seen = sealsum("collect", "--parent", parent, "--identity", f"{intake}-0", "--policy", f"{intake}-0.toml",
                   opened["round_id"], "--out", "rust.npy", "--mock")
    assert seen["own_contribution"] == "in", seen

    mean = np.load(folder / "mean.npy")
    assert (mean.reshape(-1) == np.load(folder / "rust.npy").reshape(-1)).all(), "the clients read different means"
    worst = np.abs(mean - updates.astype(np.float64).mean(axis=0)).max()
    # PROTOCOL.md, section 8: half a step if rounded to the nearest, a step otherwise.
    bound = 2.0 ** -(F + (rounding == "nearest"))
    assert worst <= bound + 1e-12, f"off by {worst}, allowed {bound}"
    print(f"{intake}: 2 Rust clients and 1 Python client, {updates[0].size} elements, off by {worst:.3e} <= {bound:.3e}")


def main():
    processes = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            enclave = start(processes, "sealsum-mock-enclave", "--listen", "tcp:127.0.0.1:0", "--write-policy",
                            folder / "mock.toml")
            parent = start(processes, "sealsum-parent", "--listen", "127.0.0.1:0", "--enclave", enclave, "--data",
                           folder / "parent")
            made = subprocess.run([PROGRAMS / "sealsum", "operator", "new", folder / "operator.key", "--json"],
                                  stdout=subprocess.PIPE, check=True)
            operator = json.loads(made.stdout)["operator_key"]
            play(folder, processes, "stream", "nearest", 1, parent, operator)
            play(folder, processes, "presum", "stochastic", 2, parent, operator)
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
