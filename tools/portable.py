"""Replay every notebook, and run the unit tests, as another CPU would compute them.

Profile A takes the newer instructions away, so that sums are formed in another order: the recorded outputs must
stand, and so must every bound on rounding in the unit tests.  Profile B keeps them and uses two threads, as a
reader's kernel does.  A probe shows whether A computes differently on this machine at all.
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

# Tests that read text or start programs, and compute nothing that depends on the CPU: pages, commands, files.  The
# examples of the snippets are those of the docstrings, which are run.
TEXT = {
    "test_budget.py",
    "test_evidence.py",
    "test_evidence_page.py",
    "test_faults.py",
    "test_front_page.py",
    "test_imports.py",
    "test_listings.py",
    "test_notebooks.py",
    "test_references.py",
    "test_snippet.py",
    "test_static.py",
    "test_take_away.py",
    "test_tasks.py",
    "test_tools.py",
    "test_tree.py",
}

PROBE = """
import hashlib, numpy as np, torch
x = np.random.default_rng(0).normal(size=(257, 257))
t = torch.from_numpy(x.astype("float32"))
parts = [x @ x, np.exp(x), (t @ t).numpy(), torch.exp(t).numpy(), t.softmax(1).numpy(), t.sum(1).numpy()]
print(" ".join(hashlib.sha256(np.ascontiguousarray(p).tobytes()).hexdigest()[:8] for p in parts))
"""


def unit_tests(root: Path = ROOT) -> list[str]:
    """Return the files whose tests compute something, and the package with its examples."""
    files = sorted((root / "tests").rglob("test_*.py"))
    computing = [
        path.relative_to(root).as_posix()
        for path in files
        if path.name not in TEXT and not path.name.startswith("test_site")
    ]
    return [*computing, "companion"]


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
    """Probe, then replay and test under the profiles; return the number of profiles that failed."""
    PROFILES["A, an older CPU"]["NPY_DISABLE_CPU_FEATURES"] = numpy_features()
    native = probe({**os.environ, **ONE_THREAD})
    failed = 0
    for name, variables in PROFILES.items():
        environment = {**os.environ, **variables}
        changed = sum(a != b for a, b in zip(native, probe(environment), strict=True))
        print(
            f"Profile {name}: the probe's last bits differ in {changed} of {len(native)} computations.",
            flush=True,
        )
        if not changed and name.startswith("A"):
            print(
                "  This CPU computes profile A as it computes natively: the run below proves little here."
            )
        older = name.startswith("A")
        what = ["-n", "2", "notebooks", *unit_tests()] if older else ["notebooks"]
        command = [sys.executable, "-m", "pytest", "-q", *what]
        failed += subprocess.call(command, cwd=ROOT, env=environment) != 0
    if failed:
        print(
            "Something above depends on the CPU. An output of a notebook: round it, or state it as a claim with a "
            "margin. A bound in a test: derive it, operations x epsilon x scale x 10 (tests/rounding.py)."
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
