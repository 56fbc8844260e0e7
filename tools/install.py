"""Make the project's virtual environment and install the book into it: ``python install.py FOLDER EXTRA``.

Written for any Python 3, so that one that is too old can say so.  Every failure ends in a sentence that tells what to do.
"""

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDED_GB = 6  # with the build of torch that brings CUDA; without it, a third


def stop(sentence):
    """End with a sentence that tells what to do."""
    sys.exit("\n" + sentence)


def constraint(name, constraints):
    """The pinned version of one package, as pip wants it; the bare name where none is pinned."""
    with open(os.path.join(ROOT, constraints)) as lines:
        return next(
            (line.strip() for line in lines if line.startswith(name + "==")), name
        )


def python_of(folder):
    """Return the environment's Python."""
    return os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")


def works(folder):
    """Say whether the environment's Python starts and has pip."""
    try:
        command = [python_of(folder), "-c", "import pip"]
        return subprocess.call(command, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def pip(folder, *arguments):
    """Run the environment's pip; say what to do where it fails."""
    python = python_of(folder)
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # A package index sometimes fails to answer for one package; a second try costs little.
    if all(subprocess.call(command + list(arguments), cwd=ROOT) for _ in range(2)):
        free = shutil.disk_usage(ROOT).free / 1e9
        if free < 0.5:
            stop(
                f"The disk is full: free {NEEDED_GB} GB and run the same command again."
            )
        stop(
            "pip could not install the packages (its own message is above). Most often the package index cannot be "
            "reached: check the network, or set PIP_INDEX_URL to a mirror, and run the same command again."
        )


def main(folder, extra, constraints="constraints.txt"):
    """Create the environment if it is missing, then install torch first and everything else after it."""
    if sys.version_info < (3, 11):
        stop(
            "This book needs Python 3.11 or newer; {} is {}.{}. Install one and name it: make book PYTHON=python3.11".format(
                sys.executable, *sys.version_info[:2]
            )
        )
    if not os.path.exists(os.path.join(folder, "pyvenv.cfg")):
        try:
            import ensurepip  # noqa: F401
            import venv
        except ImportError:
            stop(
                "This Python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv; "
                "then run the same command again."
            )
        if shutil.disk_usage(ROOT).free < NEEDED_GB * 1e9:
            stop(
                f"The environment takes about {NEEDED_GB} GB and less is free: make room and try again."
            )
        print(f"Making the environment {folder} ...")
        venv.create(folder, with_pip=True)
    if not works(folder):
        stop(
            f"The environment {folder} is broken, perhaps because its Python has been removed: delete that folder and "
            "run the same command again."
        )
    print("Installing the book and its tools (about two minutes the first time) ...")
    # torch alone and pinned, so that nothing later resolves it to a build for another machine.
    index = os.environ.get("TORCH_INDEX")
    pip(
        folder,
        *(["--index-url", index] if index else []),
        constraint("torch", constraints),
    )
    pip(folder, "--constraint", constraints, "--editable", f".[{extra}]")


if __name__ == "__main__":
    main(os.path.join(ROOT, sys.argv[1]), sys.argv[2])
