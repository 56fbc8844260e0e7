/* The search: ranks the sections of search-index.js and shows the sentence that answers.  A page counts where all words
   are; a rare word counts more than a common one, and lessons more than what only refers to them. */
(() => {
  "use strict";
  const KINDS = { lesson: 4, listing: 1.5, chapter: 1, algorithms: 0.5, glossary: 0.5, notation: 0.5 };
  const OTHER = 0.3;
  const ASIDE = /^(exercise|references|how it compares|what the source)/i;
  const AT_ONCE = 3;   // sections of a page that are named
  const BEGINNING = 5; // letters from which on a word that is nowhere is taken for a beginning

  const plain = text => text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
  // Names in code are several words; plural and singular are one.
  const apart = text => text.replace(/(\p{Ll})(?=\p{Lu})/gu, "$1 ").replace(/_/g, " ");
  const stem = word => word.replace(/(ies|y)$/, "i").replace(/(?<=[^su])s$/, "");
  const split = text => (plain(apart(text)).match(/[\p{L}\p{N}]+/gu) ?? []).map(stem);
  const escaped = text => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);

  const pages = () => {
    const { pages } = window.bookIndex;
    for (const page of pages) {
      if (page.words) break;
      page.words = { title: split(page.title), about: split(page.about), all: new Set() };
      for (const section of page.sections) section.words = { h: split(section.h), t: split(section.t) };
      const parts = page.sections.flatMap(s => [s.words.h, s.words.t]);
      for (const part of [page.words.title, page.words.about, ...parts]) part.forEach(w => page.words.all.add(w));
    }
    return pages;
  };

  /* What is asked: words, how rare each is, and how a word of a text is compared with it. */
  const asked = query => {
    const words = split(query), all = pages();
    const last = words.at(-1) ?? "";
    const begins = last.length >= BEGINNING && !all.some(page => page.words.all.has(last));
    const is = (word, i) => word === words[i] || (begins && i === words.length - 1 && word.startsWith(last));
    const weights = words.map((_, i) => {
      const having = all.filter(page => [...page.words.all].some(word => is(word, i))).length;
      return Math.log(1 + all.length / (1 + having));
    });
    return { words, is, weights, text: words.join(" ") };
  };

  const count = (text, { words, is }) => words.map((_, i) => text.filter(word => is(word, i)).length);
  const phrase = (text, { words, is }) => words.length > 1
    && text.some((_, at) => words.every((_, i) => text[at + i] !== undefined && is(text[at + i], i)));
  const worth = (text, query, weight, found) => {
    const hits = count(text, query);
    hits.forEach((n, i) => { if (n) found.add(i); });
    const sum = hits.reduce((total, n, i) => total + query.weights[i] * Math.log1p(n), 0);
    return weight * sum * (phrase(text, query) ? 3 : 1);
  };

  const rank = query => {
    const results = [];
    for (const page of query.words.length ? pages() : []) {
      const found = new Set(), sections = [];
      let score = worth(page.words.title, query, 8, found) + worth(page.words.about, query, 6, found);
      for (const section of page.sections) {
        const here = new Set();
        const value = worth(section.words.h, query, 4, here) + worth(section.words.t, query, 1, here);
        here.forEach(i => found.add(i));
        const weight = here.size * (ASIDE.test(section.h) ? 0.4 : 1);
        if (value) sections.push({ ...section, value: value * weight });
      }
      if (found.size < query.words.length) continue;
      sections.sort((a, b) => b.value - a.value);
      const best = sections.slice(0, AT_ONCE);
      best.forEach(section => { score += section.value; });
      // Who types a title wants that page.
      const exact = page.words.title.join(" ") === query.text ? 1e6 : 0;
      results.push({ ...page, query, sections: best, score: score * (KINDS[page.kind] ?? OTHER) + exact });
    }
    return results;
  };

  /* An abbreviation also finds what it is short for. */
  const search = words => {
    const long = window.bookIndex.short[plain(words.trim())];
    const results = [words, ...(long ? [long] : [])].flatMap(text => rank(asked(text)));
    results.sort((a, b) => b.score - a.score || a.title.localeCompare(b.title));
    return results.filter((r, i) => results.findIndex(other => other.page === r.page) === i);
  };

  const mark = (text, { words, is }) => escaped(text).replace(/&#\d+;|[\p{L}\p{N}]+/gu, word =>
    !word.startsWith("&") && split(word).some(its => words.some((_, i) => is(its, i))) ? `<mark>${word}</mark>` : word);

  /* The sentence of a page's best sections that says most of the words. */
  const excerpt = page => {
    let best = "", most = 0;
    for (const section of page.sections) {
      const sentences = section.t.split(/\n|(?<=[.?!])\s+(?=\p{Lu})/u);
      for (const sentence of sentences) {
        if (!/[.?!]\W*$/.test(sentence) || /\\|^Recorded on /.test(sentence) || sentence.split(" ").length < 4) continue;
        const text = split(sentence);
        const value = count(text, page.query).filter(Boolean).length + (phrase(text, page.query) ? 1 : 0);
        if (value > most) [best, most] = [sentence, value];
      }
    }
    best = best.replace(/^✓ /, "");
    return best.length > 240 ? `${best.slice(0, best.lastIndexOf(" ", 240))} …` : best;
  };

  const show = words => {
    const results = search(words);
    const root = document.documentElement.dataset.content_root;
    document.getElementById("search-status").textContent = !words.trim() ? ""
      : results.length === 1 ? "One page." : results.length ? `${results.length} pages.`
      : "No page has all of these words. Try fewer, or the name of a method.";
    document.getElementById("search-results").innerHTML = results.map(page => {
      const { query } = page, address = `${root}${page.page}.html`;
      const said = excerpt(page);
      const places = page.sections.filter(s => s.h !== page.title).map(s =>
        `<li><a href="${address}#${encodeURIComponent(s.id)}">${mark(s.h, query)}</a></li>`).join("");
      const kind = page.kind === "lesson" ? '<span class="kind">lesson</span>' : "";
      return `<li><p class="page"><a href="${address}">${mark(page.title, query)}</a>${kind}</p>`
        + (page.about ? `<p class="about">${mark(page.about, query)}</p>` : "")
        + (said && said !== page.about ? `<p class="context">${mark(said, query)}</p>` : "")
        + (places ? `<ul>${places}</ul>` : "") + "</li>";
    }).join("");
  };

  document.addEventListener("DOMContentLoaded", () => {
    const words = new URLSearchParams(location.search).get("q") ?? "";
    for (const field of document.querySelectorAll('input[name="q"]')) field.value = words;
    document.querySelector(".bd-search-container input")?.focus();
    show(words);
  });
})();
