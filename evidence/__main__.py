"""``python -m evidence <chapter>/<lesson>``: measure one lesson with its peers and write its record.

Run by `make evidence` in an environment that holds the peers.
"""

import importlib
import os
import sys

# Before NumPy is imported: comparisons are made at equal threads, one each.
for variable in (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
):
    os.environ[variable] = "1"
os.environ["TQDM_DISABLE"] = "1"

from evidence import record

lesson = sys.argv[1]
program = importlib.import_module(f"evidence.{lesson.replace('/', '.')}")
print(
    f"measuring {lesson} with {', '.join(program.PEERS) or 'no peers'} ...", flush=True
)
print(f"wrote {record.write(lesson, program.measure(), program.PEERS)}")
