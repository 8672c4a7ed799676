// One tip for the whole page: shown under the pointer, or at the mark that the arrow keys have reached.
(() => {
  "use strict";
  let box = null;
  let ring = null;

  const make = () => {
    if (box) return;
    box = Report.element("div", { class: "tip", role: "status", hidden: true });
    ring = Report.element("div", { class: "ring", hidden: true });
    document.body.append(ring, box);
    document.addEventListener("keydown", (event) => event.key === "Escape" && Report.hideTip());
  };

  // Lines at a place in the window; the first one is the heading. The box stays inside the window, and where it is on the
  // page when the page scrolls.
  Report.showTip = (lines, x, y, ringed = false) => {
    make();
    box.replaceChildren(...lines.map((line, index) => Report.element(index ? "div" : "b", {}, line)));
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = x + 14 + width > room ? Math.max(4, x - width - 14) : x + 14;
    const top = y - height - 12 < 4 ? y + 16 : y - height - 12;
    box.style.left = `${left + window.scrollX}px`;
    box.style.top = `${top + window.scrollY}px`;
    ring.hidden = !ringed;
    ring.style.left = `${x - 8 + window.scrollX}px`;
    ring.style.top = `${y - 8 + window.scrollY}px`;
  };

  Report.hideTip = () => {
    if (!box) return;
    box.hidden = true;
    ring.hidden = true;
  };

  // The tip follows the pointer over a plot of Observable Plot, whose value is the row under the pointer.
  Report.tipOnPlot = (plot, lines) => {
    let at = [0, 0];
    plot.addEventListener("pointermove", (event) => (at = [event.clientX, event.clientY]), { capture: true });
    plot.addEventListener("input", () => (plot.value ? Report.showTip(lines(plot.value), ...at) : Report.hideTip()));
    plot.addEventListener("pointerleave", Report.hideTip);
  };

  // Where a row is drawn: in pixels of the plot, by its scales.
  const located = ({ plot, margin, at }, row) => {
    const { x, y, fx, fy } = at(row);
    const along = (name, value, length) => {
      if (value === undefined) return length;
      const scale = plot.scale(name);
      return scale.apply(value) + (scale.bandwidth ?? 0) / 2;
    };
    const facet = (name, value, start) => (value === undefined ? 0 : plot.scale(name).apply(value) - start);
    return [
      along("x", x, 0) + facet("fx", fx, margin.left),
      along("y", y, 0) + facet("fy", fy, margin.top),
    ];
  };

  // Left and right walk through the rows of all panels of a figure.
  Report.walkByKeys = (host) => {
    let index = -1;
    host.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
      const marks = (host.panels ?? []).flatMap((panel) => panel.rows.map((row) => ({ panel, row })));
      if (!step || !marks.length || event.target.closest("select, table")) return;
      event.preventDefault();
      index = Math.min(marks.length - 1, Math.max(0, index + step));
      const { panel, row } = marks[index];
      panel.plot.scrollIntoView({ block: "nearest", behavior: "instant" });
      const [x, y] = located(panel, row);
      const frame = panel.plot.getBoundingClientRect();
      Report.showTip(panel.lines(row), frame.left + x, frame.top + y, true);
    });
    host.addEventListener("blur", () => ((index = -1), Report.hideTip()));
  };
})();
