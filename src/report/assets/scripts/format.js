// Numbers and rows in words.
(() => {
  "use strict";
  const MINUS = "\u2212";

  // Four significant digits, like the tables.
  Report.number = (value) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
    if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(2).replaceAll("-", MINUS);
    const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
    const decimals = Math.min(6, Math.max(0, 3 - magnitude));
    return value.toFixed(decimals).replaceAll("-", MINUS);
  };

  // With so many decimals, as they are written beside a mark; a small per cent gets one, as in the words.
  Report.written = (value, decimals, unit) => {
    const small = unit === "%" && decimals === 0 && Math.abs(value) < 2;
    const text = value.toFixed(small ? 1 : decimals).replace("-", MINUS);
    return `${/^\u2212?0(\.0*)?$/.test(text) ? text.replace(MINUS, "") : text}${unit === "%" || unit?.startsWith("% ") ? " %" : ""}`;
  };

  Report.count = (value) => (value === null || value === undefined ? "\u2013" : value.toLocaleString("en-US"));

  Report.plural = (count, noun) => `${Report.count(count)} ${noun}${count === 1 ? "" : "s"}`;

  // The values of a row as lines of a tip: the number, its interval, what it is compared with, and n.
  Report.describe = (row, figure, head) => {
    const { baseline } = figure.statistic;
    const lines = [head, `${Report.number(row.estimate)} ${figure.unit ?? ""}`.trim()];
    if (row.plain !== null) {
      const chance = row.plain_baseline === null ? "" : `, chance ${Report.number(row.plain_baseline)}`;
      lines.push(`${Report.number(row.plain)} ${row.plain_unit ?? ""}${chance}`);
    }
    if (figure.ratio) lines.push(`${Report.number(row.estimate / row.baseline)} times the baseline`);
    if (row.low !== null && row.high !== null) {
      lines.push(`95 % interval [${Report.number(row.low)}, ${Report.number(row.high)}]`);
    } else if (row.estimate !== null) lines.push("no interval");
    if (row.baseline !== null) lines.push(`baseline ${Report.number(row.baseline)}${baseline ? ` (${short(baseline)})` : ""}`);
    if (row.noise_floor !== null) lines.push(`noise floor ${Report.number(row.noise_floor)}`);
    if (row.ceiling !== null) lines.push(`ceiling ${Report.number(row.ceiling)}`);
    if (row.n !== null) lines.push(`n ${Report.count(row.n)}`);
    if (row.note) lines.push(row.note);
    return lines;
  };

  const short = (text) => (text.length > 60 ? `${text.slice(0, 57)}\u2026` : text);

  // "layer 3, kept", with the run where there are several.
  Report.place = (row) => {
    const run = Report.data.runs.length > 1 ? `${Report.data.runs[row.run].name}, ` : "";
    return `${run}layer ${row.layer}, ${row.view}`;
  };

  // Width of a text in pixels; scripts such as Chinese are wider than Latin.
  const canvas = document.createElement("canvas").getContext("2d");
  Report.textWidth = (text, size = 12) => {
    canvas.font = `${size}px system-ui, sans-serif`;
    return canvas.measureText(text).width;
  };

  // The text, cut to a width.
  Report.fit = (text, width, size = 12) => {
    if (Report.textWidth(text, size) <= width) return text;
    const letters = Array.from(text);
    while (letters.length > 1 && Report.textWidth(`${letters.join("")}\u2026`, size) > width) letters.pop();
    return `${letters.join("")}\u2026`;
  };

  // What all names begin with, up to a separator, is said once instead of at every tick.
  Report.commonStart = (names) => {
    if (names.length < 2) return "";
    let end = 0;
    while (end < names[0].length && names.every((name) => name[end] === names[0][end])) end += 1;
    const start = /^.*[-_/:. ]/.exec(names[0].slice(0, end))?.[0] ?? "";
    return start.length > 4 && names.every((name) => name.length > start.length) ? start : "";
  };

  // A name whose control characters, and those that turn the direction of what follows, are seen but do nothing.
  Report.plainName = (text) =>
    text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, (character) =>
      `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);

  // A token by itself: the one spelling of all outputs, in which blanks are seen.
  Report.visible = (text) => text.replaceAll(" ", "\u2423") || "(empty)";
})();
