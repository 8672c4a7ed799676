// Tokens per expert by rank, as tables: a column is an expert, the bar behind a token its value.
(() => {
  "use strict";

  const cell = (row, most, figure) => {
    if (!row) return Report.element("td");
    const head = `${Report.visible(row.label ?? "")} (${Report.place(row)}, expert ${row.column})`;
    const lines = Report.describe(row, figure, head);
    const node = Report.element("td", { "aria-label": lines.join("; ") }, Report.visible(row.label ?? ""));
    node.style.setProperty("--bar", `${Math.max(0, (100 * (row.estimate ?? 0)) / most).toFixed(1)}%`);
    node.addEventListener("pointermove", (event) => Report.showTip(lines, event.clientX, event.clientY));
    node.addEventListener("pointerleave", Report.hideTip);
    return node;
  };

  const table = (panel, figure) => {
    const experts = Report.distinct(panel.rows, "column", figure.columns_order);
    const ranks = Report.distinct(panel.rows, "rank").sort((a, b) => a - b);
    const at = new Map(panel.rows.map((row) => [`${row.column} ${row.rank}`, row]));
    const most = Math.max(1e-12, ...panel.rows.map((row) => row.estimate ?? 0));
    const head = Report.element("tr", {}, Report.element("th", { scope: "col" }, "rank"),
      ...experts.map((expert) => Report.element("th", { scope: "col" }, `${figure.column_title ?? ""} ${expert}`.trim())));
    const body = ranks.map((rank) => Report.element("tr", {}, Report.element("th", { scope: "row" }, String(rank)),
      ...experts.map((expert) => cell(at.get(`${expert} ${rank}`), most, figure))));
    const node = Report.element("table", { class: "words" }, Report.element("thead", {}, head), Report.element("tbody", {}, ...body));
    return Report.element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": panel.title }, node);
  };

  Report.kinds.words = (context) => {
    const panels = Report.panels(context.rows, ["run", "layer", "series"]);
    return [
      Report.axisTitle(context.figure.y_title && `bar: ${context.figure.y_title}`),
      Report.grid(context, panels, 500, (panel) => table(panel, context.figure)),
    ].filter(Boolean);
  };
})();
