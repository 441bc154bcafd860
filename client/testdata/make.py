"""Writes the files beside it, which the update readers' tests read. Needs numpy, safetensors, ml_dtypes."""

from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

here = Path(__file__).parent
w = np.arange(6, dtype=np.float32).reshape(2, 3) / 4
mixed = {
    "head.weight": w,
    "head.bias": np.array([0.5, -1.5], np.float16),
    "norm": np.array(2.25, np.float64),
    "steps": np.array([7], np.int64),
    "mask": np.array([True, False]),
}
np.save(here / "plain.npy", w)
np.savez(here / "stored.npz", **mixed)
np.savez_compressed(here / "packed.npz", **mixed)
np.savez(here / "fortran.npz", w=np.asfortranarray(w))
np.savez(here / "objects.npz", w=np.array([{}, None], dtype=object))
save_file(
    {**mixed, "gate": np.array([1, 2], np.float32).astype(ml_dtypes.bfloat16)},
    here / "mixed.safetensors",
)
