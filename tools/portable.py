"""Replay every notebook as another CPU would compute it; the recorded outputs must stand.

Profile A takes the newer instructions away, so that sums are formed in another order.  Profile B keeps them and
uses two threads.  A probe shows whether A computes differently on this machine at all.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
PROFILES = {
    "A, an older CPU": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        **ONE_THREAD,
    },
    "B, two threads": {
        "OMP_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
    },
}

PROBE = """
import hashlib, numpy as np, torch
x = np.random.default_rng(0).normal(size=(257, 257))
t = torch.from_numpy(x.astype("float32"))
parts = [x @ x, np.exp(x), (t @ t).numpy(), torch.exp(t).numpy(), t.softmax(1).numpy(), t.sum(1).numpy()]
print(" ".join(hashlib.sha256(np.ascontiguousarray(p).tobytes()).hexdigest()[:8] for p in parts))
"""


def numpy_features() -> str:
    """Return NumPy's AVX-512 features that this CPU has and that may be switched off."""
    code = (
        "from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched, __cpu_features__ as has\n"
        "print(*[name for name in dispatched if has.get(name)])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    return " ".join(
        name for name in found if name.startswith("AVX512") or name == "X86_V4"
    )


def probe(environment: dict[str, str]) -> list[str]:
    """Return digests of a few computations under an environment."""
    command = [sys.executable, "-c", PROBE]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()


def main() -> int:
    """Probe, then replay under both profiles; return the number of profiles that failed."""
    PROFILES["A, an older CPU"]["NPY_DISABLE_CPU_FEATURES"] = numpy_features()
    native = probe({**os.environ, **ONE_THREAD})
    failed = 0
    for name, variables in PROFILES.items():
        environment = {**os.environ, "BOOK_REPLAY": "1", **variables}
        changed = sum(a != b for a, b in zip(native, probe(environment), strict=True))
        print(
            f"Profile {name}: the probe's last bits differ in {changed} of {len(native)} computations.",
            flush=True,
        )
        if not changed and name.startswith("A"):
            print(
                "  This CPU computes profile A as it computes natively: the replay below proves little here."
            )
        workers = [] if variables["OMP_NUM_THREADS"] == "2" else ["-n", "2"]
        command = [sys.executable, "-m", "pytest", "-q", *workers, "notebooks"]
        failed += subprocess.call(command, cwd=ROOT, env=environment) != 0
    if failed:
        print(
            "An output above depends on the CPU: round it, or state it as a claim with a margin."
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
