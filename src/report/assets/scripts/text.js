// Text, token by token: what each token lost is its colour and its line, as in the view of single tokens.
(() => {
  "use strict";
  const token = (row) => {
    const node = Report.element("span", { class: `token lost-${row.column}`, dir: "auto" }, row.label || "\u2205");
    const head = `${Report.visible(row.label ?? "")} (${Report.place(row)}, position ${row.x})`;
    const lines = [head, Report.lossWords(row.column), row.x_text, ...(row.note ? [row.note] : [])];
    node.addEventListener("pointermove", (event) => Report.showTip(lines, event.clientX, event.clientY));
    node.addEventListener("pointerleave", Report.hideTip);
    return node;
  };

  // The messages one under the other; a line end is a line end.
  const flow = (panel) => {
    const box = Report.element("div", { class: "flow" });
    let message = null;
    for (const row of panel.rows) {
      if (row.row !== message && row.row) box.append(Report.element("div", { class: "message" }, row.row));
      message = row.row;
      box.append(token(row));
      if (/[\u23ce\n]/.test(row.label ?? "")) box.append(Report.element("br"));
    }
    return box;
  };

  const paint = (panel) => {
    const words = Report.element("p", { class: "figure-note", dir: "auto" }, panel.rows[0].series);
    return Report.element("div", {}, words, flow(panel));
  };

  Report.kinds.text = (context) => {
    const rows = context.rows.map((row) => ({ ...row, panel: null }));
    const panels = Report.panels(rows, ["run", "layer"]);
    const present = new Set(rows.map((row) => row.column));
    const legend = ["none", "later", "first", "all"].filter((loss) => present.has(loss)).map((loss) =>
      Report.element("span", { class: `token lost-${loss}` }, Report.lossWords(loss)));
    return [
      Report.element("div", { class: "token-legend" }, ...legend),
      Report.grid(context, panels, 300, paint),
    ];
  };
})();
