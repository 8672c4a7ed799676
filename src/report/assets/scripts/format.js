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

  // With so many decimals, as they are written beside a mark; a small per cent gets one, and a large number none, as in the words.
  Report.written = (value, decimals, unit) => {
    const small = unit === "%" && decimals === 0 && Math.abs(value) < 2;
    const large = decimals === 2 && Math.abs(value) >= 10;
    const text = value.toFixed(small ? 1 : large ? 0 : decimals).replace("-", MINUS);
    return `${/^\u2212?0(\.0*)?$/.test(text) ? text.replace(MINUS, "") : text}${unit === "%" || unit?.startsWith("% ") ? " %" : ""}`;
  };

  // Half away from 0, as in the sentences, and no sign before a zero.
  const fixed = (value, decimals) => {
    const scale = 10 ** decimals;
    const rounded = (Math.sign(value) * Math.round(Math.abs(value) * scale)) / scale;
    return (rounded === 0 ? 0 : rounded).toFixed(decimals).replace("-", MINUS);
  };

  // Decimals that leave two or three digits of a percentage: a share is written in one way in the terminal and here.
  const decimalsOf = (share) => (Math.abs(share) >= 0.0995 ? 0 : Math.abs(share) >= 0.00995 ? 1 : 2);

  // "69 % [63, 73]", "0 % [0, 1.2]"; without an interval the share alone.
  Report.share = (share, low = null, high = null) => {
    if (share === null || share === undefined) return "\u2013";
    const words = share === 0 ? "0 %" : share > 0 && share < 5e-5 ? "under 0.01 %" : `${fixed(100 * share, decimalsOf(share))} %`;
    if (low === null || high === null) return words;
    const decimals = share === 0 ? decimalsOf(high) : share === 1 ? decimalsOf(10 * (1 - low)) : decimalsOf(share);
    const end = (value) => (value === 0 ? "0" : value === 1 ? "100" : fixed(100 * value, decimals));
    return `${words} [${end(low)}, ${end(high)}]`;
  };

  // Both ends of an interval with the same decimals: those that give the larger one four digits.
  Report.ends = (low, high) => {
    if (low === null || high === null) return "\u2013";
    const largest = Math.max(Math.abs(low), Math.abs(high));
    if (largest !== 0 && largest < 1e-4) return `[${Report.number(low)}, ${Report.number(high)}]`;
    const decimals = Math.min(6, Math.max(0, 3 - (largest === 0 ? 0 : Math.floor(Math.log10(largest)))));
    return `[${fixed(low, decimals)}, ${fixed(high, decimals)}]`;
  };

  // "5.5", "12", "0.03": a factor, with as many digits as are worth reading.
  Report.factor = (times) => (times === null ? "\u2013" : times === 0 ? "0" : fixed(times, times < 0.095 ? 2 : times < 9.95 ? 1 : 0));

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
      lines.push(`95 % interval ${Report.ends(row.low, row.high)}`);
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

  Report.plainCode = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

  // A name whose control characters, and those that turn the direction of what follows, are seen but do nothing.
  Report.plainName = (text) =>
    text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, Report.plainCode);

  // A piece of a tokenizer in the one spelling of all outputs: a blank is seen, what is invisible is a code.
  const BLANKS = { " ": "\u2423", "\u2581": "\u2423", "\n": "\u23ce", "\t": "\u21e5" };
  const HIDDEN = /[\p{Cc}\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]|(?! )\p{White_Space}/u;
  const byteOf = (piece) => (/^<0x[0-9a-f]{2}>$/i.test(piece) ? parseInt(piece.slice(3, 5), 16) : null);
  const spelled = (piece) => {
    if (!piece) return "(empty)";
    const byte = byteOf(piece);
    if (byte === 9 || byte === 10 || byte === 13) return spelled(String.fromCharCode(byte));
    return [...piece].map((letter) => BLANKS[letter] ?? (HIDDEN.test(letter) ? Report.plainCode(letter) : letter)).join("");
  };

  // The spellings of the tokens that somebody may mean who types this: as it is shown, as a tokenizer writes it, as a
  // programmer does, in quotation marks; a word without a blank is also meant with one before it. `meant_by` of the
  // program does the same: one list of spellings tests both.
  const BYTE_LEVEL = { "\u0120": " ", "\u010a": "\n", "\u0109": "\t", "\u010d": "\r" };
  const ESCAPED = { "\\n": "\n", "\\t": "\t", "\\r": "\r" };
  const withoutMarks = (typed) => {
    const byte = byteOf(typed);
    const asByte = byte === null ? typed : `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    const texts = [asByte, [...typed].map((letter) => BYTE_LEVEL[letter] ?? letter).join(""), ESCAPED[typed] ?? typed].map(spelled);
    return texts.flatMap((text) => (/^[\p{Alphabetic}\p{N}]/u.test(text) ? [text, `\u2423${text}`] : [text]));
  };
  Report.meantBy = (typed) => {
    const inside = /^"([^]+)"$/.exec(typed)?.[1] ?? /^\u201c([^]+)\u201d$/.exec(typed)?.[1];
    return [...new Set([...withoutMarks(typed), ...(inside ? withoutMarks(inside) : [])])];
  };

  // A token by itself: the one spelling of all outputs, in which blanks are seen.
  Report.visible = (text) => text.replaceAll(" ", "\u2423") || "(empty)";
})();
