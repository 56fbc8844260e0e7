"""Chromium or Chrome, for what only a browser can do: the tests of the site, the PDF, the formulas of the EPUB."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Error, Page, Playwright, Route, sync_playwright

ADVICE = (
    "install one: apt-get install chromium (Debian; Ubuntu: chromium-browser), "
    "brew install --cask google-chrome (macOS), winget install Google.Chrome (Windows)"
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
BOOK = "http://book.invalid/"  # stands for a folder; no such host can exist


def find_chrome(playwright: Playwright) -> str | None:
    """Return a Chromium or Chrome that this machine has."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    places = [shutil.which(name) for name in [*names, "chrome"]]
    places += [
        f"/Applications/{name}.app/Contents/MacOS/{name}"
        for name in ["Google Chrome", "Chromium"]
    ]
    for variable in ["PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"]:
        base = os.environ.get(variable)
        places.append(base and rf"{base}\Google\Chrome\Application\chrome.exe")
    places.append(playwright.chromium.executable_path)
    return next((place for place in places if place and Path(place).is_file()), None)


def needed_chrome(playwright: Playwright) -> str:
    """Return a Chromium or Chrome, or end with what to install."""
    chrome = find_chrome(playwright)
    if chrome is None:
        sys.exit(
            f"There is no Chromium or Chrome: {ADVICE}; then run the same command again."
        )
    return chrome


def ask_for_chrome() -> None:
    """End where there is no browser, before minutes of work that would need one."""
    with sync_playwright() as playwright:
        needed_chrome(playwright)


@contextlib.contextmanager
def opened(folder: Path, text: str) -> Iterator[Page]:
    """Open a page that is not on the disk, but whose links lead into a folder, and that reaches nothing else.

    Parameters
    ----------
    folder : Path
        What BOOK stands for.
    text : str
        The page's HTML.

    Yields
    ------
    Page
        Loaded, its mathematics typeset.

    Raises
    ------
    SystemExit
        Where there is no browser, or where it stops.
    """

    def answer(route: Route) -> None:
        path = folder / unquote(urlsplit(route.request.url).path.lstrip("/"))
        if route.request.url == BOOK:
            route.fulfill(body=text, content_type="text/html; charset=utf-8")
        elif route.request.url.startswith(BOOK) and path.is_file():
            route.fulfill(path=path)
        else:
            route.abort()

    with sync_playwright() as playwright:
        chrome = needed_chrome(playwright)
        try:
            browser = playwright.chromium.launch(executable_path=chrome, args=FLAGS)
            page = browser.new_page()
            page.set_default_timeout(0)  # nothing here is a matter of time
            page.route("**/*", answer)
            page.goto(BOOK, wait_until="load")
            page.evaluate("() => window.MathJax?.startup?.promise")
            yield page
            browser.close()
        except Error as error:
            sys.exit(
                f"The browser {chrome} stopped: {error.message.splitlines()[0]}\n"
                "Close what else needs memory, or install a newer one, and run the same command again."
            )
