// Lines over a quantity, with bands for the intervals and the baseline as a dashed line of the same colour.
(() => {
  "use strict";
  const VALUES = ["estimate", "low", "high", "baseline", "noise_floor", "ceiling"];
  const MARKED = 60; // more points than these need no marker each
  const BANDED = 6; // more lines than these would hide each other under their bands
  const LABEL = 110; // widest name of a tick, in pixels
  // Names that have no room side by side are turned: as little as the distance of two of them, in pixels, allows.
  const TURNS = [{ angle: 40, apart: 20 }, { angle: 65, apart: 15 }];
  const MARGIN = { left: 52, right: 12, top: 12, bottom: 24 };

  const turn = (axis, width) => {
    const step = (width - MARGIN.left - MARGIN.right) / axis.places.length;
    if (axis.longest + 8 <= step) return null;
    const { angle, apart } = TURNS.find((one) => one.apart <= step) ?? TURNS.at(-1);
    const radians = (angle * Math.PI) / 180;
    return { angle, apart, left: axis.longest * Math.cos(radians), down: axis.longest * Math.sin(radians) };
  };

  // Narrowest panel in which every name of an ordinal axis has room.
  const narrowest = ({ scale, named, places }, least) =>
    (scale === "ordinal" && named ? Math.max(least, MARGIN.left + MARGIN.right + 8 + TURNS.at(-1).apart * (places.length + 1)) : least);

  // Series are told apart by colour; with one series, runs are.
  const scheme = (context) => {
    const { rows, figure } = context;
    const series = Report.distinct(rows, "series", figure.columns_order);
    const runs = Report.distinct(rows, "run");
    const byRun = series.length <= 1;
    const values = byRun ? runs : series;
    return {
      key: byRun ? "run" : "series",
      values,
      text: (value) => (!byRun ? value : runs.length > 1 ? Report.data.runs[value].name : series[0] ?? "estimate"),
      panelKeys: [...(byRun || runs.length <= 1 ? [] : ["run"]), "layer", ...(figure.apart ? ["panel"] : [])],
    };
  };

  // The places on the axis, and their names where they have some (checkpoints), without what all names begin with.
  const axisOf = ({ figure, rows }) => {
    const names = new Map(rows.filter((row) => row.x_text !== null).map((row) => [row.x, row.x_text]));
    const places = Report.distinct(rows, "x").sort((a, b) => a - b);
    const start = Report.commonStart([...names.values()]);
    const text = (x) => Report.fit((names.get(x) ?? String(x)).slice(names.has(x) ? start.length : 0), LABEL);
    const longest = Math.max(0, ...places.map((x) => Report.textWidth(text(x))));
    return { scale: figure.x_scale ?? "linear", named: names.size > 0, places, start, text, longest };
  };

  // Places that have room for their name; the first and the last one come first.
  const readable = (places, position, room) => {
    const kept = [];
    for (const place of [places[0], places.at(-1), ...places.slice(1, -1)]) {
      if (kept.every((other) => Math.abs(position(other) - position(place)) >= room)) kept.push(place);
    }
    return kept.sort((a, b) => a - b);
  };

  // Settings of the axis in a panel of this width, and the margins that its names need.
  const axisSettings = (axis, width) => {
    const { scale, places, named } = axis;
    const ordinal = scale === "ordinal";
    const settings = ordinal ? { type: "point", domain: places, padding: 0.3 }
      : { type: scale === "log" ? "log" : "linear", domain: d3.extent(places) };
    const margin = { ...MARGIN };
    if (!named && !ordinal) {
      // A single place is its own tick.
      const ticks = places.length === 1 ? places : Math.max(2, Math.floor(width / 90));
      const tickFormat = places.length === 1 ? String : scale === "log" ? "~s" : undefined;
      return { x: { ...settings, ticks, tickFormat, label: null }, margin };
    }
    const turned = turn(axis, width);
    if (turned) {
      Object.assign(margin, { left: Math.max(MARGIN.left, Math.ceil(turned.left) + 8), bottom: Math.ceil(turned.down) + 22 });
    }
    const range = [margin.left, width - margin.right];
    const position = ordinal ? d3.scalePoint(places, range)
      : (scale === "log" ? d3.scaleLog : d3.scaleLinear)(settings.domain, range);
    const ticks = readable(places, position, turned ? turned.apart : axis.longest + 8);
    return { x: { ...settings, ticks, tickFormat: axis.text, label: null, ...(turned ? { tickRotate: -turned.angle } : {}) }, margin };
  };

  // The band of the intervals; a single place has no width, so that it gets a bar.
  const interval = (sorted, colour) => {
    const ends = { x: "x", y1: (row) => row.low ?? NaN, y2: (row) => row.high ?? NaN };
    return sorted.length === 1 ? Plot.ruleX(sorted, { ...ends, stroke: colour, strokeWidth: 5, strokeOpacity: 0.4 })
      : Plot.areaY(sorted, { ...ends, fill: colour, fillOpacity: 0.2 });
  };

  // All marks of one line. A marker is another sign beside colour and dash.
  const lineMarks = (rows, index, few, crowded) => {
    const colour = Report.colour(index);
    const sorted = [...rows].sort((a, b) => a.x - b.x);
    const dashed = { x: "x", stroke: colour, strokeWidth: crowded ? 0.7 : 1.3, strokeDasharray: "3 3" };
    return [
      crowded ? null : interval(sorted, colour),
      Plot.lineY(sorted, { ...dashed, y: (row) => row.baseline ?? NaN }),
      Plot.lineY(sorted, { x: "x", y: (row) => row.estimate ?? NaN, stroke: colour, strokeWidth: 1.9,
        strokeDasharray: few ? "none" : Report.dash(index) }),
      few ? Plot.dot(sorted, { x: "x", y: "estimate", fill: colour, stroke: colour, r: 3, symbol: Report.symbol(index) }) : null,
    ];
  };

  // A floor or ceiling for each line that has one; in the colour of the line where there are several in one panel.
  const referenceMarks = (groups, shared) =>
    groups.flatMap((group, index) => {
      const own = shared.hue(shared.kinds.values[index], index);
      return Report.references(group).map(({ key, colour, dash }) =>
        Plot.lineY([...group].sort((a, b) => a.x - b.x), {
          x: "x", y: (row) => row[key] ?? NaN, stroke: ownFloors(shared) ? Report.colour(own) : colour, strokeDasharray: dash, strokeWidth: 1.4,
        }));
    });

  const ownFloors = ({ kinds, figure }) => kinds.values.length > 1 && !figure.apart;

  // A logarithmic axis has no place for 0: what is below its end lies on its lower edge.
  const LOWEST = 1e-4;
  const logDomain = (rows) => {
    const values = rows.flatMap((row) => VALUES.map((key) => row[key])).filter((value) => value > 0);
    const [least, most] = values.length ? d3.extent(values) : [LOWEST, 1];
    return [Math.max(LOWEST, Math.min(least, most / 10)), Math.max(most, LOWEST * 10)];
  };
  const onAxis = (rows, low) => {
    const place = (value) => (value === null ? null : Math.max(low, value));
    return rows.map((row) => ({ ...row, told: row, estimate: place(row.estimate), low: place(row.low), high: place(row.high), baseline: place(row.baseline) }));
  };

  const paint = (context, panel, width, shared) => {
    const { kinds, figure } = shared;
    const { guide } = figure;
    const { x, margin } = axisSettings(shared.axis, width);
    const log = figure.y_scale === "log";
    const domain = shared.domainOf(panel);
    const placed = log ? onAxis(panel.rows, domain[0]) : panel.rows;
    const groups = kinds.values.map((value) => placed.filter((row) => row[kinds.key] === value));
    const few = Math.max(...groups.map((group) => group.length)) <= MARKED;
    const height = (context.compact ? 190 : width > 700 ? 320 : context.dense ? 190 : 230) + margin.bottom - 24;
    const plot = Report.plot({
      width, height,
      marginLeft: margin.left, marginRight: margin.right, marginTop: margin.top, marginBottom: margin.bottom,
      x, y: { domain, label: null, grid: true, ticks: 5, ...(log ? { type: "log", tickFormat: "~p" } : {}) },
      marks: [
        domain[0] <= 0 ? Plot.ruleY([0], { stroke: "var(--line-strong)" }) : null,
        ...groups.flatMap((group, index) => (group.length ? lineMarks(group, shared.hue(kinds.values[index], index), few, shared.crowded) : [])),
        ...referenceMarks(groups, shared),
        guide ? Plot.ruleY([guide.value], { stroke: "var(--soft)", strokeDasharray: "1 3", strokeWidth: 1.4 }) : null,
        Plot.dot(placed, Plot.pointer({ x: "x", y: "estimate", r: 7, stroke: "var(--ink)", strokeWidth: 1.5, maxRadius: 80 })),
      ],
    });
    const lines = (row) => {
      const place = row.x_text ?? `${figure.x_title ?? ""} ${Report.count(row.x)}`.trim();
      const where = [place, row.panel, row.series].filter(Boolean).join(", ");
      return Report.describe(row.told ?? row, figure, `${where} (${Report.place(row)})`);
    };
    return Report.reachable(context, plot, { rows: placed, margin, at: (row) => ({ x: row.x, y: row.estimate }), lines });
  };

  Report.kinds.curve = (context) => {
    const { figure } = context;
    const placed = context.rows.filter((row) => row.x !== null);
    const left = context.rows.length - placed.length;
    if (left) {
      context.notes.push(`${Report.plural(left, "value")} without a place on the axis: see ${Report.numbersFile(context.host.dataset.statistic)}.`);
    }
    const whole = context;
    context = { ...context, rows: placed };
    const kinds = scheme(context);
    const rank = Report.runRank(figure);
    const hue = (value, index) => (kinds.key === "run" ? rank(value) : index);
    const shared = { kinds, figure, hue, crowded: kinds.values.length > BANDED, axis: axisOf(context) };
    const log = figure.y_scale === "log";
    const guided = figure.guide ? [{ estimate: figure.guide.value }] : [];
    const domain = log ? logDomain([...context.scaleRows, ...guided]) : Report.extent(context.scaleRows, VALUES, figure.zero);
    // Measures that cannot be compared have an axis each, the same in every layer.
    shared.domainOf = (panel) => (figure.apart && !log
      ? Report.extent(context.scaleRows.filter((row) => row.panel === panel.panel), VALUES, false) : domain);
    if (log) context.notes.push(`The axis is logarithmic; what is below ${Number((100 * domain[0]).toPrecision(2))} %, 0 included, lies on its lower edge.`);
    whole.bare = shared.crowded;
    const ranged = Report.hasIntervals(placed);
    if (shared.crowded && ranged) context.notes.push("So many lines are drawn without the bands of their intervals; the tips have them.");
    const { start } = shared.axis;
    const panels = Report.panels(placed, kinds.panelKeys);
    // A picture shows its panels side by side; what has no name there has it in the legend.
    const least = context.host.hasAttribute("data-picture") ? 150 : narrowest(shared.axis, context.dense ? 165 : 280);
    const few = placed.length / Math.max(1, panels.length * kinds.values.length) <= MARKED;
    const items = kinds.values.map((value, index) => {
      const at = hue(value, index);
      const shape = few ? { dash: "none", symbol: Report.symbol(at) } : { dash: Report.dash(at) };
      return { text: kinds.text(value), colour: Report.colour(at), ...shape, area: ranged && !shared.crowded };
    });
    if (ranged && !shared.crowded) items.push({ text: "95 % interval, same colour", colour: "var(--soft)", area: true });
    if (Report.hasBaselines(placed)) items.push({ text: "baseline, same colour", colour: "var(--soft)", dash: "3 3" });
    items.push(...Report.references(placed).map((item) =>
      (ownFloors(shared) ? { ...item, text: `${item.text}, same colour`, colour: "var(--soft)" } : item)));
    if (figure.guide) items.push({ text: figure.guide.words, colour: "var(--soft)", dash: "1 3" });
    return [
      Report.legend(items),
      Report.axisTitle(figure.y_title && `\u2191 ${figure.y_title}`),
      Report.grid(context, panels, least, (panel, width) => paint(context, panel, width, shared)),
      Report.axisTitle(figure.x_title && `${figure.x_title}${start ? ` (${start}\u2026)` : ""} \u2192`),
    ].filter(Boolean);
  };
})();
