// The words of the answers, as the selectors ask for them. The sentences are about all layers before capacity. When one layer is
// chosen, what is known of it stands before them; of another view the numbers of the picture do, because no sentence is about it.
(() => {
  "use strict";
  const VIEW_WORDS = { chosen: "before capacity", kept: "after capacity" };

  // The lines of the details that are about a layer.
  const linesOf = (words, layer) =>
    [...words.querySelectorAll(".more li")].filter((line) => line.textContent.startsWith(`layer ${layer}:`)).map((line) => line.textContent);

  // What the picture beside the words shows, layer by layer.
  const numbersOf = (figure, rows) =>
    Report.distinct(rows, "layer").sort((a, b) => a - b).map((layer) => {
      const own = rows.filter((row) => row.layer === layer && row.estimate !== null);
      const parts = Report.distinct(own, "series").map((series) => {
        const values = own.filter((row) => row.series === series).map((row) => `${row.label} ${Report.written(row.estimate, figure.decimals, figure.unit)}`);
        return `${(series ?? "").split(":")[0]}: ${values.join(", ")}`;
      });
      return `layer ${layer}, ${VIEW_WORDS[rows[0].view] ?? rows[0].view}: ${parts.join("; ")}`;
    });

  // What stands before the sentences of a run, and what these are about; none where they are about what is chosen.
  const before = (answer) => {
    const { layer, view } = Report.state;
    if (layer === "all" && view === "chosen") return null;
    const host = answer.querySelector(".plot");
    const figure = host ? Report.figure(host.dataset.statistic, Number(host.dataset.figure)) : null;
    const selected = figure ? Report.select(figure, Number(host.dataset.run)) : { rows: [], view: "chosen" };
    const where = layer === "all" ? "all layers" : `layer ${layer}`;
    if (view !== "chosen" && selected.view !== view) {
      const lines = layer === "all" ? [] : linesOf(answer, layer);
      return { lines, about: `This question is answered before capacity alone, whatever view is chosen. The sentences below are about all layers.` };
    }
    const lines = view === "chosen" ? linesOf(answer, layer) : numbersOf(figure, selected.rows);
    const none = lines.length ? "" : `No line is about ${where} alone: the picture and the tables have its numbers. `;
    return { lines, about: `${none}The sentences below are about all layers, ${VIEW_WORDS.chosen}${view === "chosen" ? "" : `; what stands here is ${VIEW_WORDS[view]}`}.` };
  };

  // What the line above a figure, or on a folded card, is about, where the figure shows something else.
  const markLine = (line) => {
    const { layer, view } = Report.state;
    const host = line.closest("figure, details")?.querySelector(".plot");
    const figure = host ? Report.figure(host.dataset.statistic, Number(host.dataset.figure)) : null;
    const seen = figure ? Report.distinct(figure.rows_data, "view") : [];
    const about = [];
    if (layer !== "all") about.push("all layers");
    if (view !== "chosen" && seen.includes("chosen") && seen.includes(view)) about.push(VIEW_WORDS.chosen);
    line.querySelector(".said-of")?.remove();
    if (about.length) line.append(Report.element("span", { class: "said-of soft" }, ` (${about.join(", ")})`));
  };

  Report.markWords = () => {
    document.querySelectorAll(".message-line, .card > summary .glance, .statistic > summary .glance").forEach(markLine);
    for (const answer of document.querySelectorAll(".answer")) {
      const box = answer.querySelector(".words-about");
      const told = before(answer);
      box.hidden = !told;
      const lines = (told?.lines ?? []).map((line) => Report.element("li", { dir: "auto" }, line));
      box.replaceChildren(...(lines.length ? [Report.element("ul", {}, ...lines)] : []),
        ...(told ? [Report.element("p", { class: "soft" }, told.about)] : []));
    }
  };
})();
