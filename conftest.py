"""Settings that every test process needs before it imports NumPy, torch or starts a kernel."""

import os

# One thread per process: two kernels of two threads each on two cores were measured fifty times slower.
# `setdefault`, because the second profile of `make portable` asks for two threads on purpose.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# A progress bar is for a person. Its stderr would fail the comparison of outputs.
os.environ["TQDM_DISABLE"] = "1"
