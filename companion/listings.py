"""What the pages of the source's listings use: a listing to the letter, and its repairs shown as a diff."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from IPython.display import Markdown, display

from companion.lesson import in_book

__all__ = ["repaired", "source_listing"]


def source_listing(section: int) -> str:
    """Return the listing of a section of the source document, to the letter.

    Parameters
    ----------
    section : int
        1, 2 or 3; section 4 breaks off before its listing.

    Returns
    -------
    str
        The Python code between the fences.

    Raises
    ------
    ValueError
        If that section has no listing.

    Examples
    --------
    >>> source_listing(4)
    Traceback (most recent call last):
    ValueError: section 4 of the source document has no listing
    """
    path = in_book("book/source_document.md")
    if path is None:
        raise FileNotFoundError(
            "book/source_document.md is missing: run the notebook inside a clone of the book"
        )
    text = path.read_text(encoding="utf-8")
    match = re.search(
        rf"^### {section}\. .*?^```python\n(.*?)^```$",
        text,
        flags=re.DOTALL | re.MULTILINE,
    )
    if match is None or f"### {section + 1}." in match.group():
        raise ValueError(f"section {section} of the source document has no listing")
    return match.group(1)


def repaired(listing: str, repairs: Mapping[str, str]) -> str:
    """Show what some repairs change in a listing, as a diff, and return the listing with them.

    Parameters
    ----------
    listing : str
        Source text.
    repairs : mapping of str to str
        What stands there, exactly once, and what shall stand there instead; made in this order.

    Returns
    -------
    str
        The repaired source text.

    Raises
    ------
    ValueError
        If a text to repair does not stand in the listing exactly once.

    Examples
    --------
    >>> repaired("a = 1", {"1": "2"})
    <IPython.core.display.Markdown object>
    'a = 2'
    >>> repaired("a = 1", {"b": "c"})
    Traceback (most recent call last):
    ValueError: repairs must name text that stands in the listing exactly once, 'b' stands there 0 times
    """
    text = listing
    for old, new in repairs.items():
        if text.count(old) != 1:
            raise ValueError(
                "repairs must name text that stands in the listing exactly once, "
                f"{old!r} stands there {text.count(old)} times"
            )
        text = text.replace(old, new)
    diff = difflib.unified_diff(
        listing.splitlines(), text.splitlines(), n=0, lineterm=""
    )
    changes = [line for line in list(diff)[2:] if not line.startswith("@@")]
    display(Markdown("```diff\n" + "\n".join(changes) + "\n```"))
    return text
