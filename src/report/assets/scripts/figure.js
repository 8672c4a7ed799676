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
    const panels = [...groups.values()].sort((a, b) => (a.run ?? 0) - (b.run ?? 0) || (a.layer ?? 0) - (b.layer ?? 0));
    const several = (name) => keys.includes(name) && new Set(panels.map((panel) => panel[name])).size > 1;
    const [runs, series] = [several("run"), several("series")];
    panels.forEach((panel) => {
      const words = [runs ? Report.data.runs[panel.run].name : null, `layer ${panel.layer}`, series ? panel.series : null];
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

  const MARKS = {
    intervals: "Points with 95 % intervals and a tick at the baseline",
    curve: "Lines with bands of 95 % intervals and dashed baselines",
    matrix: "A matrix of coloured cells",
    scatter: "Points over n",
    words: "Lists of tokens per expert",
  };

  // The alt text: what it is, what the marks are, how many values there are and how far they reach.
  const altText = (figure, { rows, view }) => {
    const values = rows.map((row) => row.estimate).filter((value) => value !== null);
    const [low, high] = d3.extent(values);
    const range = values.length ? `from ${Report.number(low)} to ${Report.number(high)} ${figure.statistic.unit ?? ""}` : "";
    const layers = Report.distinct(rows, "layer").join(", ");
    return `${figure.statistic.title}: ${figure.label}. ${MARKS[figure.kind]}. ${Report.plural(values.length, "value")} ` +
      `${range}, layers ${layers}, ${view} view. The numbers are in the table below and in the files of the run.`;
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
      figure, host, width, compact, rows: selection.rows, notes: [...selection.notes],
      dense: compact || paper !== null, // panels may be narrow
      scaleRows: run === null ? selection.rows : Report.select(figure).rows, // figures of one run each have one scale
    };
    const drawn = selection.rows.length ? Report.kinds[figure.kind](context) : [];
    const notes = [...context.notes, compact ? null : figure.left_out].filter(Boolean);
    host.replaceChildren(...drawn, ...notes.map((note) => Report.element("p", { class: "figure-note" }, note)));
    const words = figure.kind === "words";
    host.setAttribute("role", words ? "group" : "img");
    host.setAttribute("aria-label", [altText(figure, selection), ...notes].join(" "));
    host.dataset.drawn = String(Number(host.dataset.drawn ?? 0) + 1);
    host.dataset.width = String(width);
  };

  Report.axisTitle = (text) => (text ? Report.element("p", { class: "axis-title" }, text) : null);
})();
