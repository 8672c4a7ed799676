// One point per thing, over n (logarithmic), with what noise alone would give.
(() => {
  "use strict";
  const VALUES = ["estimate", "baseline", "noise_floor", "ceiling"];
  const DASH = { draw: (path, size) => { const half = Math.sqrt(size); path.moveTo(-half, 0); path.lineTo(half, 0); } };

  const TICKS = [
    { key: "baseline", text: "baseline of each", colour: "var(--base)" },
    { key: "noise_floor", text: "noise floor of each", colour: "var(--floor)" },
  ];

  const NAMED = 6; // points of a panel that have their names beside them
  const LABEL = 70; // widest of these, in pixels

  // What noise alone would give, as far as it is known.
  const expected = (row) => row.noise_floor ?? row.baseline ?? 0;
  const tokenOf = (label) => Report.fit(Report.visible(label.replace(/ \(\d+\)$/, "")), LABEL, 11);

  // The points that are farthest above what noise gives, as many as do not cover each other.
  const named = (rows, plot) => {
    const [x, y] = ["x", "y"].map((name) => plot.scale(name));
    const placed = [];
    for (const row of d3.sort(rows.filter((one) => one.label), (one) => expected(one) - one.estimate)) {
      if (placed.length === NAMED || row.estimate <= expected(row)) break;
      const [left, top] = [x.apply(row.x), y.apply(row.estimate)];
      if (placed.every((other) => Math.abs(other.top - top) > 12 || Math.abs(other.left - left) > LABEL + 6)) placed.push({ row, left, top });
    }
    return placed;
  };

  // Writes their names, on the side that has room.
  const writeNames = (plot, rows, width) => {
    for (const { row, left, top } of named(rows, plot)) {
      const room = width - left > LABEL + 20;
      const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      Object.entries({ x: left + (room ? 6 : -6), y: top, dy: "0.32em", "font-size": 11, fill: "var(--ink)", "text-anchor": room ? "start" : "end",
        stroke: "var(--paper)", "stroke-width": 3, "paint-order": "stroke", class: "name" }).forEach(([name, value]) => text.setAttribute(name, value));
      text.textContent = tokenOf(row.label);
      plot.append(text);
    }
  };

  const paint = (context, panel, width, shared) => {
    const { domain, across, figure } = shared;
    const margin = { left: 52, right: 12, top: 12, bottom: 24 };
    const rows = panel.rows;
    const run = rows[0].run;
    const index = shared.rank(run);
    const colour = Report.colour(index);
    const sorted = [...rows].sort((a, b) => a.x - b.x);
    const plot = Report.plot({
      width, height: context.compact ? 190 : width > 700 ? 360 : 260,
      marginLeft: margin.left, marginRight: margin.right, marginTop: margin.top, marginBottom: margin.bottom,
      x: { type: "log", domain: across, label: null, ticks: Math.max(2, Math.floor(width / 110)), tickFormat: "~s" },
      y: { domain, label: null, grid: true, ticks: 5 },
      marks: [
        domain[0] <= 0 ? Plot.ruleY([0], { stroke: "var(--line-strong)" }) : null,
        Plot.ruleX(rows.filter((row) => row.low !== null), { x: "x", y1: "low", y2: "high", stroke: colour, strokeOpacity: 0.2 }),
        ...TICKS.map(({ key, colour: stroke }) =>
          Plot.dot(rows.filter((row) => row[key] !== null), { x: "x", y: key, stroke, strokeOpacity: 0.6, symbol: DASH, r: 3 })),
        Plot.dot(rows, { x: "x", y: "estimate", fill: colour, fillOpacity: 0.65, r: rows.length > 200 ? 2 : 3, symbol: Report.symbol(index) }),
        Plot.lineY(sorted, { x: "x", y: (row) => row.ceiling ?? NaN, stroke: "var(--soft)", strokeDasharray: "2 3", strokeWidth: 1.6 }),
        Plot.dot(rows, Plot.pointer({ x: "x", y: "estimate", r: 7, stroke: "var(--ink)", strokeWidth: 1.5, maxRadius: 40 })),
      ],
    });
    writeNames(plot, rows, width);
    const lines = (row) => Report.describe(row, figure, `${Report.visible(row.label ?? "")} (${Report.place(row)})`);
    return Report.reachable(context, plot, { rows, margin, at: (row) => ({ x: row.x, y: row.estimate }), lines });
  };

  Report.kinds.scatter = (context) => {
    const { figure, rows } = context;
    const placed = rows.filter((row) => row.x > 0 && row.estimate !== null);
    const left = rows.length - placed.length;
    if (left) context.notes.push(`${Report.plural(left, "value")} withheld: the reasons are in ${Report.numbersFile(context.host.dataset.statistic)}.`);
    const across = d3.extent(placed, (row) => row.x);
    if (across[0] === across[1]) across[1] = across[0] * 10;
    const shared = { figure, across, rank: Report.runRank(figure), domain: Report.extent(context.scaleRows, VALUES, figure.zero) };
    const runs = Report.distinct(placed, "run");
    const items = runs.map((run) => ({
      text: runs.length > 1 ? Report.data.runs[run].name : "estimate",
      colour: Report.colour(shared.rank(run)), symbol: Report.symbol(shared.rank(run)),
    }));
    const has = (key) => placed.some((row) => row[key] !== null);
    TICKS.filter(({ key }) => has(key)).forEach(({ text, colour }) => items.push({ text, colour, dash: "none" }));
    if (Report.hasIntervals(placed)) items.push({ text: "95 % interval, same colour", colour: "var(--soft)", dash: "none" });
    if (has("ceiling")) items.push({ text: "ceiling", colour: "var(--soft)", dash: "2 3" });
    return [
      Report.legend(items),
      Report.axisTitle(figure.y_title && `\u2191 ${figure.y_title}`),
      Report.grid(context, Report.panels(placed, ["run", "layer"]), context.dense ? 165 : 280,
        (panel, width) => paint(context, panel, width, shared)),
      Report.axisTitle(`${figure.x_title ?? "n"} (logarithmic) \u2192`),
    ].filter(Boolean);
  };
})();
