// Colours, dashes and markers. The colours are custom properties of the style sheet (Okabe and Ito), so that light, dark
// and print need no redrawing; nothing is told apart by colour alone.
(() => {
  "use strict";
  const DASHES = ["none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2", "1 2"];
  const SYMBOLS = ["circle", "square2", "triangle2", "diamond2", "star", "wye", "times"];
  const COLOURS = 7;

  Report.colour = (index) => `var(--series-${index % COLOURS})`;
  Report.dash = (index) => DASHES[(index + Math.floor(index / COLOURS)) % DASHES.length];
  Report.symbol = (index) => SYMBOLS[(index + Math.floor(index / COLOURS)) % SYMBOLS.length];

  // Paper ... strong colour; for t from 0 to 1.
  Report.sequential = (t) => `color-mix(in oklab, var(--strong) ${(100 * t).toFixed(1)}%, var(--weak))`;
  // Below ... equal ... above; for t from -1 to 1.
  Report.diverging = (t) =>
    `color-mix(in oklab, var(--${t < 0 ? "below" : "above"}) ${(100 * Math.abs(t)).toFixed(1)}%, var(--weak))`;
  // What can be read on such a cell.
  Report.inkOn = (t) => (Math.abs(t) > 0.5 ? "var(--on-strong)" : "var(--ink)");

  const SVG = "http://www.w3.org/2000/svg";
  const shape = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([name, value]) => node.setAttribute(name, value));
    return node;
  };

  // What a mark looks like, for the legend.
  const swatch = ({ colour, dash, symbol, area, tick }) => {
    const box = shape("svg", { width: 30, height: 12, "aria-hidden": "true" });
    if (area) box.append(shape("rect", { x: 0, y: 1, width: 30, height: 10, fill: colour, opacity: 0.25 }));
    if (tick) box.append(shape("line", { x1: 15, x2: 15, y1: 0, y2: 12, stroke: colour, "stroke-width": 2, ...(dash ? { "stroke-dasharray": dash } : {}) }));
    else if (dash) {
      box.append(shape("line", { x1: 0, x2: 30, y1: 6, y2: 6, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
    }
    if (symbol) {
      const type = { square2: "symbolSquare2", triangle2: "symbolTriangle2", diamond2: "symbolDiamond2",
        star: "symbolStar", wye: "symbolWye", times: "symbolTimes" }[symbol] ?? "symbolCircle";
      const times = symbol === "times" ? { fill: "none", stroke: colour, "stroke-width": 1.5 } : { fill: colour };
      box.append(shape("path", { d: d3.symbol(d3[type], 46)(), transform: "translate(15,6)", ...times }));
    }
    return box;
  };

  // Items of {text, colour, dash?, symbol?, area?, tick?}.
  Report.legend = (items) =>
    Report.element("ul", { class: "legend" },
      ...items.map((item) => Report.element("li", {}, swatch(item), Report.element("span", {}, item.text))));

  // A ramp of colours with the values at its ends (and in the middle).
  Report.ramp = (colourAt, from, to, texts) => {
    const cells = Array.from({ length: 24 }, (_, index) => {
      const cell = Report.element("i", {});
      cell.style.background = colourAt(from + ((to - from) * index) / 23);
      return cell;
    });
    return Report.element("div", { class: "ramp" },
      Report.element("div", { class: "ramp-cells", "aria-hidden": "true" }, ...cells),
      Report.element("div", { class: "ramp-texts" }, ...texts.map((text) => Report.element("span", {}, text))));
  };
})();
