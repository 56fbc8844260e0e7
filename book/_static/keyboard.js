/* What scrolls sideways can be reached and scrolled by the keyboard, and shows at its edge that there is more; what
   fits is no stop on the way.  Nothing here waits for a time: a fold that opens is measured before anything else runs. */
(() => {
  "use strict";
  const REGIONS = "pre, .pst-scrollable-table-container, div.math, div.map";

  const edges = region => {
    const rest = region.scrollWidth - region.clientWidth;
    region.classList.toggle("more-left", rest > 1 && region.scrollLeft > 1);
    region.classList.toggle("more-right", rest > 1 && region.scrollLeft < rest - 1);
  };

  const mark = () => {
    const article = document.querySelector(".bd-article");
    if (!article) return;
    for (const formula of article.querySelectorAll("mjx-container:not([display])")) {
      // An inline formula only becomes a box of its own when the line cannot hold it.
      formula.classList.remove("book-wide");
      const line = formula.parentElement.closest("p, li, td, th, dd, figcaption, h1, h2, h3, h4") ?? article;
      const inTable = line.closest(".pst-scrollable-table-container");
      const wide = !inTable && line.clientWidth > 0 && formula.getBoundingClientRect().width > line.clientWidth;
      formula.classList.toggle("book-wide", wide);
      formula.tabIndex = wide ? 0 : -1;
      if (wide) edges(formula);
    }
    for (const formula of article.querySelectorAll("div.math")) {
      // One that just does not fit is set a little smaller before it scrolls.
      formula.classList.remove("tight");
      formula.classList.toggle("tight", formula.scrollWidth > formula.clientWidth + 1);
    }
    for (const region of article.querySelectorAll(REGIONS)) {
      region.tabIndex = region.scrollWidth > region.clientWidth + 1 ? 0 : -1;
      edges(region);
    }
  };

  let waiting = 0;
  const soon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(mark);
  };

  document.addEventListener("scroll", event => {
    if (event.target.matches?.(`.bd-article :is(${REGIONS}, .book-wide)`)) edges(event.target);
  }, { capture: true, passive: true });

  document.addEventListener("DOMContentLoaded", () => {
    // The visible words are the name: the fixed label that stands there would hide them.
    for (const summary of document.querySelectorAll("details.hide > summary")) summary.removeAttribute("aria-label");
    for (const summary of document.querySelectorAll(".bd-sidebar-primary summary")) {
      const chapter = summary.closest("li")?.querySelector(":scope > a")?.textContent.trim() ?? "";
      summary.setAttribute("aria-label", `Lessons of ${chapter}`);
    }
    // An entry of the bibliography is no list item.
    for (const list of document.querySelectorAll(".citation-list")) list.removeAttribute("role");
    for (const button of document.querySelectorAll(".sidebar-toggle")) {
      if (!button.hasAttribute("aria-label")) button.setAttribute("aria-label", button.title || "Toggle sidebar");
    }
    // A link to something inside a fold opens it.
    const reveal = () => {
      const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
      for (let n = place; n; n = n.parentElement) if (n.tagName === "DETAILS") n.open = true;
    };
    window.addEventListener("hashchange", reveal);
    reveal();
    const article = document.querySelector(".bd-article");
    if (!article) return;
    // A folded block has no width until it is opened.  "toggle" would come some time later; this comes at once.
    new MutationObserver(mark).observe(article, { attributes: true, attributeFilter: ["open"], subtree: true });
    // Not the window's "resize": a sidebar that slides changes the width as well.
    new ResizeObserver(soon).observe(article);
  });
  window.addEventListener("load", () => {
    mark();
    const typeset = window.MathJax?.startup?.promise;
    if (typeset) typeset.then(mark);
  });
})();
