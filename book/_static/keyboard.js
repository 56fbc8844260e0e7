/* For the keyboard: what scrolls sideways can be reached and scrolled; what fits is no stop on the way. */
(() => {
  "use strict";
  const REGIONS = "pre, .pst-scrollable-table-container, div.math";

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
    }
    for (const region of article.querySelectorAll(REGIONS)) {
      region.tabIndex = region.scrollWidth > region.clientWidth ? 0 : -1;
    }
  };

  let waiting = 0;
  const soon = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(mark);
  };

  // A folded block has no width until it is opened; "toggle" does not bubble.
  document.addEventListener("toggle", soon, true);
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
    // Not the window's "resize": a sidebar that slides changes the width as well.
    const article = document.querySelector(".bd-article");
    if (article) new ResizeObserver(soon).observe(article);
  });
  window.addEventListener("load", () => {
    mark();
    const typeset = window.MathJax?.startup?.promise;
    if (typeset) typeset.then(mark);
  });
})();
