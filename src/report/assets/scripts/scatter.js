// One point per thing, over n (logarithmic), with what noise alone would give.
(() => {
  "use strict";
  const VALUES = ["estimate", "baseline", "noise_floor", "ceiling"];
  const DASH = { draw: (path, size) => { const half = Math.sqrt(size); path.moveTo(-half, 0); path.lineTo(half, 0); } };

  const paint = (context, panel, width, shared) => {
    const { domain, across, figure } = shared;
    const margin = { left: 52, right: 12, top: 12, bottom: 24 };
    const rows = panel.rows;
    const run = rows[0].run;
    const colour = Report.colour(run);
    const sorted = [...rows].sort((a, b) => a.x - b.x);
    const plot = Report.plot({
      width, height: context.compact ? 190 : width > 700 ? 360 : 260,
      marginLeft: margin.left, marginRight: margin.right, marginTop: margin.top, marginBottom: margin.bottom,
      x: { type: "log", domain: across, label: null, ticks: Math.max(2, Math.floor(width / 110)), tickFormat: "~s" },
      y: { domain, label: null, grid: true, ticks: 5 },
      marks: [
        domain[0] <= 0 ? Plot.ruleY([0], { stroke: "var(--line-strong)" }) : null,
        Plot.ruleX(rows.filter((row) => row.low !== null), { x: "x", y1: "low", y2: "high", stroke: colour, strokeOpacity: 0.2 }),
        Plot.dot(rows.filter((row) => row.baseline !== null), { x: "x", y: "baseline", stroke: "var(--base)", strokeOpacity: 0.6, symbol: DASH, r: 3 }),
        Plot.dot(rows, { x: "x", y: "estimate", fill: colour, fillOpacity: 0.65, r: rows.length > 200 ? 2 : 3, symbol: Report.symbol(run) }),
        ...Report.references(rows).map(({ key, colour: stroke, dash }) =>
          Plot.lineY(sorted, { x: "x", y: (row) => row[key] ?? NaN, stroke, strokeDasharray: dash, strokeWidth: 1.6 })),
        Plot.dot(rows, Plot.pointer({ x: "x", y: "estimate", r: 7, stroke: "var(--ink)", strokeWidth: 1.5, maxRadius: 40 })),
      ],
    });
    const lines = (row) => Report.describe(row, figure, `${Report.visible(row.label ?? "")} (${Report.place(row)})`);
    return Report.reachable(context, plot, { rows, margin, at: (row) => ({ x: row.x, y: row.estimate }), lines });
  };

  Report.kinds.scatter = (context) => {
    const { figure, rows } = context;
    const placed = rows.filter((row) => row.x > 0 && row.estimate !== null);
    const across = d3.extent(placed, (row) => row.x);
    if (across[0] === across[1]) across[1] = across[0] * 10;
    const shared = { figure, across, domain: Report.extent(placed, VALUES, figure.zero) };
    const runs = Report.distinct(placed, "run");
    const items = runs.map((run) => ({ text: runs.length > 1 ? Report.data.runs[run].name : "estimate", colour: Report.colour(run), symbol: Report.symbol(run) }));
    if (placed.some((row) => row.baseline !== null)) items.push({ text: "baseline of each", colour: "var(--base)", dash: "none" });
    items.push(...Report.references(placed));
    return [
      Report.legend(items),
      Report.axisTitle(figure.y_title && `\u2191 ${figure.y_title}`),
      Report.grid(context, Report.panels(placed, ["run", "layer"]), context.compact ? 200 : 280, (panel, width) => paint(context, panel, width, shared)),
      Report.axisTitle(`${figure.x_title ?? "n"} (logarithmic) \u2192`),
    ].filter(Boolean);
  };
})();
