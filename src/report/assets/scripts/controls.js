// The toolbar: layer, view, light or dark, everything folded or unfolded.
(() => {
  "use strict";
  const VIEWS = {
    chosen: "chosen: what the router asked for, before capacity",
    kept: "kept: what found a slot in its expert, after capacity",
  };

  const layerSelect = () => {
    const layers = [...new Set(Report.data.runs.flatMap((run) => run.layers))].sort((a, b) => a - b);
    const select = document.getElementById("layer");
    select.replaceChildren(Report.option("all", "all"), ...layers.map((layer) => Report.option(layer, String(layer))));
    select.addEventListener("change", () => Report.change({ layer: select.value === "all" ? "all" : Number(select.value) }));
    const first = () => [...select.options].find((option) => option.defaultSelected)?.value ?? "all";
    Report.addressed("layer", () => (String(Report.state.layer) === first() ? null : Report.state.layer), (value) => Report.pick(select, value));
  };

  const viewSelect = () => {
    const figures = Object.values(Report.data.statistics).flatMap((statistic) => statistic.figures);
    const present = new Set(figures.flatMap((figure) => figure.data.view));
    const views = Object.keys(VIEWS).filter((view) => present.has(view));
    const [select, words] = ["view", "view-words"].map((id) => document.getElementById(id));
    const explain = () => (words.textContent = VIEWS[select.value] ?? "");
    select.replaceChildren(...views.map((view) => Report.option(view, view)));
    select.closest("label").hidden = words.hidden = views.length < 2;
    if (views.length && !views.includes(Report.state.view)) Report.state.view = views[0];
    select.addEventListener("change", () => (explain(), Report.change({ view: select.value })));
    Report.addressed("view", () => (select.value === (views[0] ?? "") ? null : select.value), (value) => Report.pick(select, value));
    explain();
  };

  // "auto" follows the system; nothing is stored.
  const themeSelect = () => {
    const select = document.getElementById("theme");
    select.addEventListener("change", () => document.documentElement.setAttribute("data-theme", select.value));
  };

  const foldButton = () => {
    const button = document.getElementById("fold");
    const all = [...document.querySelectorAll("main details:not(.table)")];
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-pressed") === "false";
      all.forEach((details) => (details.open = open));
      button.setAttribute("aria-pressed", String(open));
      button.textContent = open ? "Fold all" : "Unfold all";
    });
    button.hidden = !all.length;
  };

  // A <select> above a figure of which there are several.
  const figureSelects = () => {
    for (const select of document.querySelectorAll("select.which-figure")) {
      const host = select.closest("figure").querySelector(".plot");
      select.addEventListener("change", () => {
        [host.dataset.statistic, host.dataset.figure] = select.value.split(" ");
        Report.draw(host);
      });
    }
  };

  Report.startControls = () => {
    layerSelect();
    viewSelect();
    themeSelect();
    foldButton();
    figureSelects();
    document.getElementById("toolbar").hidden = false;
  };
})();
