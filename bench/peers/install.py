"""Gets the measured systems: a virtual environment from PyPI, two small programs from crates.io.

What can't be had is named with its reason, and everything else goes on.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CRATES = {"ours": "sealsum-peers-ours", "libprio": "sealsum-peers-libprio"}


class Missing(Exception):
    """A system that can't be measured, and why."""


def say(text):
    """Progress goes to stderr, figures to stdout."""
    print(text, file=sys.stderr, flush=True)


def run(command, **more):
    """Runs a command; gives its stdout, or says why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    except subprocess.TimeoutExpired as late:
        raise Missing(f"not done after {late.timeout:.0f} s") from None
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise Missing(reason(done.stderr) or f"exit code {done.returncode}")
    return done.stdout


def reason(stderr):
    """The line that says why: the first that begins with `error`, or else the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines[-1:] or [""])[0]


class Environment:
    """The virtual environment: its Python, and the packages that could not be installed."""

    def __init__(self, cache, requirements=HERE / "requirements.txt"):
        self.home = cache / "venv"
        self.python = self.home / "bin" / "python"
        self.missing = {}
        constraints = HERE / "constraints.txt"
        stamp = self.home / "installed"
        wanted = hashlib.sha256(requirements.read_bytes() + constraints.read_bytes()).hexdigest()
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        say(f"installing {requirements.name} into {self.home}")
        pins = [
            line for line in requirements.read_text().splitlines() if line and line[0] != "#"
        ]
        pip = [str(self.python), "-m", "pip", "install", "-q", "-c", str(constraints)]
        try:
            run([sys.executable, "-m", "venv", str(self.home)])
        except Missing as why:
            text = f"no virtual environment ({why}); on Debian, install python3-venv"
            self.missing = {pin.split("==")[0]: text for pin in pins}
            return
        # One after the other, so that one that fails takes no other with it.
        for pin in pins:
            try:
                run([*pip, pin])
            except Missing as why:
                self.missing[pin.split("==")[0]] = f"{pin} can't be installed: {why}"
        if not self.missing:
            stamp.write_text(wanted)

    def version(self, package):
        """The installed version of a package."""
        if package in self.missing:
            raise Missing(self.missing[package])
        asked = f"import importlib.metadata as m; print(m.version({package!r}))"
        return run([str(self.python), "-c", asked]).strip()


def build(crate, cache):
    """Builds one of the small programs in release mode; gives its path."""
    say(f"building {crate}")
    target = Path(os.environ.get("CARGO_TARGET_DIR", cache / "target"))
    cargo = os.environ.get("CARGO", "cargo")
    run(
        [cargo, "build", "--release", "--locked", "-q"],
        cwd=HERE / crate,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )
    return target / "release" / CRATES[crate]


def crate_version(crate, package):
    """The version of a package in a crate's lock file."""
    lines = (HERE / crate / "Cargo.lock").read_text().splitlines()
    for name, version in zip(lines, lines[1:]):
        if name == f'name = "{package}"':
            return version.split('"')[1]
    raise Missing(f"{crate}/Cargo.lock has no package {package}")
