"""The machine that figures belong to."""

import os
import platform
import subprocess


def description():
    """CPU, cores, memory, kernel, compilers."""
    cpu, flags = "unknown", []
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            cpu = value.strip()
        if name.strip() == "flags":
            flags = value.split()
            break
    memory = _read("/proc/meminfo").split()
    return {
        "cpu": cpu,
        "vaes": "vaes" in flags,
        "avx512": "avx512f" in flags,
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20) if len(memory) > 1 else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "rustc": _rustc(),
    }


def load():
    """Processes that wanted to run, over the last minute."""
    return round(os.getloadavg()[0], 2)


def hold_to_one_core():
    """This process, and whatever it starts from now on."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _rustc():
    try:
        asked = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return asked.stdout.strip() or None


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
