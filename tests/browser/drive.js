// Drives a report in a real browser: appended to a copy of the page, it turns every control, and writes what it saw as
// JSON into <pre id="result">. It knows no run: it reads what there is. `chromium --headless --dump-dom` prints the result.
(() => {
  "use strict";
  const result = { errors: Report.errors, failures: [] };
  // Before the page has loaded: a browser that prints it prints what is there then.
  const atOnce = document.readyState === "loading" && [...document.querySelectorAll(".plot")].filter((host) => host.checkVisibility())
    .every((host) => host.dataset.drawn && host.querySelector("svg, table, .flow"));
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
  // All rows of a table, and not only those that have been written so far.
  const visibleRows = (table) => {
    while (table.written < table.rows.length) table.write(1000);
    return [...table.node.tBodies[0].rows];
  };
  const openTables = () => Report.tables.forEach((table) => {
    table.details.open = true;
    table.update();
  });
  const MARKS = ".plot svg :is(circle, path, rect, line), .plot table.words td, .plot .flow .token";

  // What a script writes where a value is missing.
  const MISSING = /\b(?:undefined|NaN|null|Infinity)\b|\[object /;
  // A run may have such names (a category "NaN", a token "null"): as they are, as the page shows them, and their last words.
  const names = new Set();
  const collect = (value) => {
    if (typeof value === "string") {
      if (!MISSING.test(value)) return;
      for (const name of [value, value.trim(), Report.visible(value), Report.plainName(value)]) {
        names.add(name);
        names.add(name.split(/[-_/:. ]/).at(-1));
      }
    } else if (value && typeof value === "object") Object.values(value).forEach(collect);
  };
  const withoutNames = (text) =>
    [...names].filter((name) => name).sort((a, b) => b.length - a.length).reduce((rest, name) => rest.replaceAll(name, ""), text);
  // Places that have numbers only: there no name excuses it.
  const NUMBERS = "#token-panel td, .counts :is(td, caption), .ramp-texts, .table-tools [role=status], table.sortable td:not(.word)";
  const WRITTEN = ".plot, #toolbar, .table-tools, #tokens, .tip";
  const nothingMissing = (where, root = document.body) => {
    for (const node of all(NUMBERS, root)) {
      expect(!MISSING.test(node.textContent), `a value is missing, ${where}: ${node.textContent}`);
    }
    const written = all(WRITTEN, root).flatMap((part) => [part, ...all("*", part)]);
    for (const node of written) {
      const texts = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data);
      const told = ["aria-label", "title", "placeholder"].map((name) => node.getAttribute(name) ?? "");
      for (const text of [...texts, ...told]) {
        if (MISSING.test(text)) expect(!MISSING.test(withoutNames(text)), `a value is missing, ${where}: ${text.slice(0, 200)}`);
      }
    }
  };
  const tipsOf = (host) => (host.panels ?? []).flatMap((panel) => panel.rows.slice(0, 50).flatMap((row) => panel.lines(row)));
  const figureIsWhole = (host, what) => {
    const lost = tipsOf(host).find((line) => MISSING.test(line) && MISSING.test(withoutNames(line)));
    expect(!lost, `a value is missing in a tip of ${what}: ${lost}`);
    expect(!one("[d*='NaN'], [cx*='NaN'], [transform*='NaN']", host), `NaN in a mark of ${what}`);
    const label = host.getAttribute("aria-label") ?? "";
    const empty = host.textContent.includes("No number to show");
    expect(empty || one(MARKS.replaceAll(".plot ", ""), host), `no mark and no reason: ${what}`);
    expect(!label.includes("95 % interval") || Report.figure(host.dataset.statistic, Number(host.dataset.figure)).data.low?.some((low) => low !== null),
      `an interval is told of but not drawn: ${what}`);
    expect(!label.includes("baseline") || withoutBaselineWords(host, label), `a baseline is told of but not drawn: ${what}`);
  };
  // The title, the label and the notes of a figure may speak of baselines; what is said of its marks may not.
  const withoutBaselineWords = (host, label) => {
    const figure = Report.figure(host.dataset.statistic, Number(host.dataset.figure));
    const marks = label.slice(`${figure.statistic.title}: ${figure.label}.`.length).split(". ")[0];
    return !marks.includes("baseline") || figure.data.baseline?.some((value) => value !== null);
  };

  // What the page is before anything is unfolded: answers, pictures, one document, and every statistic in one line.
  const first = () => {
    result.height = document.documentElement.scrollHeight;
    const folded = all("main details").filter((details) => !details.open && !details.matches(".more, .what"));
    expect(folded.length >= all(".statistic").length, "a statistic is unfolded at first");
    for (const statistic of all(".statistic")) {
      const table = Report.data.statistics[statistic.dataset.name].table?.columns;
      const known = table?.estimate?.some((value) => value !== null);
      expect(!known || one(".glance", statistic)?.textContent.match(/\d/), `no number in the line of ${statistic.id}`);
    }
    const drawn = all(".plot").filter((host) => host.checkVisibility());
    expect(drawn.every((host) => host.dataset.drawn), "a figure that is seen first is not drawn");
    expect(all(".pictures .picture").length <= 6, "more than six pictures");
    result.pictures = all(".pictures .plot").map(({ dataset }) => dataset.statistic);
    nothingMissing("before anything is unfolded");
  };

  // The numbers of the pictures beside the words, as they are written there.
  const heroes = () => {
    result.words = all(".verdict").map((verdict) => verdict.textContent);
    result.heroes = all(".answer .plot").map((host) => {
      const figure = Report.figure(host.dataset.statistic, Number(host.dataset.figure));
      const texts = all("svg text", host).map((text) => text.textContent);
      const marks = host.panels.flatMap(({ rows }) => rows).map(({ layer, series, label, estimate }) =>
        ({ layer, series, label, written: Report.written(estimate, figure.decimals, figure.unit) }));
      for (const { layer, label, written } of marks) {
        const wanted = marks.filter((mark) => mark.written === written).length;
        expect(texts.filter((text) => text === written).length >= wanted, `${written} of ${label} in layer ${layer} is not written in the picture`);
      }
      return { run: Number(host.dataset.run), command: Report.data.runs[host.dataset.run].command, marks };
    });
  };

  // Every figure is drawn, has marks and an alternative text.
  const figures = async () => {
    if (one("#fold").checkVisibility()) one("#fold").click();
    expect(all("main details:not(.table)").every((details) => details.open), "the button does not unfold everything");
    for (const host of all(".plot")) {
      host.scrollIntoView({ behavior: "instant" });
      for (let turn = 0; turn < 40 && !host.dataset.drawn; turn += 1) await frame();
      expect(host.dataset.drawn, `not drawn: ${host.dataset.statistic}`);
      expect(host.getAttribute("aria-label")?.length > 40, `no alternative text: ${host.dataset.statistic}`);
      figureIsWhole(host, host.dataset.statistic);
    }
    nothingMissing("at first");
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
        const figure = Report.figure(...value.split(" "));
        expect(figure && host.dataset.statistic === value.split(" ")[0], `the choice of ${value} shows ${host.dataset.statistic}`);
        expect(host.childElementCount > 0, `empty: ${host.dataset.statistic} ${figure.label}`);
        figureIsWhole(host, `${host.dataset.statistic} ${figure.label}`);
        result.kinds = [...new Set([...result.kinds, figure.kind])].sort();
        drawn += 1;
      }
    }
    result.other_figures_drawn = drawn;
    nothingMissing("in the last of several figures");
  };

  // Where a layer is chosen, its own line stands before the sentences, if there is one.
  const wordsOfLayer = (layer) => {
    for (const answer of all(".answer")) {
      const known = all(".more li", answer).filter((line) => line.textContent.startsWith(`layer ${layer}:`)).map((line) => line.textContent);
      const told = all(".words-about li", answer).map((line) => line.textContent);
      expect(JSON.stringify(told) === JSON.stringify(known), `the words of layer ${layer} are ${JSON.stringify(told)}`);
    }
  };
  // In another view the numbers of the picture stand there, as it writes them, or it is said that there are none.
  const wordsOfView = () => {
    for (const answer of all(".answer").filter((one) => one.querySelector(".plot")?.panels.length)) {
      const told = one(".words-about", answer).textContent;
      const written = all("svg text", answer).map((text) => text.textContent).filter((text) => /^\d.*%$/.test(text));
      expect(told.includes("before capacity alone") || written.every((number) => told.includes(number)), `the picture shows ${written}, the words say ${told}`);
    }
  };

  // A selector redraws every figure and hides the rows of tables that are of something else.
  const selectors = () => {
    const folded = all("details.table").filter((details) => !details.open).length;
    expect(folded === all("details.table").length, "a table is open at first");
    openTables();
    const layer = one("#layer");
    const chosen = [...layer.options].at(-1).value;
    const before = drawings();
    choose(layer, chosen);
    result.layer_change_redraws = drawings().filter((count, index) => count > before[index]).length;
    expect(result.layer_change_redraws === before.length, "a change of layer does not redraw every figure");
    const silent = new Set();
    for (const { value } of [...layer.options].filter((option) => option.value !== "all")) {
      choose(layer, value);
      all(".plot").forEach((host) => figureIsWhole(host, `${host.dataset.statistic}, layer ${value}`));
      nothingMissing(`layer ${value}`);
      for (const table of Report.tables) {
        const shown = visibleRows(table);
        expect(shown.every((row) => row.dataset.layer === value), "a table shows rows of another layer");
        const status = table.status.textContent;
        if (!shown.length && !status.includes(`no row of layer ${value}`)) silent.add(idOf(table));
      }
    }
    expect(!silent.size, `tables without rows of a layer do not say so: ${[...silent].join(", ")}`);
    const marked = () => all(".words-about").every((words) => words.checkVisibility());
    expect(marked(), "the words are not marked although another layer is shown");
    if (one("#view").value === "chosen") wordsOfLayer(layer.value);
    choose(layer, "all");
    expect(!all(".words-about").some((words) => words.checkVisibility()) || one("#view").value !== "chosen", "the words are marked for nothing");
    const view = one("#view");
    const words = one("#view-words");
    const several = view.options.length > 1;
    expect(view.checkVisibility() === several && (several || !words.checkVisibility()), "a choice of one view is shown");
    for (const { value } of [...view.options].reverse()) {
      choose(view, value);
      if (value !== "chosen") wordsOfView();
      expect(words.textContent.startsWith(value), `the view is not explained: ${words.textContent}`);
      nothingMissing(`view ${value}`);
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

  const idOf = (table) => table.node.closest(".statistic").id;

  // The number that a cell shows; of an interval its lower end. A cell without one is blank.
  const shownNumber = (cell) => {
    const text = cell.textContent.replaceAll("\u2212", "-").replace(/(\d),(?=\d)/g, "$1");
    const found = /-?\d+(?:\.\d+)?(?:e[-+]?\d+)?/.exec(text);
    return found ? Number(found[0]) : null;
  };
  // Half of the last place that a cell shows: the ends of different intervals have different decimals.
  const half = (cell) => {
    const [, decimals, exponent] = /^[^\d]*\d+(?:\.(\d+))?(?:e([-\u2212+]?\d+))?/.exec(cell.textContent) ?? [];
    return 0.501 * 10 ** (Number((exponent ?? "0").replace("\u2212", "-")) - (decimals?.length ?? 0));
  };
  const NUMERIC = ["layer", "estimate", "95 % interval", "baseline", "explained", "its interval", "first", "second", "difference"];

  // Upwards or downwards by what is shown, zeros in their place, blanks at the end.
  const isSorted = (table, column, sign) => {
    const cells = visibleRows(table).map((row) => row.cells[column]);
    const values = cells.map(shownNumber);
    const blank = values.indexOf(null);
    const numbers = blank < 0 ? values : values.slice(0, blank);
    return values.slice(numbers.length).every((value) => value === null) &&
      numbers.every((value, index) => !index || sign * (value - numbers[index - 1]) >= -half(cells[index]) - half(cells[index - 1]));
  };

  const sorts = (table) => {
    for (const [at, header] of all("thead th", table.node).entries()) {
      if (!NUMERIC.includes(header.textContent.trim())) continue;
      for (const [direction, sign] of [["ascending", 1], ["descending", -1]]) {
        one("button", header).click();
        const told = header.getAttribute("aria-sort") === direction;
        result.columns_sorted = (result.columns_sorted ?? 0) + 1;
        result.table_sorts_ok &&= expect(told && isSorted(table, at, sign),
          `${idOf(table)}: ${header.textContent} is not sorted ${direction}`);
      }
    }
  };

  // The words of a cell, as a filter knows them.
  const wordsOf = (text) => text.toLowerCase().split(/[^\p{L}\p{M}\p{N}]+/u).filter(Boolean);

  const filters = (table) => {
    const rows = visibleRows(table).map((row) => all("td.of", row).map((cell) => cell.textContent).join(" "));
    const typed = [...new Set([rows[0], rows.at(-1)].filter(Boolean).flatMap((text) => wordsOf(text).slice(0, 3)))];
    let right = true;
    for (const word of typed) {
      type(table.filter, word);
      const wanted = rows.filter((text) => wordsOf(text).includes(word)).length;
      right &&= visibleRows(table).length === wanted && visibleRows(table).every((row) =>
        all("td.of", row).some((cell) => wordsOf(cell.textContent).includes(word)));
      expect(right, `${idOf(table)}: ${word} finds ${visibleRows(table).length} of ${wanted} rows`);
    }
    type(table.filter, "nosuchwordasthis");
    right &&= visibleRows(table).length === 0;
    type(table.filter, "");
    result.filter_ok &&= expect(right && visibleRows(table).length === rows.length, `${idOf(table)}: a filter leaves wrong rows`);
  };

  // Every column of numbers and intervals sorts; a filter leaves all rows with its word, and no other.
  const tables = () => {
    openTables();
    result.tables = Report.tables.length;
    expect(result.tables === all("table.sortable").length, "a table without its rows");
    result.rows = Report.tables.reduce((sum, table) => sum + table.size, 0);
    result.table_sorts_ok = true;
    result.filter_ok = true;
    for (const table of Report.tables) {
      sorts(table);
      filters(table);
      const part = table.size < table.total;
      expect(table.status.textContent.includes("in this page, of") === part, `${idOf(table)}: ${table.status.textContent}`);
      expect(part || table.size === table.total, `more rows than there are: ${table.node.dataset.statistic}`);
    }
    result.largest = largest();
  };

  // What stands on top when domain specialization is sorted downwards.
  const largest = () => {
    const table = Report.tables.find(({ node }) => node.dataset.statistic === "domain_specialization" && node.dataset.rows === "table");
    if (!table) return null;
    const header = one("th[data-key=estimate]", table.node);
    while (header.getAttribute("aria-sort") !== "descending") one("button", header).click();
    return one("tbody tr", table.node).cells[table.keys.indexOf("estimate")].textContent;
  };

  // Whether a section stands below the toolbar, unfolded and with its figures drawn.
  const hasLanded = (target, how) => {
    const top = target.getBoundingClientRect().top;
    const covered = one("#toolbar").getBoundingClientRect().bottom;
    const end = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;
    result.landed[target.id] = Math.round(top - covered);
    expect((top > covered - 1 && top < covered + 24) || (end && top > covered - 1), `${how} lands at ${Math.round(top)} pixels, below ${Math.round(covered)}`);
    for (let details = target.closest("details"); details; details = details.parentElement.closest("details")) {
      expect(details.open, `${how} leads to something folded`);
    }
    const host = one(".plot", target);
    expect(!host?.checkVisibility() || host.dataset.drawn, `${how} leads to a figure that is not drawn`);
  };
  const rest = async () => {
    for (let turn = 0; turn < 20; turn += 1) await frame();
  };

  // Every link inside the page lands where it says, also into what is folded; so does an address with which it is opened.
  const landing = async () => {
    result.landed = {};
    result.links = 0;
    for (const link of all("a[href^='#']:not(.skip)").reverse()) {
      const anchor = link.getAttribute("href").slice(1);
      const target = document.getElementById(anchor);
      if (!expect(target, `a link to ${anchor}, which is not there`) || !link.checkVisibility()) continue;
      window.scrollTo({ top: 0, behavior: "instant" });
      await frame();
      link.click();
      await rest();
      result.links += 1;
      hasLanded(target, `the link to ${anchor}`);
      expect(decodeURIComponent(location.hash).startsWith(`#${anchor}`), `the link to ${anchor} leaves the address at ${location.hash}`);
    }
    for (const anchor of ["token", "category", "tokens", "methods"]) {
      const target = document.getElementById(anchor);
      if (!target) continue;
      all("details").forEach((details) => (details.open = false));
      window.scrollTo({ top: 0, behavior: "instant" });
      location.hash = `#${anchor}`;
      await rest();
      hasLanded(target, `the address #${anchor}`);
    }
    all("details").forEach((details) => (details.open = false));
    window.scrollTo({ top: 0, behavior: "instant" });
  };

  // What is shown is in the address, and the address shows it again.
  const address = async () => {
    const parts = ["layer", "view", "token-run", "token-document", "token-layer", "token-colouring"].map((id) => one(`#${id}`)).filter(Boolean);
    const values = () => parts.map(({ value }) => value).concat(one("#token-panel")?.textContent ?? "", one("#token-id-panel h4")?.textContent ?? "");
    parts.forEach((select) => choose(select, [...select.options].at(-1).value));
    const token = all("#token-text .token").at(-1);
    if (token) {
      token.focus();
      press(token, "Enter");
    }
    const [told, wanted] = [location.hash, values()];
    result.address = told;
    expect(one("#layer").options.length < 2 || told.includes("layer="), `the layer is not in the address: ${told}`);
    parts.forEach((select) => choose(select, select.options[0].value));
    expect(JSON.stringify(values()) !== JSON.stringify(wanted) || parts.every(({ options }) => options.length < 2), "nothing has changed");
    location.hash = told;
    await rest();
    expect(JSON.stringify(values()) === JSON.stringify(wanted), `${told} shows ${JSON.stringify(values())}, not ${JSON.stringify(wanted)}`);
    expect(location.hash === told, `the address ${told} becomes ${location.hash}`);
    parts.forEach((select) => choose(select, select.options[0].value));
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

  // A typed text means what it means to the command `token`, and of what it may mean the commonest comes first.
  const spellings = () => {
    const list = JSON.parse(one("#spellings").textContent);
    const sorted = (texts) => JSON.stringify([...texts].sort());
    for (const { typed, meant } of list) {
      expect(sorted(Report.meantBy(typed)) === sorted(meant), `${typed} means ${Report.meantBy(typed)}, not ${meant}`);
    }
    result.spellings = list.length;
    const set = Report.tokenSet(0);
    const { id, text } = set.vocabulary;
    const layer = set.layers[0];
    const often = (index) => set.counts[layer][index].reduce((sum, value, at) => sum + (at % 2 ? value : 0), 0);
    for (let index = 0; index < id.length; index += 1) {
      const shown = Report.visible(text[index]);
      const { found, near } = Report.findTokens(set, shown);
      const same = found.filter((other) => Report.visible(text[other]) === shown || Report.visible(text[other]) === `\u2423${shown}`);
      expect(found.length === 8 || (found.includes(index) && !near), `${shown} does not find its token`);
      expect(same.every((other, at) => !at || often(same[at - 1]) >= often(other)), `${shown} finds a rarer token first`);
      expect(Report.findTokens(set, String(id[index])).found.includes(index), `the id ${id[index]} does not find its token`);
    }
  };

  const tokenSection = () => one("#tokens");
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
        nothingMissing(`tokens of ${value}`, tokenSection());
        press(all(".token", box)[0], "Enter");
        nothingMissing(`token id of ${value}`, tokenSection());
      }
    }
    result.tokens_shown = all(".token", box).length;
    for (const { value } of [...one("#token-colouring").options].reverse()) {
      choose(one("#token-colouring"), value);
      expect(one("#token-legend").childElementCount > 1, `no legend for ${value}`);
    }
    for (const { value } of [...one("#token-layer").options].reverse()) {
      choose(one("#token-layer"), value);
      nothingMissing(`tokens, layer ${value}`, tokenSection());
    }
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
    const foreign = all("script").length !== all("script:not([src])").length || all("img:not(.charts img), iframe, object, embed, base, link[href]").length;
    // The small pictures are in the page, each with what its chart says.
    const pictures = all(".charts img");
    result.thumbnails = pictures.length;
    expect(pictures.every((picture) => picture.src.startsWith("data:image/png;base64,") && picture.alt.length > 5), "a small picture is not in the page, or says nothing");
    expect(!all(".charts li").length || pictures.length, "no chart has a small picture");
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

  // What is printed at once is drawn, as wide as the paper, with all that the answers rest on.
  const printing = () => {
    expect(atOnce, "a figure that is seen first is not drawn when the page has loaded");
    const folded = all(".more, .what").filter((details) => !details.open);
    window.dispatchEvent(new Event("beforeprint"));
    expect(all(".more, .what").every((details) => details.open), "what the answers rest on is folded on paper");
    const seen = all(".plot").filter((host) => host.checkVisibility());
    result.drawn_for_print = seen.filter((host) => host.dataset.width === "680").length;
    expect(seen.length && result.drawn_for_print === seen.length, "not every figure is drawn for print");
    window.dispatchEvent(new Event("afterprint"));
    expect(folded.every((details) => !details.open), "what was folded stays unfolded after printing");
  };

  const STEPS = [first, heroes, landing, address, figures, otherFigures, selectors, tables, tips, spellings, tokens, printing, safety];
  const asked = document.currentScript.dataset.steps?.split(" ");
  const drive = async () => {
    collect(Report.data);
    result.width = window.innerWidth;
    for (const step of STEPS.filter(({ name }) => !asked || asked.includes(name))) {
      try {
        await step();
      } catch (error) {
        result.failures.push(`${step.name}: ${error.stack ?? error}`);
      }
    }
    Report.tellAddress(); // so that none is told when the page is gone
    const box = document.createElement("pre");
    box.id = "result";
    box.textContent = JSON.stringify(result);
    document.body.replaceChildren(box);
  };

  drive();
})();
