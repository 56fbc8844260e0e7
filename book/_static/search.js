/* The search: ranks the sections of search-index.js and shows sentences.  A page counts where all words are. */
(() => {
  "use strict";
  // Lessons come before what only refers to them.
  const KINDS = { lesson: 4, source_listings: 1.5, chapter: 1, algorithms: 1, glossary: 0.8, notation: 0.6 };
  const OTHER = 0.3;
  const AT_ONCE = 3;  // sections of a page that are named

  const plain = text => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[‐‑–—-]/g, " ");
  // Plural and singular are one word, names in code are several.
  const stem = word => word.replace(/(ies|y)$/, "i").replace(/(?<=[^su])s$/, "");
  const apart = text => text.replace(/(\p{Ll})(?=\p{Lu})/gu, "$1 ").replace(/_/g, " ");
  const split = text => (plain(apart(text)).match(/[\p{L}\p{N}]+/gu) ?? []).map(stem);
  const escaped = text => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);

  /* How often some words stand in a text, the last one also as a beginning; and whether they stand side by side. */
  const count = (text, words) => {
    const all = split(text);
    const hits = words.map((w, i) => all.filter(a => a === w || (i === words.length - 1 && w.length > 2 && a.startsWith(w))).length);
    const joined = ` ${all.join(" ")}`;
    return { hits, phrase: words.length > 1 && joined.includes(` ${words.join(" ")}`) };
  };
  const worth = (text, words, weight, found) => {
    const { hits, phrase } = count(text, words);
    hits.forEach((n, i) => { if (n) found.add(i); });
    const sum = hits.reduce((total, n) => total + Math.log1p(n), 0) / words.length;
    return weight * sum * (phrase ? 3 : 1);
  };

  const rank = query => {
    const words = split(query);
    if (!words.length) return [];
    const results = [];
    for (const page of window.bookIndex) {
      const found = new Set();
      let score = worth(page.title, words, 8, found) + worth(page.about, words, 6, found);
      const sections = [];
      for (const section of page.sections) {
        const here = new Set();
        const value = worth(section.h, words, 4, here) + worth(section.t, words, 1, here);
        here.forEach(i => found.add(i));
        if (value) sections.push({ ...section, value: value * here.size });
      }
      if (found.size < words.length) continue;
      sections.sort((a, b) => b.value - a.value);
      sections.slice(0, AT_ONCE).forEach(section => { score += section.value; });
      results.push({ ...page, sections: sections.slice(0, AT_ONCE), score: score * (KINDS[page.kind] ?? OTHER) });
    }
    return results.sort((a, b) => b.score - a.score || a.title.localeCompare(b.title));
  };

  const mark = (text, words) => escaped(text).replace(/[\p{L}\p{N}]+/gu, word => {
    const its = split(word)[0];
    return words.some((w, i) => its === w || (i === words.length - 1 && w.length > 2 && its?.startsWith(w)))
      ? `<mark>${word}</mark>` : word;
  });

  /* The sentence of a page's best sections that says most of the words. */
  const excerpt = (page, words) => {
    let best = "", most = 0;
    for (const section of page.sections) {
      const sentences = section.t.split(/\n|(?<=[.?!])\s+(?=\p{Lu})/u);
      for (const sentence of sentences.filter(s => /[.?!]\W*$/.test(s) && s.split(" ").length > 3)) {
        const { hits, phrase } = count(sentence, words);
        const value = hits.filter(Boolean).length + (phrase ? 1 : 0);
        if (value > most) [best, most] = [sentence, value];
      }
    }
    best = best.replace(/^✓ /, "");
    return best.length > 240 ? `${best.slice(0, best.lastIndexOf(" ", 240))} …` : best;
  };

  const show = query => {
    const words = split(query), results = rank(query);
    const root = document.documentElement.dataset.content_root;
    document.getElementById("search-status").textContent = !words.length ? ""
      : results.length === 1 ? "One page." : results.length ? `${results.length} pages.`
      : "No page has all of these words. Try fewer, or the name of a method.";
    document.getElementById("search-results").innerHTML = results.map(page => {
      const address = `${root}${page.page}.html`;
      const said = excerpt(page, words);
      const places = page.sections.filter(s => s.h !== page.title).map(s =>
        `<li><a href="${address}#${encodeURIComponent(s.id)}">${mark(s.h, words)}</a></li>`).join("");
      const kind = page.kind === "lesson" ? '<span class="kind">lesson</span>' : "";
      return `<li><p class="page"><a href="${address}">${mark(page.title, words)}</a>${kind}</p>`
        + (page.about ? `<p class="about">${mark(page.about, words)}</p>` : "")
        + (said && said !== page.about ? `<p class="context">${mark(said, words)}</p>` : "")
        + (places ? `<ul>${places}</ul>` : "") + "</li>";
    }).join("");
  };

  document.addEventListener("DOMContentLoaded", () => {
    const query = new URLSearchParams(location.search).get("q") ?? "";
    for (const field of document.querySelectorAll('input[name="q"]')) field.value = query;
    document.querySelector(".bd-search-container input")?.focus();
    show(query);
  });
})();
