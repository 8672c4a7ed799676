// Where one token id goes: its assignments per expert, and its occurrences in the documents of this file.
(() => {
  "use strict";
  const SHOWN = 200;
  const CONTEXT = 7;
  const SUGGESTED = 50;
  const MATCHES = 8; // ids with the same text that are offered

  // How often an id occurs, as far as the file counts it.
  const occurrencesOf = (set) => {
    const layer = set.layers[0];
    const each = Report.choicesEach(set, layer);
    set.often ??= set.vocabulary.id.map((_, index) =>
      d3.sum(set.counts[layer]?.[index] ?? [], (value, at) => (at % 2 ? value : 0)) / each);
    return set.often;
  };
  const commonestFirst = (set, found, isText = () => true) => {
    const often = occurrencesOf(set);
    return found.sort((a, b) => isText(b) - isText(a) || often[b] - often[a] || set.vocabulary.id[a] - set.vocabulary.id[b]);
  };
  const listed = (set, index) => `${set.vocabulary.id[index]} ${Report.visible(Report.tokenText(set, index))}`;

  // Indices in the vocabulary of the tokens that somebody may mean, as the command `token` finds them: by text in any
  // spelling, or by id; the text before the id, and the commonest first. `near`: none is meant, these only hold the text.
  Report.findTokens = (set, typed) => {
    const { id, text } = set.vocabulary;
    const all = id.map((_, index) => index);
    const chosen = all.find((index) => typed === listed(set, index));
    if (chosen !== undefined) return { found: [chosen], near: false };
    const meant = new Set(Report.meantBy(typed));
    const isText = (index) => meant.has(Report.visible(text[index]));
    const found = all.filter((index) => isText(index) || String(id[index]) === typed);
    const word = typed.trim().toLowerCase();
    if (found.length || !word) return { found: commonestFirst(set, found, isText).slice(0, MATCHES), near: false };
    const near = all.filter((index) => text[index].toLowerCase().includes(word));
    return { found: commonestFirst(set, near).slice(0, MATCHES), near: true };
  };

  Report.suggestTokens = (set, typed, list) => {
    const wanted = typed.replace(/[\u2423\u2581\u0120]/g, " ").trim().toLowerCase();
    const { id, text } = set.vocabulary;
    const found = id.map((_, index) => index).filter((index) =>
      !wanted || text[index].toLowerCase().includes(wanted) || String(id[index]).startsWith(wanted));
    const meant = new Set(typed ? Report.meantBy(typed) : []);
    const first = commonestFirst(set, found, (index) => meant.has(Report.visible(text[index]))).slice(0, SUGGESTED);
    list.replaceChildren(...first.map((index) => Report.element("option", { value: listed(set, index) })));
  };

  // Of a large run only a part is read.
  const counted = ({ counts_of: of, tokens_read: read, tokens_total: total }) => {
    if (of === "run") return "all documents of the run";
    const amount = Number.isFinite(read) ? ` (${Report.count(read)} of ${Report.plural(total, "token")})` : "";
    return `the part of the run that was read${amount}`;
  };

  // How many of the occurrences of an id chose an expert, most first, with a bar: 100 % is all of them. An occurrence has
  // as many choices as the router makes, so that the shares add up to so many times 100 %.
  const countTable = (set, layer, vocabulary) => {
    const flat = set.counts[layer]?.[vocabulary] ?? [];
    const pairs = d3.pairs(flat).filter((_, index) => index % 2 === 0).sort((a, b) => b[1] - a[1]);
    const choices = Report.choicesEach(set, layer);
    const total = d3.sum(pairs, ([, count]) => count) / choices;
    const rows = pairs.map(([expert, count]) => {
      const bar = Report.element("td", { class: "bar" }, Report.share(count / total));
      bar.style.setProperty("--bar", `${(100 * count) / total}%`);
      return Report.element("tr", {}, Report.element("th", { scope: "row" }, `expert ${expert}`), bar, Report.element("td", {}, Report.count(count)));
    });
    const each = choices > 1 ? `, each with ${choices} choices` : "";
    const caption = `${Report.plural(total, "occurrence")}${each}, over ${counted(set)}, layer ${layer}; openmoe-analyze token gives 95 % intervals`;
    const heads = ["expert", "share of the occurrences", "count"].map((text) => Report.element("th", { scope: "col" }, text));
    return Report.element("table", { class: "counts" }, Report.element("caption", {}, caption),
      Report.element("thead", {}, Report.element("tr", {}, ...heads)), Report.element("tbody", {}, ...rows));
  };

  const badge = (choice) =>
    Report.element("span", { class: choice.dropped ? "badge dropped" : "badge" }, `${choice.expert}${choice.dropped ? " dropped" : ""}`);

  // One occurrence in its context; the button opens its document there.
  const line = (set, layer, place, open) => {
    const sequence = Report.sequenceAt(set, place);
    const end = sequence.start + sequence.length;
    const words = (from, to) => set.token.slice(from, to).map((token) => Report.tokenText(set, token)).join("");
    const name = set.documents[sequence.document].name;
    const go = Report.element("button", { type: "button", class: "place", dir: "auto" }, `${name}, position ${place - sequence.start}`);
    go.addEventListener("click", () => open(sequence, place));
    return Report.element("li", {},
      Report.element("span", { class: "context", dir: "auto" },
        words(Math.max(sequence.start, place - CONTEXT), place),
        Report.element("mark", { dir: "auto" }, Report.tokenText(set, set.token[place])),
        words(place + 1, Math.min(end, place + 1 + CONTEXT))),
      Report.element("span", { class: "badges" }, ...Report.choices(set, layer, sequence, place).map(badge)),
      go);
  };

  const occurrences = (set, vocabulary) => {
    const places = [];
    let count = 0;
    set.token.forEach((token, place) => {
      if (token !== vocabulary) return;
      count += 1;
      if (places.length < SHOWN) places.push(place);
    });
    return { places, count };
  };

  // The panel of a token id.
  Report.idPanel = (set, layer, vocabulary, open) => {
    const { places, count } = occurrences(set, vocabulary);
    const text = Report.visible(Report.tokenText(set, vocabulary));
    const heading = Report.element("h4", {}, "Token id ", Report.element("code", {}, String(set.vocabulary.id[vocabulary])), " ", Report.element("code", { dir: "auto" }, text));
    const shown = count > places.length ? `, the first ${places.length} of them` : "";
    return [
      heading,
      Report.element("div", { class: "id-columns" },
        countTable(set, layer, vocabulary),
        Report.element("div", {},
          Report.element("p", {}, `${Report.plural(count, "occurrence")} in the documents in this file${shown}, with the experts in order of choice:`),
          Report.element("ol", { class: "occurrences", tabindex: "0", "aria-label": `occurrences of ${text}` },
            ...places.map((place) => line(set, layer, place, open))))),
    ];
  };
})();
