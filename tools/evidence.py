"""Measure lessons against their peers: ``python -m tools.evidence [CHAPTER/LESSON ...]``.

The peers of a chapter live in an environment of their own, made from evidence/<chapter>/requirements.txt, and
from evidence/<chapter>/without-dependencies.txt for peers that pin older versions than they need.
"""

import os
import subprocess
import sys
from pathlib import Path

from tools.install import pip
from tools.names import refuse_unknown

ROOT = Path(__file__).resolve().parent.parent


def environment(chapter: str) -> Path:
    """Make or update the environment of a chapter's peers; return its Python."""
    folder = ROOT / f".venv-evidence-{chapter}"
    requirements = ROOT / "evidence" / chapter / "requirements.txt"
    bare = requirements.with_name("without-dependencies.txt")
    newest = max(p.stat().st_mtime for p in (requirements, bare) if p.exists())
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.stat().st_mtime < newest:
        print(
            f"Installing the peers of {chapter} (some minutes the first time) ...",
            flush=True,
        )
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip(str(folder), "--constraint", "constraints.txt", "torch")
        # The peers may need other versions than the book's constraints; their own file pins them.
        pip(str(folder), "--requirement", str(requirements), "--editable", ".")
        if bare.exists():
            pip(str(folder), "--no-deps", "--requirement", str(bare))
        stamp.touch()
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def main(lessons: list[str]) -> None:
    """Measure the named lessons, or all, one after the other: timings want a quiet machine."""
    programs = sorted((ROOT / "evidence").glob("*/*.py"))
    known = [
        p.relative_to(ROOT / "evidence").with_suffix("").as_posix()
        for p in programs
        if p.stem != "__init__"
    ]
    refuse_unknown(lessons, known, "evidence program for")
    for lesson in lessons or known:
        python = environment(lesson.split("/")[0])
        if subprocess.call([python, "-m", "evidence", lesson], cwd=ROOT):
            sys.exit(
                f"The comparison of {lesson} failed, and its record is unchanged. The message above says where "
                "the book and its peer disagree, or what the program could not do: mend that, and run "
                f"make evidence LESSON={lesson} again."
            )


if __name__ == "__main__":
    main(sys.argv[1:])
