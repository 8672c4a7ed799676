// The frame of every figure: selection, panels, legend, notes, alt text. How the marks look is the kind's business.
(() => {
  "use strict";
  const GAP = 18;

  // Common settings of a plot.
  Report.plot = (settings) => {
    const plot = Plot.plot({
      style: { background: "none", color: "var(--ink)", overflow: "visible", fontFamily: "inherit", fontSize: "12px" },
      ...settings,
    });
    plot.setAttribute("aria-hidden", "true"); // the alt text is that of the whole figure
    plot.removeAttribute("role");
    return plot;
  };

  // One group of rows per combination of the keys, in order of layer, with a title where there is more than one.
  Report.panels = (rows, keys) => {
    const groups = new Map();
    for (const row of rows) {
      const key = JSON.stringify(keys.map((name) => row[name]));
      if (!groups.has(key)) groups.set(key, { rows: [], ...Object.fromEntries(keys.map((name) => [name, row[name]])) });
      groups.get(key).rows.push(row);
    }
    const measures = Report.distinct(rows, "panel");
    const place = ({ panel }) => measures.indexOf(panel);
    const panels = [...groups.values()].sort((a, b) =>
      (a.run ?? 0) - (b.run ?? 0) || place(a) - place(b) || (a.layer ?? 0) - (b.layer ?? 0));
    const several = (name) => keys.includes(name) && new Set(panels.map((panel) => panel[name])).size > 1;
    const [runs, series] = [several("run"), several("series")];
    panels.forEach((panel) => {
      const words = [runs ? Report.data.runs[panel.run].name : null, panel.panel, `layer ${panel.layer}`, series ? panel.series : null];
      panel.title = words.filter(Boolean).join(" \u00b7 ");
    });
    return panels;
  };

  // Panels side by side, as many as have room; `paint(panel, width)` returns what `Report.panel` made, or an element.
  Report.grid = (context, panels, minimum, paint) => {
    const room = Math.max(1, Math.floor((context.width + GAP) / (minimum + GAP)));
    const columns = Math.min(panels.length, room);
    const width = Math.floor((context.width - GAP * (columns - 1)) / columns);
    const grid = Report.element("div", { class: "panels" });
    grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    for (const panel of panels) {
      const heading = Report.element("div", { class: "panel-title" }, panel.title);
      grid.append(Report.element("div", { class: "panel" }, heading, paint(panel, width)));
    }
    return grid;
  };

  // A plot whose rows can be reached by pointer and by keys.
  Report.reachable = (context, plot, { rows, margin, at, lines }) => {
    Report.tipOnPlot(plot, lines);
    context.host.panels.push({ plot, rows: rows.filter((row) => row.estimate !== null), margin, at, lines });
    return plot;
  };

  // Lines of reference of a curve, in the legend only where they are there.
  Report.references = (rows) =>
    [
      { key: "noise_floor", text: "noise floor", colour: "var(--floor)", dash: "7 4" },
      { key: "ceiling", text: "ceiling", colour: "var(--soft)", dash: "2 3" },
    ].filter(({ key }) => rows.some((row) => row[key] !== null));

  // Whether any row has a 95 % interval or a baseline: what is not drawn is in no legend and in no alt text.
  Report.hasIntervals = (rows) => rows.some((row) => row.low !== null && row.high !== null);
  Report.hasBaselines = (rows) => rows.some((row) => row.baseline !== null);

  const joined = (head, ...parts) => `${head}${parts.filter(Boolean).map((part, index) => `${index ? " and" : " with"} ${part}`).join("")}`;
  const MARKS = {
    intervals: (rows) => joined("Points", Report.hasIntervals(rows) && "95 % intervals", Report.hasBaselines(rows) && "a tick at the baseline",
      rows.some((row) => row.ceiling !== null) && "a dotted tick at the ceiling"),
    curve: (rows, context) => joined("Lines", Report.hasIntervals(rows) && !context.bare && "bands of 95 % intervals",
      Report.hasBaselines(rows) && "dashed baselines", ...Report.references(rows).map(({ text }) => `a line for the ${text}`)),
    matrix: () => "A matrix of coloured cells",
    scatter: (rows) => joined("Points over n", Report.hasIntervals(rows) && "95 % intervals", Report.hasBaselines(rows) && "a dash at the baseline of each"),
    words: () => "Lists of tokens per expert",
    text: () => "Text whose tokens are marked by what they lost",
  };

  // The section of a statistic, and the file that has all of its numbers.
  const section = (name) => [...document.querySelectorAll(".statistic")].find(({ dataset }) => dataset.name === name);
  Report.numbersFile = (name) => {
    const links = [...(section(name)?.querySelectorAll(".files a") ?? [])].map((link) => link.textContent);
    return /stats\/\S+/.exec(links.find((text) => text.includes("stats/")) ?? "")?.[0] ?? "stats/ of the run";
  };
  const whereNumbersAre = (name) => {
    const table = section(name)?.querySelector("details.table") ? "; the table of this statistic has the main ones" : "";
    return `All numbers are in ${Report.numbersFile(name)}${table}.`;
  };

  // The alt text: what it is, what the marks are, how many values there are and how far they reach.
  const altText = (figure, context, { rows, view }) => {
    const name = `${figure.statistic.title}: ${figure.label}.`;
    const where = whereNumbersAre(context.host.dataset.statistic);
    if (context.empty) return `${name} No number to show. ${where}`;
    const values = rows.map((row) => row.estimate).filter((value) => value !== null);
    const [low, high] = d3.extent(values);
    const range = values.length ? ` from ${Report.number(low)} to ${Report.number(high)} ${figure.unit ?? ""}`.trimEnd() : "";
    const layers = Report.distinct(rows, "layer").join(", ");
    return `${name} ${MARKS[figure.kind](rows, context)}. ${Report.plural(values.length, "value")}${range}, ` +
      `layers ${layers}, ${view} view. ${where}`;
  };

  // What a kind can draw of a row; lists of words need no number.
  const DRAWN = {
    intervals: (row) => row.estimate !== null,
    curve: (row) => row.estimate !== null && row.x !== null,
    matrix: (row) => row.estimate !== null,
    scatter: (row) => row.estimate !== null && row.x > 0,
    words: (row) => row.label !== null,
    text: (row) => row.label !== null,
  };

  // Instead of axes without anything in them.
  const nothing = (context) => {
    const reasons = Report.distinct(context.rows, "note").filter(Boolean);
    const told = reasons.slice(0, 3).join("; ") + (reasons.length > 3 ? "; \u2026" : "");
    const fallback = context.rows.length ? "every value is withheld" : context.notes.pop() ?? "the run has no values of it.";
    return [Report.element("p", { class: "figure-note", dir: "auto" }, `No number to show: ${told || fallback}`)];
  };

  // What a picture beside the words shows.
  const shownBeside = (view) => {
    const layer = Report.state.layer;
    if (layer === "all" && Report.state.view === "chosen") return null;
    return `Shown: ${view} view, ${layer === "all" ? "all layers" : `layer ${layer}`}.`;
  };

  // Draws the figure that an element asks for by data-statistic, data-figure and, for one run only, data-run; as wide as
  // the element, or as the paper.
  Report.draw = (host, paper = null) => {
    const figure = Report.figure(host.dataset.statistic, Number(host.dataset.figure ?? 0));
    const width = paper ?? host.clientWidth;
    if (!figure || !width) return;
    const run = host.dataset.run === undefined ? null : Number(host.dataset.run);
    const selection = Report.select(figure, run);
    const compact = host.hasAttribute("data-compact");
    host.panels = [];
    const context = {
      figure, host, width, compact, paper: paper !== null, rows: selection.rows, notes: [...selection.notes],
      dense: compact || paper !== null || host.hasAttribute("data-picture"), // panels may be narrow
      scaleRows: run === null ? selection.rows : Report.select(figure).rows, // figures of one run each have one scale
    };
    context.empty = !selection.rows.some(DRAWN[figure.kind]);
    const drawn = context.empty ? nothing(context) : Report.kinds[figure.kind](context);
    const notes = [...context.notes, compact ? shownBeside(selection.view) : figure.left_out].filter(Boolean);
    host.replaceChildren(...drawn, ...notes.map((note) => Report.element("p", { class: "figure-note" }, note)));
    host.setAttribute("role", ["words", "text"].includes(figure.kind) ? "group" : "img");
    host.setAttribute("aria-label", [altText(figure, context, selection), ...(context.empty ? drawn.map((node) => node.textContent) : []), ...notes].join(" "));
    host.dataset.drawn = String(Number(host.dataset.drawn ?? 0) + 1);
    host.dataset.width = String(width);
  };

  Report.axisTitle = (text) => (text ? Report.element("p", { class: "axis-title" }, text) : null);
})();
