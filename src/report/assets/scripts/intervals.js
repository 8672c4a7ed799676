// Estimates with their intervals, one line per label, layers side by side; measures that differ one under the other.
(() => {
  "use strict";
  const VALUES = ["estimate", "low", "high", "baseline", "ceiling"];

  // So many layers stand side by side; the rest goes below, equally wide.
  const chunks = (layers, size) =>
    Array.from({ length: Math.ceil(layers.length / size) }, (_, index) => layers.slice(index * size, (index + 1) * size));

  const runMarks = (rows, run, index, several) => {
    const place = several ? { y: (row) => String(row.run), fy: "label", fx: "layer" } : { y: "label", fx: "layer" };
    const colour = Report.colour(index);
    return [
      Plot.ruleY(rows.filter((row) => row.low !== null), { ...place, x1: "low", x2: "high", stroke: colour, strokeWidth: 2.5, strokeOpacity: 0.75 }),
      Plot.dot(rows, { ...place, x: "estimate", fill: colour, stroke: colour, r: 4, symbol: Report.symbol(index) }),
      Plot.tickX(rows.filter((row) => row.baseline !== null), { ...place, x: "baseline", stroke: "var(--base)", strokeWidth: 2.2 }),
      Plot.tickX(rows.filter((row) => row.ceiling !== null), { ...place, x: "ceiling", stroke: "var(--soft)", strokeWidth: 1.6, strokeDasharray: "2 2" }),
    ];
  };

  // The values beside their marks, on the side that has room.
  const valueMarks = (rows, { figure, domain }, several) => {
    if (figure.decimals === undefined || several) return [];
    const middle = domain[0] + 0.62 * (domain[1] - domain[0]);
    const text = (row) => Report.written(row.estimate, figure.decimals, figure.unit);
    const side = (right) => Plot.text(rows.filter((row) => row.estimate !== null && (row.estimate <= middle) === right), {
      y: "label", fx: "layer", x: (row) => (right ? row.high : row.low) ?? row.estimate, text,
      textAnchor: right ? "start" : "end", dx: right ? 7 : -7, fontSize: 11, fill: "var(--ink)",
    });
    return [side(true), side(false)];
  };

  const paint = (context, rows, layers, shared) => {
    const { labels, start, runs, domain, figure, margin } = shared;
    const several = runs.length > 1;
    const lineHeight = several ? 13 * runs.length + 8 : context.compact ? 17 : 22;
    const cut = (label) => Report.fit(label.slice(start.length), margin.left - 12);
    const labelAxis = { domain: labels, tickFormat: cut, label: null, tickSize: 0 };
    const plot = Report.plot({
      width: margin.left + (context.width - margin.left) * (layers.length / shared.abreast),
      height: labels.length * lineHeight + margin.top + margin.bottom,
      marginLeft: margin.left, marginRight: margin.right, marginTop: margin.top, marginBottom: margin.bottom,
      x: { domain, label: null, grid: true, insetLeft: 3, insetRight: 12,
        ticks: Math.max(2, Math.floor((context.width - margin.left) / shared.abreast / 80)) },
      y: several ? { axis: null, domain: runs.map(String), padding: 0.1 } : { ...labelAxis, padding: 0.25 },
      ...(several ? { fy: { ...labelAxis, axis: "left", padding: 0.15 } } : {}),
      fx: { domain: layers, label: null, tickFormat: (layer) => `layer ${layer}`, paddingInner: 0.06, paddingOuter: 0 },
      marks: [
        Plot.ruleX(domain[0] <= 0 && domain[1] >= 0 ? [0] : [], { stroke: "var(--line-strong)" }),
        ...runs.flatMap((run) => runMarks(rows.filter((row) => row.run === run), run, shared.rank(run), several)),
        ...valueMarks(rows, shared, several),
        Plot.dot(rows, Plot.pointer({
          x: "estimate", fx: "layer", r: 8, stroke: "var(--ink)", strokeWidth: 1.5, maxRadius: 60,
          ...(several ? { y: (row) => String(row.run), fy: "label" } : { y: "label" }),
        })),
      ],
    });
    const at = (row) => ({ x: row.estimate, fx: row.layer,
      ...(several ? { y: String(row.run), fy: row.label } : { y: row.label }) });
    const series = (row) => (row.series ? `${row.series}: ` : "");
    const lines = (row) => Report.describe(row, figure, `${series(row)}${row.label} (${Report.place(row)})`);
    return Report.reachable(context, plot, { rows, margin, at, lines });
  };

  // The plots of one measure.
  const part = (context, series, shared) => {
    const { figure } = shared;
    const own = (rows) => (series === null ? rows : rows.filter((row) => row.series === series));
    const rows = own(context.rows);
    const all = own(context.scaleRows);
    const labels = Report.distinct(all, "label", series === null ? figure.rows : null);
    const domain = Report.extent(all, VALUES, figure.zero, figure.reach);
    // What all names of a panel begin with is said once where they have no room for it.
    const isWide = labels.some((label) => Report.textWidth(label) > shared.margin.left - 12);
    const start = isWide ? Report.commonStart(labels) : "";
    // What is about one layer alone has no room for the others beside the words.
    const layers = shared.layers.filter((layer) => !context.compact || rows.some((row) => row.layer === layer));
    const plots = chunks(layers, shared.abreast).map((some) =>
      paint(context, rows.filter((row) => some.includes(row.layer)), some, { ...shared, labels, start, domain }));
    if (series === null) {
      if (start) context.notes.push(`All names begin with ${start.trim()}.`);
      return plots;
    }
    return [Report.element("div", { class: "panel-title" }, start ? `${series} (${start.trim()}\u2026)` : series), ...plots];
  };

  Report.kinds.intervals = (context) => {
    const { figure, rows, width } = context;
    const labels = Report.distinct(rows, "label", figure.rows);
    const runs = Report.distinct(rows, "run");
    const layers = Report.distinct(rows, "layer").sort((a, b) => a - b);
    const widest = (cut) => Math.max(...labels.map((label) => Report.textWidth(label.slice(cut.length))));
    const longest = widest(widest("") + 14 > width * 0.36 ? Report.commonStart(labels) : "");
    // In a narrow window the names matter more than the room of the marks.
    const left = Math.ceil(Math.min(longest + 14, width * (width < 420 ? 0.47 : 0.36)));
    const margin = context.compact ? { left, right: 10, top: 19, bottom: 20 } : { left, right: 10, top: 24, bottom: 24 };
    const shared = { runs, layers, rank: Report.runRank(figure), figure, margin };
    const room = Math.max(1, Math.floor((width - left) / (context.dense ? 80 : 150)));
    shared.abreast = Math.ceil(layers.length / Math.ceil(layers.length / room));
    const measures = Report.distinct(rows, "series");
    const plots = (measures.length ? measures : [null]).flatMap((series) => part(context, series, shared));
    const ranged = Report.hasIntervals(rows);
    const words = ranged ? "estimate, 95 % interval (where none is seen it is narrower than the mark)" : "estimate";
    const item = (run, text) => ({
      text, colour: Report.colour(shared.rank(run)), dash: ranged ? "none" : null, symbol: Report.symbol(shared.rank(run)),
    });
    const items = runs.length > 1 ? runs.map((run) => item(run, Report.data.runs[run].name))
      : [item(runs[0], words)];
    if (runs.length > 1 && ranged) items.push({ text: "95 % interval, same colour", colour: "var(--soft)", dash: "none" });
    if (Report.hasBaselines(rows)) items.push({ text: "baseline", colour: "var(--base)", tick: true });
    if (rows.some((row) => row.ceiling !== null)) items.push({ text: "ceiling: the most that is possible", colour: "var(--soft)", tick: true, dash: "2 2" });
    const title = measures.length > 1 ? null : Report.axisTitle(figure.y_title && `${figure.y_title} \u2192`);
    return [Report.legend(items), ...plots, title].filter(Boolean);
  };
})();
