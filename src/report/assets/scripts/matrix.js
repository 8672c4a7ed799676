// Cells coloured by their value: equal numbers have equal colours. Shares of experts are shown as multiples of their
// baselines, on a logarithmic scale that is the same up and down.
(() => {
  "use strict";
  const LABELLED = 26; // narrowest cell, in pixels, that has its value written in it
  const LABEL = 110; // widest name, in pixels
  const SHORT = 24; // names up to this width need not be turned
  const LINE = 12; // narrowest distance of two names

  // Two digits have room in a cell.
  const short = (value) => {
    const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
    return text.replace("-", "\u2212").replace(/^(\u2212?)0\./, "$1.");
  };

  const MOST = 8; // multiples beyond are as dark as this one

  // What a cell says, from a row to its place on the ramp, the ramp, and what stands below it.
  const multiples = (values) => {
    const times = (row) => row.estimate / row.baseline;
    const reached = d3.max(values, (row) => (row.estimate > 0 ? Math.abs(Math.log(times(row))) : 0)) ?? 0;
    const limit = Math.min(MOST, Math.max(1.5, Math.exp(reached)));
    return {
      says: times,
      at: (row) => Math.max(-1, Math.min(1, Math.log(times(row)) / Math.log(limit))),
      colour: Report.diverging,
      ramp: [-1, 1, [`${short(1 / limit).replace(/^\./, "0.")} or less`, "1: as the baseline", `${short(limit)}${reached > Math.log(MOST) ? " or more" : ""}`]],
      title: "times the baseline (logarithmic)",
    };
  };

  const colouring = (rows, figure) => {
    const values = rows.filter((row) => row.estimate !== null);
    if (figure.ratio) return multiples(values);
    const [least, high] = values.length ? d3.extent(values, (row) => row.estimate) : [0, 1];
    const says = (row) => row.estimate;
    if (least < 0) {
      const reach = Math.max(-least, high) || 1;
      return { says, at: (row) => row.estimate / reach, colour: Report.diverging, ramp: [-1, 1, [short(-reach), "0", `+${short(reach)}`]] };
    }
    // What starts near 0 starts at 0; else the colours would be wasted on what does not occur.
    const low = least < 0.6 * high ? 0 : least;
    return {
      says,
      at: (row) => (row.estimate - low) / (high - low || 1),
      colour: Report.sequential,
      ramp: [0, 1, [Report.number(low), Report.number(high)]],
    };
  };

  // Each pair of a symmetric matrix stands on both sides of the diagonal.
  const bothWays = (rows) => [...rows, ...rows.filter((row) => row.row !== row.column).map((row) => ({ ...row, row: row.column, column: row.row }))];

  // Which rows are the last of those that belong together.
  const lastOfGroups = (figure, names) => {
    const group = new Map();
    let at = 0;
    for (const { name, count } of figure.groups ?? []) {
      for (const row of figure.rows.slice(at, at + count)) group.set(row, name);
      at += count;
    }
    return names.filter((name, index) => names[index + 1] !== undefined && group.get(name) !== group.get(names[index + 1]));
  };

  // Lines between the groups, in a square both ways.
  const groupMarks = ({ figure, rowNames }, across, down) => {
    const last = lastOfGroups(figure, rowNames);
    const line = { stroke: "var(--ink)", strokeWidth: 1.5 };
    return [Plot.ruleY(last, { ...line, dy: down / 2 }), figure.symmetric ? Plot.ruleX(last, { ...line, dx: across / 2 }) : null];
  };

  const paint = (context, panel, width, shared) => {
    const { rowNames, columnNames, colours, figure, margin } = shared;
    const cells = panel.rows.filter((row) => row.estimate !== null);
    const across = (width - margin.left - margin.right) / columnNames.length;
    const down = Math.min(24, Math.max(15, across));
    const written = across >= LABELLED && down >= 15;
    const plot = Report.plot({
      width,
      height: Math.ceil(rowNames.length * down + margin.top + margin.bottom),
      marginLeft: margin.left, marginRight: margin.right, marginTop: margin.top, marginBottom: margin.bottom,
      x: { type: "band", domain: columnNames, ticks: columnNames.filter((_, index) => index % Math.ceil(shared.apart(across) / across) === 0), label: null,
        tickSize: 0, padding: 0, tickFormat: shared.columnText,
        ...(shared.rotated(across) ? { tickRotate: -50 } : {}) },
      y: { type: "band", domain: rowNames, label: null, tickSize: 0, padding: 0, tickFormat: shared.rowText },
      marks: [
        Plot.cell(cells, { x: "column", y: "row", inset: 0.5, fill: { value: (row) => colours.colour(colours.at(row)), scale: null } }),
        written ? Plot.text(cells, { x: "column", y: "row", text: (row) => short(colours.says(row)), fontSize: 10,
          fill: { value: (row) => Report.inkOn(colours.at(row)), scale: null } }) : null,
        ...groupMarks(shared, across, down),
        Plot.cell(cells, Plot.pointer({ x: "column", y: "row", stroke: "var(--ink)", strokeWidth: 2, fill: "none" })),
      ],
    });
    const lines = (row) => Report.describe(row, figure,
      `${figure.row_title ?? ""} ${row.row}, ${figure.column_title ?? ""} ${row.column} (${Report.place(row)})`.trim());
    return Report.reachable(context, plot, { rows: cells, margin, at: (row) => ({ x: row.column, y: row.row }), lines });
  };

  Report.kinds.matrix = (context) => {
    const { figure, width } = context;
    const rows = figure.symmetric ? bothWays(context.rows) : context.rows;
    const rowNames = Report.distinct(rows, "row", figure.rows);
    const columnNames = Report.distinct(rows, "column", figure.columns_order ?? rowNames); // a square matrix has one order
    const [rowStart, columnStart] = [rowNames, columnNames].map((names) => Report.commonStart(names.map(String)));
    const shortened = (start) => (name) => Report.fit(String(name).slice(start.length), LABEL);
    const [rowText, columnText] = [shortened(rowStart), shortened(columnStart)];
    const widest = (names, text) => Math.max(...names.map((name) => Report.textWidth(text(name))));
    const label = Math.ceil(widest(columnNames, columnText));
    // Short names, such as numbers, are left out in turn; long ones are turned.
    const rotated = (across) => label > SHORT && label + 1 > across;
    const panels = Report.panels(rows, ["run", "layer"]);
    const left = Math.ceil(widest(rowNames, rowText)) + 12;
    // On paper three layers stand side by side where they can.
    const minimum = left + (context.paper ? Math.max(100, 6.2 * columnNames.length) : Math.max(200, (context.dense ? 13 : 15) * columnNames.length));
    const columns = Math.max(1, Math.min(panels.length, Math.floor((width + 18) / (minimum + 18))));
    const across = ((width - 18 * (columns - 1)) / columns - left - 8) / columnNames.length;
    const bottom = rotated(across) ? Math.ceil(label * 0.78) + 18 : 22;
    const colours = colouring(context.scaleRows, figure);
    const margin = { left, right: 8, top: 6, bottom };
    const shared = { rowNames, columnNames, rowText, columnText, figure, rotated, colours, margin, apart: (space) => (rotated(space) ? LINE : Math.min(label + 5, SHORT + 5)) };
    if (figure.groups) {
      const names = figure.groups.map(({ name }) => name).join(", ");
      context.notes.push(`Between the lines: ${names}; within each, side by side what is routed alike (mean over layers and runs).`);
    }
    const beginning = (start) => (start ? ` (${start}\u2026)` : "");
    const titles = [figure.row_title && `\u2193 ${figure.row_title}${beginning(rowStart)}`,
      figure.column_title && `${figure.column_title}${beginning(columnStart)} \u2192`];
    return [
      Report.axisTitle(titles.filter(Boolean).join(", ")),
      Report.grid(context, panels, minimum, (panel, inner) => paint(context, panel, inner, shared)),
      Report.element("div", { class: "legend" }, Report.element("span", {}, colours.title ?? figure.y_title ?? ""),
        Report.ramp(shared.colours.colour, ...shared.colours.ramp)),
    ].filter(Boolean);
  };
})();
