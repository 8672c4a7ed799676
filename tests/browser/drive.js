// Drives a report in a real browser: appended to a copy of the page, it turns every control, and writes what it saw as
// JSON into <pre id="result">. It knows no run: it reads what there is. `chromium --headless --dump-dom` prints the result.
(() => {
  "use strict";
  const result = { errors: Report.errors, failures: [] };
  const expect = (truth, what) => {
    if (!truth) result.failures.push(what);
    return Boolean(truth);
  };
  // The next frame. With a virtual clock timers run ahead of the frames, so messages pass the time until it comes.
  const frame = () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    let left = 100000;
    let painted = false;
    requestAnimationFrame(() => (painted = true));
    port1.onmessage = () => {
      left -= 1;
      if (painted || !left) resolve();
      else port2.postMessage(0);
    };
    port2.postMessage(0);
  });
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);

  const choose = (select, value) => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const type = (input, text) => {
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const drawings = () => all(".plot").map((host) => Number(host.dataset.drawn ?? 0));
  const visibleRows = (table) => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const MARKS = ".plot svg :is(circle, path, rect, line), .plot table.words td";

  // Every figure is drawn when it comes into view, has marks and an alternative text.
  const figures = async () => {
    for (const host of all(".plot")) {
      host.scrollIntoView({ behavior: "instant" });
      for (let turn = 0; turn < 40 && !host.dataset.drawn; turn += 1) await frame();
      expect(host.dataset.drawn, `not drawn: ${host.dataset.statistic}`);
      expect(host.getAttribute("aria-label")?.length > 40, `no alternative text: ${host.dataset.statistic}`);
      expect(!/NaN|undefined|null/.test(host.textContent + host.getAttribute("aria-label")), `NaN or undefined in ${host.dataset.statistic}`);
      expect(!one("[d*='NaN'], [cx*='NaN'], [transform*='NaN']", host), `NaN in a mark of ${host.dataset.statistic}`);
    }
    result.figures = all(".plot").length;
    result.figures_drawn = all(".plot[data-drawn]").length;
    result.svg_marks = all(MARKS).length;
    result.kinds = [...new Set(all(".plot").map(({ dataset }) => Report.figure(dataset.statistic, Number(dataset.figure)).kind))].sort();
  };

  // All figures behind the <select> of a statistic.
  const otherFigures = () => {
    let drawn = 0;
    for (const select of all("select.which-figure")) {
      const host = one(".plot", select.closest("figure"));
      for (const { value } of [...select.options].reverse()) {
        choose(select, value);
        const figure = Report.figure(host.dataset.statistic, Number(value));
        expect(host.childElementCount > 0, `empty: ${host.dataset.statistic} ${figure.label}`);
        expect(!one("[d*='NaN'], [cx*='NaN'], [transform*='NaN']", host), `NaN in a mark of ${host.dataset.statistic} ${figure.label}`);
        result.kinds = [...new Set([...result.kinds, figure.kind])].sort();
        drawn += 1;
      }
    }
    result.other_figures_drawn = drawn;
  };

  // A selector redraws every figure and hides the rows of tables that are of something else.
  const selectors = () => {
    const layer = one("#layer");
    const chosen = [...layer.options].at(-1).value;
    const before = drawings();
    choose(layer, chosen);
    result.layer_change_redraws = drawings().filter((count, index) => count > before[index]).length;
    expect(result.layer_change_redraws === before.length, "a change of layer does not redraw every figure");
    const strangers = all("table.sortable").flatMap(visibleRows).filter((row) => row.dataset.layer !== chosen);
    expect(strangers.length === 0, "a table shows rows of another layer");
    choose(layer, "all");
    const view = one("#view");
    for (const { value } of [...view.options].reverse()) {
      choose(view, value);
      const words = one("#view-words").textContent;
      expect(words.startsWith(value), `the view is not explained: ${words}`);
      result.views = (result.views ?? 0) + 1;
    }
    const theme = one("#theme");
    const paper = () => getComputedStyle(document.body).backgroundColor;
    choose(theme, "dark");
    const dark = paper();
    choose(theme, "light");
    result.theme_ok = expect(dark !== paper(), "dark and light have the same background");
    choose(theme, "auto");
  };

  const sortValues = (table, column) =>
    visibleRows(table).map((row) => row.cells[column].dataset.value ?? row.cells[column].textContent)
      .map(Number).filter((value) => !Number.isNaN(value));

  // Columns of numbers sort upwards, then downwards; a filter leaves only rows with its word.
  const tables = () => {
    result.tables = all("table.sortable").length;
    result.table_sorts_ok = true;
    result.filter_ok = true;
    for (const table of all("table.sortable")) {
      const headers = all("thead th", table);
      const column = headers.findIndex((header) => header.textContent.trim() === "estimate");
      const at = column < 0 ? headers.findIndex((header) => header.textContent.trim() === "difference") : column;
      for (const direction of ["ascending", "descending"]) {
        one("button", headers[at]).click();
        const values = sortValues(table, at).filter((value) => value !== 0);
        const sign = direction === "ascending" ? 1 : -1;
        const sorted = values.every((value, index) => !index || sign * (value - values[index - 1]) >= 0);
        const told = headers[at].getAttribute("aria-sort") === direction;
        result.table_sorts_ok &&= expect(sorted && told, `a table is not sorted ${direction}`);
      }
      const filter = one("input[type=search]", table.closest("details"));
      const rows = visibleRows(table);
      const word = rows.at(-1)?.cells[2].textContent.trim().toLowerCase().split(/\s+/)[0] ?? "";
      type(filter, word);
      const right = visibleRows(table).every((row) => row.textContent.toLowerCase().includes(word)) && (!rows.length || visibleRows(table).length > 0);
      type(filter, "no such word as this");
      const none = visibleRows(table).length === 0;
      type(filter, "");
      result.filter_ok &&= expect(right && none && visibleRows(table).length === rows.length, "a filter leaves wrong rows");
    }
  };

  // Hover and arrow keys show value, n and interval.
  const tips = async () => {
    const host = all(".plot").find((plot) => plot.panels?.length);
    if (!host) return;
    host.scrollIntoView({ behavior: "instant", block: "center" });
    await frame();
    press(host, "ArrowRight");
    const tip = one(".tip");
    result.tip = tip?.textContent ?? "";
    expect(tip && !tip.hidden && result.tip.length > 10, "the arrow keys show no tip");
    press(document.body, "Escape");
    expect(tip?.hidden, "Escape does not hide the tip");
    const at = one(".ring").style;
    const place = { clientX: parseFloat(at.left) + 8 - scrollX, clientY: parseFloat(at.top) + 8 - scrollY, bubbles: true, pointerType: "mouse" };
    host.panels[0].plot.dispatchEvent(new PointerEvent("pointermove", place));
    for (let turn = 0; turn < 40 && tip?.hidden; turn += 1) await frame();
    result.hover_ok = expect(tip && !tip.hidden && tip.textContent === result.tip, `hovering shows another tip: ${tip?.textContent}`);
    Report.hideTip();
  };

  const tokenText = () => one("#token-text");
  const tokens = () => {
    if (!tokenText()) return;
    const box = tokenText();
    const problems = result.failures.length;
    for (const { value } of [...one("#token-run").options].reverse()) {
      choose(one("#token-run"), value);
      const last = one("#token-document").options.length - 1;
      expect(last >= 0, "no document listed");
      for (const index of [last, 0]) {
        choose(one("#token-document"), one("#token-document").options[index].value);
        expect(all(".token", box).length > 0, "a document has no tokens");
      }
    }
    result.tokens_shown = all(".token", box).length;
    for (const { value } of [...one("#token-colouring").options].reverse()) {
      choose(one("#token-colouring"), value);
      expect(one("#token-legend").childElementCount > 1, `no legend for ${value}`);
    }
    for (const { value } of [...one("#token-layer").options].reverse()) choose(one("#token-layer"), value);
    all(".token", box)[0].focus();
    press(document.activeElement, "ArrowRight");
    const second = all(".token", box)[Math.min(1, result.tokens_shown - 1)];
    expect(second.classList.contains("current") && second.tabIndex === 0, "the arrow keys do not move the token");
    expect(all(".token[tabindex='0']", box).length === 1, "more than one token in the order of the Tab key");
    expect(all("#token-panel tbody tr").length > 0, "the panel shows no choices");
    press(second, "Enter");
    expect(one("#token-id-panel h4"), "Enter picks no token id");
    result.occurrences = all(".occurrences li").length;
    expect(result.occurrences > 0, "a token id has no occurrence");
    expect(all(".counts tbody tr").length > 0, "a token id has no counts");
    all(".occurrences .place").at(-1).click();
    expect(one("#token-text .token.current"), "an occurrence does not open its document");
    type(one("#token-id"), one("#token-ids").options[0]?.value ?? "0");
    one("#token-id-form").requestSubmit();
    expect(one("#token-id-panel h4"), "a typed token id shows nothing");
    type(one("#token-filter"), "no such document as this");
    expect(one("#token-document").options.length === 0, "the filter of documents leaves some");
    type(one("#token-filter"), "");
    result.token_view_ok = result.failures.length === problems;
  };

  // Nothing that a document says has become markup, and nothing refers to a host.
  const safety = () => {
    const foreign = all("script").length !== all("script:not([src])").length || all("img, iframe, object, embed, base, link[href]").length;
    result.escaped_ok = expect(!foreign, "an element that no template wrote");
    const handlers = all("*").filter((node) => [...node.attributes].some(({ name }) => name.startsWith("on")));
    expect(handlers.length === 0, "an inline event handler");
    const ids = all("[id]").map((node) => node.id);
    expect(new Set(ids).size === ids.length, "an id is there twice");
    result.requests = performance.getEntriesByType("resource").length;
    expect(result.requests === 0, "a request was made");
    const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
    result.no_horizontal_scroll = expect(!wide, "the page scrolls sideways");
  };

  const printing = () => {
    window.dispatchEvent(new Event("beforeprint"));
    result.drawn_for_print = all(".plot[data-drawn]").length;
    expect(result.drawn_for_print === all(".plot").length, "not every figure is drawn for print");
    window.dispatchEvent(new Event("afterprint"));
  };

  const drive = async () => {
    await Report.ready;
    for (const step of [figures, otherFigures, selectors, tables, tips, tokens, printing, safety]) {
      try {
        await step();
      } catch (error) {
        result.failures.push(`${step.name}: ${error.stack ?? error}`);
      }
    }
    const box = document.createElement("pre");
    box.id = "result";
    box.textContent = JSON.stringify(result);
    document.body.replaceChildren(box);
  };

  drive();
})();
