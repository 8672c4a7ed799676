// Only in pages about many layers: they open at one layer, not at a panel for each of them.
(() => {
  "use strict";
  const start = Report.startControls;
  Report.startControls = () => {
    start();
    const select = document.getElementById("layer");
    const first = select.options[1];
    if (!first) return;
    first.defaultSelected = true;
    first.selected = true;
    Report.state.layer = Number(first.value);
    const tokens = Report.data.tokens?.[0];
    const all = Report.data.runs[tokens?.run ?? 0]?.layers.length;
    if (!tokens || tokens.layers.length === all) return;
    const words = `The tokens are shown in ${tokens.layers.length} of the ${all} layers, evenly spread over all; the trace has every layer.`;
    document.getElementById("token-layer")?.closest("label")?.parentElement?.after(Report.element("p", { class: "figure-note" }, words));
  };
})();
