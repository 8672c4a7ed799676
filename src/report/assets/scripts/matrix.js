// Cells coloured by their value, or by how far they are from their baseline where every cell has one.
(() => {
  "use strict";
  const LABELLED = 26; // narrowest cell, in pixels, that has its value written in it
  const LABEL = 110; // widest name, in pixels
  const LINE = 12; // narrowest distance of two names

  // Two digits have room in a cell.
  const short = (value) => {
    const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
    return text.replace("-", "\u2212").replace(/^(\u2212?)0\./, "$1.");
  };

  // From a row to its place on the ramp, the ramp, and what stands below it.
  const colouring = (rows, zero) => {
    const values = rows.filter((row) => row.estimate !== null);
    if (values.length && values.every((row) => row.baseline !== null)) {
      const reach = d3.max(values, (row) => Math.abs(row.estimate - row.baseline)) || 1;
      return {
        at: (row) => (row.estimate - row.baseline) / reach,
        colour: Report.diverging,
        ramp: [-1, 1, [short(-reach), "baseline", `+${short(reach)}`]],
      };
    }
    const [least, high] = values.length ? d3.extent(values, (row) => row.estimate) : [0, 1];
    const low = zero ? Math.min(0, least) : least;
    return {
      at: (row) => (row.estimate - low) / (high - low || 1),
      colour: Report.sequential,
      ramp: [0, 1, [Report.number(low), Report.number(high)]],
    };
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
      x: { type: "band", domain: columnNames, ticks: columnNames.filter((_, index) => index % Math.ceil(LINE / across) === 0), label: null,
        tickSize: 0, padding: 0, tickFormat: shared.columnText,
        ...(shared.rotated(across) ? { tickRotate: -50 } : {}) },
      y: { type: "band", domain: rowNames, label: null, tickSize: 0, padding: 0, tickFormat: shared.rowText },
      marks: [
        Plot.cell(cells, { x: "column", y: "row", inset: 0.5, fill: { value: (row) => colours.colour(colours.at(row)), scale: null } }),
        written ? Plot.text(cells, { x: "column", y: "row", text: (row) => short(row.estimate), fontSize: 10,
          fill: { value: (row) => Report.inkOn(colours.at(row)), scale: null } }) : null,
        Plot.cell(cells, Plot.pointer({ x: "column", y: "row", stroke: "var(--ink)", strokeWidth: 2, fill: "none" })),
      ],
    });
    const lines = (row) => Report.describe(row, figure,
      `${figure.row_title ?? ""} ${row.row}, ${figure.column_title ?? ""} ${row.column} (${Report.place(row)})`.trim());
    return Report.reachable(context, plot, { rows: cells, margin, at: (row) => ({ x: row.column, y: row.row }), lines });
  };

  Report.kinds.matrix = (context) => {
    const { figure, rows, width } = context;
    const rowNames = Report.distinct(rows, "row", figure.rows);
    const columnNames = Report.distinct(rows, "column", figure.columns_order ?? rowNames); // a square matrix has one order
    const [rowStart, columnStart] = [rowNames, columnNames].map((names) => Report.commonStart(names.map(String)));
    const shortened = (start) => (name) => Report.fit(String(name).slice(start.length), LABEL);
    const [rowText, columnText] = [shortened(rowStart), shortened(columnStart)];
    const widest = (names, text) => Math.max(...names.map((name) => Report.textWidth(text(name))));
    const label = Math.ceil(widest(columnNames, columnText));
    const rotated = (across) => label + 1 > across;
    const panels = Report.panels(rows, ["run", "layer"]);
    const left = Math.ceil(widest(rowNames, rowText)) + 12;
    const minimum = left + Math.max(200, 15 * columnNames.length);
    const columns = Math.max(1, Math.min(panels.length, Math.floor((width + 18) / (minimum + 18))));
    const across = ((width - 18 * (columns - 1)) / columns - left - 8) / columnNames.length;
    const bottom = rotated(across) ? Math.ceil(label * 0.78) + 18 : 22;
    const colours = colouring(rows, figure.zero);
    const margin = { left, right: 8, top: 6, bottom };
    const shared = { rowNames, columnNames, rowText, columnText, figure, rotated, colours, margin };
    const beginning = (start) => (start ? ` (${start}\u2026)` : "");
    const titles = [figure.row_title && `\u2193 ${figure.row_title}${beginning(rowStart)}`,
      figure.column_title && `${figure.column_title}${beginning(columnStart)} \u2192`];
    return [
      Report.axisTitle(titles.filter(Boolean).join(", ")),
      Report.grid(context, panels, minimum, (panel, inner) => paint(context, panel, inner, shared)),
      Report.element("div", { class: "legend" }, Report.element("span", {}, figure.y_title ?? ""),
        Report.ramp(shared.colours.colour, ...shared.colours.ramp)),
    ].filter(Boolean);
  };
})();
