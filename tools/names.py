"""Names that a person types."""

import difflib
import sys
from collections.abc import Iterable


def refuse_unknown(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """End with the nearest name where one is not known.

    Parameters
    ----------
    names : iterable of str
        What was typed.
    known : iterable of str
        What there is.
    what : str
        What the names name: "lesson".

    Raises
    ------
    SystemExit
        With the first unknown name and the nearest to it.
    """
    known = sorted(known)
    for name in sorted(set(names) - set(known)):
        (nearest,) = difflib.get_close_matches(name, known, 1, cutoff=0)
        sys.exit(f"There is no {what} {name}: the nearest is {nearest}.")
