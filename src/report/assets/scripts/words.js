// Tokens per expert by rank, as tables: a column is an expert, the bar behind a token its value.
(() => {
  "use strict";
  const LETTER = 8.6; // widths in pixels: of a letter, of what stands around a word, of the column of ranks
  const AROUND = 19;
  const RANKS = 48;
  const LEAST = 3; // fewer experts side by side than these are not worth a table: it scrolls instead

  const cell = (row, most, figure) => {
    if (!row) return Report.element("td");
    const head = `${Report.visible(row.label ?? "")} (${Report.place(row)}, expert ${row.column})`;
    const lines = Report.describe(row, figure, head);
    const node = Report.element("td", { dir: "auto", "aria-label": lines.join("; ") }, Report.visible(row.label ?? ""));
    node.style.setProperty("--bar", `${Math.max(0, (100 * (row.estimate ?? 0)) / most).toFixed(1)}%`);
    node.addEventListener("pointermove", (event) => Report.showTip(lines, event.clientX, event.clientY));
    node.addEventListener("pointerleave", Report.hideTip);
    return node;
  };

  // As many experts side by side as have room, the others below, equally many.
  const shares = (panel, figure, width) => {
    const experts = Report.distinct(panel.rows, "column", figure.columns_order);
    const wide = (text) => Math.max(LETTER * Array.from(text).length, Report.textWidth(text, 14)) + AROUND;
    const title = wide(`${figure.column_title ?? ""} ${experts.at(-1) ?? ""}`);
    const widest = Math.max(title, ...panel.rows.map((row) => wide(Report.visible(row.label ?? ""))));
    const room = Math.max(LEAST, Math.floor((width - RANKS) / widest));
    const size = Math.ceil(experts.length / Math.ceil(experts.length / room));
    return d3.range(0, experts.length, size).map((start) => experts.slice(start, start + size));
  };

  const table = (panel, figure, experts, most) => {
    const ranks = Report.distinct(panel.rows, "rank").sort((a, b) => a - b);
    const at = new Map(panel.rows.map((row) => [`${row.column} ${row.rank}`, row]));
    const head = Report.element("tr", {}, Report.element("th", { scope: "col" }, "rank"),
      ...experts.map((expert) => Report.element("th", { scope: "col" }, `${figure.column_title ?? ""} ${expert}`.trim())));
    const body = ranks.map((rank) => Report.element("tr", {}, Report.element("th", { scope: "row" }, String(rank)),
      ...experts.map((expert) => cell(at.get(`${expert} ${rank}`), most, figure))));
    const node = Report.element("table", { class: "words" }, Report.element("thead", {}, head), Report.element("tbody", {}, ...body));
    return Report.element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${panel.title}: ${experts.join(", ")}` }, node);
  };

  const tables = (panel, figure, width) => {
    const most = Math.max(1e-12, ...panel.rows.map((row) => row.estimate ?? 0));
    return Report.element("div", {}, ...shares(panel, figure, width).map((experts) => table(panel, figure, experts, most)));
  };

  Report.kinds.words = (context) => {
    const panels = Report.panels(context.rows, ["run", "layer", "series"]);
    return [
      Report.axisTitle(context.figure.y_title && `bar: ${context.figure.y_title}`),
      Report.grid(context, panels, 800, (panel, width) => tables(panel, context.figure, width)),
    ].filter(Boolean);
  };
})();
