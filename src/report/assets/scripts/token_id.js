// Where one token id goes: its assignments per expert, and its occurrences in the documents of this file.
(() => {
  "use strict";
  const SHOWN = 200;
  const CONTEXT = 7;
  const SUGGESTED = 50;

  const OTHERS = 12; // ids with the same text that are offered

  // Charts and files write the blank before a word as a sign.
  const typedText = (typed) => typed.replace(/[\u2423\u2581]/g, " ");

  // Indices in the vocabulary of an id, or of the texts: the same text first, then the same but for blanks around it and
  // for small and large letters, and only else those that hold it. A list's own entries begin with the id.
  Report.findTokens = (set, typed) => {
    const { id, text } = set.vocabulary;
    const number = /^\s*#?(\d+)(?:\s|$)/.exec(typed);
    const byId = number ? id.indexOf(Number(number[1])) : -1;
    const wanted = typedText(typed);
    const word = wanted.trim().toLowerCase();
    const all = text.map((_, index) => index);
    const same = all.filter((index) => text[index] === wanted);
    const alike = word ? all.filter((index) => text[index].trim().toLowerCase() === word) : [];
    const found = [...new Set([...(byId >= 0 ? [byId] : []), ...same, ...alike])];
    if (found.length || !word) return found.slice(0, OTHERS);
    return all.filter((index) => text[index].toLowerCase().includes(word)).slice(0, OTHERS);
  };

  Report.suggestTokens = (set, typed, list) => {
    const wanted = typedText(typed).trim().toLowerCase();
    const found = [];
    for (let index = 0; index < set.vocabulary.id.length && found.length < SUGGESTED; index += 1) {
      const text = Report.tokenText(set, index);
      if (!wanted || text.toLowerCase().includes(wanted) || String(set.vocabulary.id[index]).startsWith(wanted)) found.push(index);
    }
    list.replaceChildren(...found.map((index) =>
      Report.element("option", { value: `${set.vocabulary.id[index]} ${Report.visible(Report.tokenText(set, index))}` })));
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
      const percent = `${((100 * count) / total).toFixed(1)} %`;
      const bar = Report.element("td", { class: "bar" }, percent);
      bar.style.setProperty("--bar", percent.replace(" ", ""));
      return Report.element("tr", {}, Report.element("th", { scope: "row" }, `expert ${expert}`), bar, Report.element("td", {}, Report.count(count)));
    });
    const each = choices > 1 ? `, each with ${choices} choices` : "";
    const caption = `${Report.plural(total, "occurrence")}${each}, over ${counted(set)}, layer ${layer}`;
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
