// Tables: the rows of the page are columns in the data. They sort by a column, filter by words, follow the selectors of
// layer and view, and are written as far as the reader scrolls.
(() => {
  "use strict";
  const PRINTED = 30;
  const WRITTEN = 120; // rows that are written at once
  const collator = new Intl.Collator("en", { numeric: true });

  const interval = (low, high) => Report.ends(low, high);
  const at = (columns, name, row) => columns[name]?.[row] ?? null;
  const number = (name) => ({ text: (c, row) => Report.number(at(c, name, row)), value: (c, row) => at(c, name, row), exact: true });
  const word = (name) => ({ text: (c, row) => at(c, name, row) ?? "", value: (c, row) => at(c, name, row), word: true });
  const range = (low, high) => ({ text: (c, row) => interval(at(c, low, row), at(c, high, row)), value: (c, row) => at(c, low, row) });

  // What stands in a column, and what it is sorted by.
  const COLUMNS = {
    run: { text: (c, row) => Report.data.runs[at(c, "run", row)].name, value: (c, row) => at(c, "run", row), word: true, of: true },
    layer: { text: (c, row) => String(at(c, "layer", row)), value: (c, row) => at(c, "layer", row) },
    view: word("view"),
    of: { ...word("of"), of: true },
    estimate: number("estimate"), baseline: number("baseline"), explained: number("explained"),
    first: number("first"), second: number("second"), difference: number("difference"),
    interval: range("low", "high"), explained_interval: range("explained_low", "explained_high"),
    unit: word("unit"),
    n: { text: (c, row) => Report.count(at(c, "n", row)), value: (c, row) => at(c, "n", row) },
    note: word("note"),
  };

  // Blanks last whatever the direction.
  const compare = (a, b, direction) => {
    const [blankA, blankB] = [a === null || a === "", b === null || b === ""];
    if (blankA || blankB) return Number(blankA) - Number(blankB);
    return direction * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));
  };

  // Words in small letters with a blank around each; signs between them do not count.
  const plain = (text) => ` ${text.toLowerCase().split(/[^\p{L}\p{M}\p{N}]+/u).filter(Boolean).join(" ")} `;

  // Whether a text has a term: as whole words, or (`begun`) as the beginning of one; numbers are whole always. Signs, and
  // scripts that set no blanks between words, are found anywhere.
  const has = ({ words, raw }, term, begun) => {
    const phrase = plain(term).trimEnd();
    if (!phrase || (begun && /^[^\u0000-\u02ff]+$/.test(term))) return raw.includes(term.toLowerCase());
    return words.includes(`${phrase} `) || (begun && !/\p{N}$/u.test(phrase) && words.includes(phrase));
  };

  class Table {
    constructor(node, data) {
      Object.assign(this, { node, columns: data.columns, total: data.total, size: data.columns.layer.length, stale: true });
      this.details = node.closest("details");
      this.scroll = node.closest(".scroll");
      this.keys = [...node.querySelectorAll("thead th")].map((header) => header.dataset.key);
      this.rows = []; // those that are shown, in order
      this.written = 0;
      this.sorted = null; // column and direction
      this.makeTools();
      this.scroll.addEventListener("scroll", () => this.writeFurther());
      this.details.addEventListener("toggle", () => this.details.open && this.stale && this.update());
      this.update();
    }

    makeTools() {
      for (const header of this.node.querySelectorAll("thead th")) {
        const button = Report.element("button", { type: "button", title: "sort" }, ...header.childNodes);
        header.setAttribute("aria-sort", "none");
        header.append(button);
        button.addEventListener("click", () => this.sortBy(header));
      }
      this.filter = Report.element("input", { type: "search", placeholder: "whole words", size: 14, autocomplete: "off" });
      this.status = Report.element("span", { class: "soft", role: "status" });
      this.scroll.before(Report.element("div", { class: "table-tools" }, Report.labelled("Filter rows", this.filter), this.status));
      this.filter.addEventListener("input", () => this.update());
      Report.listeners.push(() => this.update());
    }

    sortBy(header) {
      const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      this.node.querySelectorAll("thead th").forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      this.sorted = { key: header.dataset.key, direction };
      this.update();
    }

    value(key, row) {
      return COLUMNS[key].value(this.columns, row);
    }

    // The words that a row is found by: what it is about.
    text(row) {
      this.texts ??= new Array(this.size);
      if (!this.texts[row]) {
        const told = this.keys.filter((key) => COLUMNS[key].of).map((key) => COLUMNS[key].text(this.columns, row)).join(" ");
        this.texts[row] = { words: plain(told), raw: told.toLowerCase() };
      }
      return this.texts[row];
    }

    views() {
      return this.known ??= new Set(this.columns.view);
    }

    // Rows of the layer and view that are asked for; a table with one view only shows that.
    chosen() {
      const { layer, view } = Report.state;
      const views = this.views();
      const wanted = views.has(view) ? view : [...views][0];
      return d3.range(this.size).filter((row) => this.columns.view[row] === wanted && (layer === "all" || this.columns.layer[row] === layer));
    }

    // Rows with all words of the filter; where no row has them as whole words, those with words that begin so.
    found(rows) {
      const terms = this.filter.value.split(/\s+/).filter(Boolean);
      const by = (begun) => rows.filter((row) => terms.every((term) => has(this.text(row), term, begun)));
      const whole = by(false);
      return whole.length ? whole : by(true);
    }

    update() {
      this.stale = !this.details.open;
      if (this.stale) return;
      const chosen = this.chosen();
      this.rows = this.found(chosen);
      if (this.sorted) {
        const { key, direction } = this.sorted;
        this.rows.sort((a, b) => compare(this.value(key, a), this.value(key, b), direction));
      }
      this.node.tBodies[0].replaceChildren();
      this.written = 0;
      this.scroll.scrollTop = 0;
      this.write(WRITTEN);
      this.status.textContent = this.told(chosen);
    }

    told(chosen) {
      const { layer, view } = Report.state;
      const views = this.views();
      const only = views.size === 1 && !views.has(view) ? `; ${[...views][0]} view only` : "";
      const none = chosen.length ? "" : this.columns.layer.includes(layer) ? `; no row of layer ${layer} in the ${view} view` : `; no row of layer ${layer}`;
      const part = this.size < this.total
        ? `; filter and sorting know the ${Report.count(this.size)} rows in this page, of ${Report.count(this.total)}` : "";
      return `${Report.count(this.rows.length)} of ${Report.plural(this.size, "row")} shown${none}${only}${part}`;
    }

    write(count) {
      const end = Math.min(this.rows.length, this.written + count);
      this.node.tBodies[0].append(...this.rows.slice(this.written, end).map((row) => this.row(row)));
      this.written = end;
    }

    row(row) {
      const { columns } = this;
      const cells = this.keys.map((key) => {
        const { text, value, word: isWord, of, exact } = COLUMNS[key];
        const told = value(columns, row);
        const shape = [isWord && "word", of && "of", key === "view" && "view"].filter(Boolean).join(" ");
        return Report.element("td", { class: shape || null, dir: isWord ? "auto" : null, title: exact && told !== null ? String(told) : null }, text(columns, row));
      });
      return Report.element("tr", { "data-layer": columns.layer[row], "data-view": columns.view[row] }, ...cells);
    }

    writeFurther() {
      const { scrollTop, clientHeight, scrollHeight } = this.scroll;
      if (this.written < this.rows.length && scrollTop + clientHeight > scrollHeight - 200) this.write(WRITTEN);
    }

    // On paper a table has its first rows only, in the order and choice of the screen.
    print(printing) {
      if (printing) {
        this.folded = !this.details.open;
        this.details.open = true;
        this.update();
        [...this.node.tBodies[0].rows].slice(PRINTED).forEach((row) => row.remove());
        const words = `The first ${PRINTED} of ${Report.plural(this.rows.length, "row")} are printed.`;
        if (this.rows.length > PRINTED) this.scroll.after(Report.element("p", { class: "print-only printed soft" }, words));
      } else {
        if (this.scroll.nextElementSibling?.matches(".printed")) this.scroll.nextElementSibling.remove();
        this.update();
        this.details.open = !this.folded;
      }
    }
  }

  Report.tables = [];
  Report.limitTables = (printing) => Report.tables.forEach((table) => table.print(printing));

  Report.startTables = () => {
    for (const node of document.querySelectorAll("table.sortable")) {
      const data = Report.data.statistics[node.dataset.statistic]?.[node.dataset.rows];
      if (data) Report.tables.push(new Table(node, data));
    }
  };
})();
