// The data of the page: gzip, base64, inside a <script> that is no script. Nothing is fetched.
(() => {
  "use strict";
  const OPTIONAL = [
    "estimate", "low", "high", "baseline", "n", "note", "noise_floor", "ceiling",
    "label", "x", "x_text", "series", "row", "column", "rank", "plain", "plain_baseline", "plain_unit", "panel",
  ];

  // At once, and not when the browser has time for it: a page that is printed as soon as it is loaded has its figures.
  Report.decode = () => {
    const text = atob(document.getElementById("report-data").textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    Report.data = JSON.parse(new TextDecoder().decode(pako.ungzip(bytes)));
    nameRuns(Report.data.runs);
  };

  // Two runs may have the same label: then the command, and if need be a number, tells them apart.
  const nameRuns = (runs) => {
    const repeated = (name, key) => runs.filter((run) => run[key] === name).length > 1;
    runs.forEach((run) => (run.wordy = repeated(run.label, "label") ? `${run.label} (${run.command})` : run.label));
    runs.forEach((run, index) => (run.name = repeated(run.wordy, "wordy") ? `${run.wordy} ${index + 1}` : run.wordy));
  };

  // The figure of a statistic, with its rows as objects; made once.
  const made = new Map();
  Report.figure = (name, index) => {
    const key = `${name} ${index}`;
    if (!made.has(key)) {
      const statistic = Report.data.statistics[name];
      const figure = statistic?.figures[index];
      made.set(key, figure ? { ...figure, statistic, rows_data: rowsOf(figure.data) } : null);
    }
    return made.get(key);
  };

  const rowsOf = (data) =>
    data.layer.map((layer, index) => {
      const row = { layer, run: data.run[index], view: data.view[index] };
      OPTIONAL.forEach((name) => (row[name] = data[name]?.[index] ?? null));
      return row;
    });

  // Values of a key in the order of their first appearance, or in the order given.
  Report.distinct = (rows, key, order = null) => {
    const present = new Set(rows.map((row) => row[key]));
    const given = (order ?? []).filter((value) => present.has(value));
    const known = new Set(given);
    return [...given, ...[...present].filter((value) => value !== null && !known.has(value))];
  };

  // Place of a run among those of a figure: it decides the colour, also where only one of them is shown.
  Report.runRank = (figure) => {
    const runs = Report.distinct(figure.rows_data, "run").sort((a, b) => a - b);
    return (run) => runs.indexOf(run);
  };

  // The rows that the selectors ask for. What a figure does not have (a view, a layer) is said, not left blank.
  Report.select = (figure, run = null) => {
    const notes = [];
    let rows = run === null ? figure.rows_data : figure.rows_data.filter((row) => row.run === run);
    const views = Report.distinct(rows, "view");
    const view = views.includes(Report.state.view) ? Report.state.view : views[0];
    if (views.length && view !== Report.state.view) notes.push(`This figure has the ${view} view only.`);
    rows = rows.filter((row) => row.view === view);
    if (Report.state.layer !== "all") {
      rows = rows.filter((row) => row.layer === Report.state.layer);
      if (!rows.length) notes.push(`No values in layer ${Report.state.layer}.`);
    }
    return { rows, view, notes };
  };

  // Smallest and largest of some columns; zero belongs to it where the axis starts there, and so do the ends of `reach`.
  Report.extent = (rows, keys, zero, reach = null) => {
    let [low, high] = reach ?? (zero ? [0, 0] : [Infinity, -Infinity]);
    for (const row of rows) {
      for (const key of keys) {
        const value = row[key];
        if (value === null) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    if (low > high) return [0, 1];
    if (low === high) return [Math.min(low, 0), Math.max(high, low === 0 ? 1 : 0)];
    if (reach && low === reach[0] && high === reach[1]) return reach;
    const air = (high - low) * 0.03;
    return [zero && low === 0 ? 0 : low - air, zero && high === 0 ? 0 : high + air];
  };
})();
