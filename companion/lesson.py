"""What only notebooks use: claims, the package's own source on the page, records, and the figures' style."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import Markdown, display
from numpy.typing import ArrayLike

from companion.snippet import snippet

__all__ = [
    "COLOURS",
    "Record",
    "check_answer",
    "claim",
    "figure_style",
    "in_book",
    "recorded",
    "show_source",
    "table",
]

# Okabe and Ito (2008): distinguishable with every common form of colour blindness.  Yellow is left out: it
# disappears on white.
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
    "grey": "#767676",
}


def claim(sentence: str, holds: bool, *, over: str) -> None:
    """Show a sentence with a tick if it holds; raise with that sentence if it does not.

    Parameters
    ----------
    sentence : str
        One plain sentence.  Numbers in it come from the variables that were tested.
    holds : bool
        The result of the test.
    over : str
        What the test went over: "all 64 states", "20 seeds, recorded", "any input: theorem".

    Raises
    ------
    AssertionError
        If it does not hold.
    TypeError
        If `holds` is no truth value: an array must say ``.all()`` or ``.any()``.
    ValueError
        If `over` says nothing.

    Examples
    --------
    >>> claim("One is less than two.", 2 < 1, over="these two numbers")
    Traceback (most recent call last):
    AssertionError: One is less than two.
    """
    if not isinstance(holds, bool | np.bool_):
        raise TypeError(f"holds must be True or False, got {type(holds).__name__}")
    if not over.strip():
        raise ValueError("over must say what the claim was checked over, got nothing")
    if not holds:
        raise AssertionError(sentence)
    display(Markdown(f"> **✓** {sentence} *Checked over {over}.*"))


def show_source(*objects: Callable[..., Any]) -> None:
    """Show the package's own code of some functions, folded, as the file that stands alone.

    Parameters
    ----------
    *objects : function or class
        What to show, first in the file; what it needs follows.

    Examples
    --------
    >>> show_source(figure_style)
    <IPython.core.display.Markdown object>
    """
    alone = snippet(*objects)
    names = ", ".join(f"<code>{item.__name__}</code>" for item in objects)
    display(
        Markdown(
            f"<details><summary>The package's {names}, ready to copy "
            f"({len(alone.splitlines())} lines)</summary>\n\n"
            f"```python\n{alone}```\n\n</details>\n"
        )
    )


def check_answer(
    answer: object,
    expected: ArrayLike,
    mistakes: Mapping[str, ArrayLike] | None = None,
    tolerance: float = 1e-6,
) -> None:
    """Tell the reader whether an answer is right and, if it is wrong, why.

    Parameters
    ----------
    answer : number or array_like
        What the reader's function returned; None or ``...`` as long as it is empty.
    expected : number or array_like
        The right answer.
    mistakes : mapping of str to number or array_like
        For each common mistake, a sentence that says what is wrong, and the answer that it gives.
    tolerance : float
        Largest difference that counts as equal, absolute, in any entry.

    Raises
    ------
    ValueError
        If a mistake's answer is the right one within the tolerance: the check could not tell them apart.

    Examples
    --------
    >>> check_answer(0.729, 0.972, {"Two of three is enough.": 0.729})
    <IPython.core.display.Markdown object>
    """
    for reason, wrong in (mistakes or {}).items():
        if _equal(wrong, expected, tolerance):
            raise ValueError(f"a mistake gives the right answer: {reason}")
    if answer is None or answer is ...:
        verdict = (
            "**Not answered yet.** Fill in the function above and run both cells again."
        )
    elif _equal(answer, expected, tolerance):
        verdict = "**✓ Right.**"
    else:
        reasons = [
            reason
            for reason, wrong in (mistakes or {}).items()
            if _equal(answer, wrong, tolerance)
        ]
        verdict = f"**Not yet.** {reasons[0] if reasons else _difference(answer, expected, tolerance)}"
    display(Markdown(verdict))


class Record:
    """What an evidence program measured, and where, when and with what.

    Displayed as the last expression of a cell it says so in one line.

    Parameters
    ----------
    content : dict
        The parsed record.

    Attributes
    ----------
    results : dict
        The measurements.
    """

    def __init__(self, content: dict[str, Any]):
        self.content = content
        self.results: dict[str, Any] = content["results"]

    def __repr__(self) -> str:
        machine = self.content["machine"]
        versions = ", ".join(
            f"{name} {version}" for name, version in self.content["versions"].items()
        )
        threads = f"{machine['threads']} thread" + "s" * (machine["threads"] != 1)
        return (
            f"Recorded on {self.content['date']} by {self.content['program']}: {machine['cpu']}, {threads}, "
            f"Python {machine['python']}, {versions}."
        )

    def _repr_markdown_(self) -> str:
        return f"*{self!r}*"


def recorded(lesson: str) -> Record:
    """Read what ``evidence/<chapter>/<lesson>.py`` recorded.

    Parameters
    ----------
    lesson : str
        ``"<chapter>/<lesson>"``.

    Returns
    -------
    Record
        The results and their provenance.

    Raises
    ------
    FileNotFoundError
        If there is no such record; the message says how to make it.

    Examples
    --------
    >>> recorded("robustness/fault")
    Traceback (most recent call last):
    FileNotFoundError: no record evidence/robustness/fault.json: run make evidence LESSON=robustness/fault
    """
    path = in_book(f"evidence/{lesson}.json")
    if path is None:
        raise FileNotFoundError(
            f"no record evidence/{lesson}.json: run make evidence LESSON={lesson}"
        )
    return Record(json.loads(path.read_text(encoding="utf-8")))


def in_book(path: str) -> Path | None:
    """Find a file of the book, from the notebook's folder upwards, or else in the installed wheel.

    Parameters
    ----------
    path : str
        Where it stands in the repository.

    Returns
    -------
    Path or None
        The file; None where there is none.

    Examples
    --------
    >>> in_book("no/such/file") is None
    True
    """
    here = Path.cwd().resolve()
    # `make dist` puts there what notebooks read.
    carried = Path(__file__).parent / "in_book"
    places = (folder / path for folder in (here, *here.parents, carried))
    return next((place for place in places if place.is_file()), None)


def table(
    header: Sequence[str], rows: Iterable[Sequence[object]], digits: int | None = None
) -> Markdown:
    """Return a Markdown table; the first column is text, the others are right-aligned.

    Parameters
    ----------
    header : sequence of str
        Column titles.
    rows : iterable of sequences
        Cells.
    digits : int, optional
        Decimals of every float; by default a float is shown as it prints.

    Returns
    -------
    IPython.display.Markdown
        For the last line of a cell.

    Examples
    --------
    >>> print(table(["solver", "ms"], [["ours", 1.234]], digits=1).data)
    | solver | ms |
    | :--- | ---: |
    | ours | 1.2 |
    """
    align = [":---"] + ["---:"] * (len(header) - 1)
    lines = [
        " | ".join(_text(cell, digits) for cell in row)
        for row in (header, align, *rows)
    ]
    return Markdown("\n".join(f"| {line} |" for line in lines))


def figure_style() -> None:
    """Set the book's figure style: white ground, legible sizes, colours that colour-blind readers can tell apart.

    Examples
    --------
    >>> figure_style()
    >>> plt.rcParams["axes.grid"]
    True
    """
    plt.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.prop_cycle": cycler(color=list(COLOURS.values())),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 12,
            "figure.constrained_layout.use": True,
            "figure.dpi": 140,
            "figure.facecolor": "white",
            "figure.figsize": (7.0, 3.6),
            "font.size": 11,
            "grid.alpha": 0.3,
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


def _text(cell: object, digits: int | None) -> str:
    is_float = isinstance(cell, float | np.floating) and digits is not None
    return f"{cell:.{digits}f}" if is_float else str(cell)


def _equal(answer: Any, expected: ArrayLike, tolerance: float) -> bool:
    """Whether two answers have one shape and differ nowhere by more than the tolerance."""
    try:
        a, b = (np.asarray(x, dtype=np.float64) for x in (answer, expected))
    except (TypeError, ValueError):
        return False
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=tolerance))


def _difference(answer: Any, expected: ArrayLike, tolerance: float) -> str:
    """Say in which way an answer differs whose reason is not known."""
    want = np.asarray(expected)
    try:
        got = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        return f"A number was expected, your function returned {type(answer).__name__}."
    if got.shape != want.shape:
        return f"An answer of shape {want.shape} was expected, yours has shape {got.shape}."
    if not np.isfinite(got).all():
        return "Your answer is not finite."
    far = np.abs(got - want)
    if want.ndim:
        wrong = int((far > tolerance).sum())
        return f"Your answer differs in {wrong} of {far.size} entries, by {far.max():.3g} at most."
    return f"Your answer, {float(got):.6g}, is too {'high' if got > want else 'low'}."
