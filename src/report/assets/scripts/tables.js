// Tables sort by their columns, filter by a text, and follow the selectors of layer and view.
(() => {
  "use strict";

  const PRINTED = 30;

  const sortValue = (cell) => {
    const text = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
    const value = Number(text);
    return text !== "" && !Number.isNaN(value) ? value : text;
  };

  // Numbers before words; empty cells last whatever the direction.
  const compare = (a, b, direction) => {
    const [blankA, blankB] = [a === "" || a === "\u2013", b === "" || b === "\u2013"];
    if (blankA || blankB) return Number(blankA) - Number(blankB);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    const order = typeof a === "number" ? a - b : a.localeCompare(b);
    return direction * order;
  };

  const sort = (table, header) => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    table.querySelectorAll("thead th").forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [sortValue(row.cells[header.cellIndex]), row]);
    keyed.sort(([a], [b]) => compare(a, b, direction));
    body.append(...keyed.map(([, row]) => row));
  };

  // Whether a row is of the layer and view that are asked for; a table with one view only shows that.
  const chosen = (row, views, state) => {
    const view = views.size && !views.has(state.view) ? [...views][0] : state.view;
    const layer = state.layer === "all" || Number(row.dataset.layer) === state.layer;
    return layer && (!row.dataset.view || row.dataset.view === view);
  };

  const update = (table, filter, status) => {
    const rows = [...table.tBodies[0].rows];
    const views = new Set(rows.map((row) => row.dataset.view).filter(Boolean));
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !(chosen(row, views, Report.state) && words.every((word) => text.includes(word)));
      shown += row.hidden ? 0 : 1;
    }
    const only = views.size === 1 && !views.has(Report.state.view) ? `; ${[...views][0]} view only` : "";
    const layer = Report.state.layer;
    const ofLayer = layer === "all" ? rows : rows.filter((row) => Number(row.dataset.layer) === layer);
    const here = ofLayer.some((row) => chosen(row, views, Report.state));
    const none = here ? "" : ofLayer.length ? `; no row of layer ${layer} in the ${Report.state.view} view` : `; no row of layer ${layer}`;
    status.textContent = `${Report.count(shown)} of ${Report.plural(rows.length, "row")} shown${none}${only}`;
  };

  const enhance = (table) => {
    for (const header of table.querySelectorAll("thead th")) {
      const button = Report.element("button", { type: "button", title: "sort" }, ...header.childNodes);
      header.setAttribute("aria-sort", "none");
      header.append(button);
      button.addEventListener("click", () => sort(table, header));
    }
    const filter = Report.element("input", { type: "search", placeholder: "words", size: 14, autocomplete: "off" });
    const status = Report.element("span", { class: "soft", role: "status" });
    const tools = Report.element("div", { class: "table-tools" }, Report.labelled("Filter rows", filter), status);
    table.closest(".scroll").before(tools);
    filter.addEventListener("input", () => update(table, filter, status));
    Report.listeners.push(() => update(table, filter, status));
    update(table, filter, status);
  };

  // On paper a table has its first rows only, in the order and choice of the screen.
  Report.limitTables = (printing) => {
    for (const table of document.querySelectorAll("table.sortable")) {
      const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
      rows.forEach((row, index) => row.classList.toggle("beyond", printing && index >= PRINTED));
      const scroll = table.closest(".scroll");
      if (scroll.nextElementSibling?.matches(".printed")) scroll.nextElementSibling.remove();
      const words = `The first ${PRINTED} of ${Report.plural(rows.length, "row")} are printed.`;
      if (printing && rows.length > PRINTED) scroll.after(Report.element("p", { class: "print-only printed soft" }, words));
    }
  };

  Report.startTables = () => document.querySelectorAll("table.sortable").forEach(enhance);
})();
