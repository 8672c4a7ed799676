// One expert at a time: what it does in a sentence, and its categories, classes of tokens, top tokens and partners.
(() => {
  "use strict";
  const body = () => document.getElementById("expert-body");
  const view = { set: null, layer: null, expert: null };
  const interval = (share) => Report.share(...share);
  const times = (value) => (value === null ? "\u2013" : `${Report.factor(value)} \u00d7`);

  const cards = () => view.set.layers[view.layer];
  const largest = ({ categories }) => categories[0]?.takes[0] ?? 0;
  // The one that was chosen, or at first that which takes most of a category.
  const card = () => cards().find(({ expert }) => expert === view.expert)
    ?? cards().reduce((best, other) => (largest(other) > largest(best) ? other : best));

  // A share as a bar, with a mark at the even share; all of it is `whole`.
  const bar = ([share], even, whole = 1) => {
    const line = Report.element("span", { class: "expert-bar" });
    line.style.setProperty("--share", `${Math.min(100, (100 * (share ?? 0)) / whole)}%`);
    line.style.setProperty("--even", `${(100 * even) / whole}%`);
    return line;
  };

  const table = (caption, heads, rows) =>
    rows.length === 0 ? null : Report.element("table", { class: "expert-table" },
      Report.element("caption", {}, caption),
      Report.element("thead", {}, Report.element("tr", {}, ...heads.map((head) => Report.element("th", { scope: "col" }, head)))),
      Report.element("tbody", {}, ...rows));

  const row = (name, ...cells) =>
    Report.element("tr", {}, Report.element("th", { scope: "row", dir: "auto" }, name), ...cells.map((cell) => Report.element("td", {}, cell)));

  const parts = (caption, list, even) =>
    table(caption, ["", "it takes", "", "times even load", "times its load", "of its tokens", "tokens"],
      list.map((part) => row(part.name, interval(part.takes), bar(part.takes, even), times(part.takes[0] === null ? null : part.takes[0] / even), times(part.over_own), Report.share(part.of_expert), Report.count(part.n))));

  const example = (text) =>
    text === null ? "" : Report.element("span", { class: "context", dir: "auto" }, text[0], Report.element("mark", {}, text[1]), text[2]);

  const details = (own) => [
    Report.element("p", { class: "expert-words", dir: "auto" }, own.words),
    parts("Categories", own.categories, own.even),
    parts("Classes of tokens", own.classes, own.even),
    parts("Scripts", own.scripts, own.even),
    parts("Places in a sequence", own.places, own.even),
    table("Tokens that go to it more often than their frequency says", ["", "id", "it takes", "occurrences", "for instance"],
      own.tokens.map((token) => row(token.shown, String(token.id), interval(token.takes), Report.count(token.n), example(token.example)))),
    table("Chosen together with", ["", "of its tokens", "times what loads give"],
      own.partners.map(([expert, share, lift]) => row(`expert ${expert}`, Report.share(share), times(lift)))),
  ];

  const show = () => {
    const own = card();
    view.expert = own.expert;
    // Loads are a few times the even share: of 100 % all bars would be equally short.
    const whole = Math.max(...cards().map(({ takes, even }) => Math.max(takes[0] ?? 0, even))) * 1.1;
    const list = cards().map((other) => {
      const chosen = other.expert === own.expert;
      const button = Report.element("button", { type: "button", "aria-pressed": String(chosen) }, Report.element("span", {}, `${other.expert}`, Report.element("small", {}, Report.share(other.takes[0]))),
        bar(other.takes, other.even, whole));
      button.title = `expert ${other.expert}: ${interval(other.takes)} of all tokens`;
      button.addEventListener("click", () => {
        view.expert = other.expert;
        show();
      });
      return button;
    });
    document.getElementById("expert-list").replaceChildren(...list);
    document.getElementById("expert-card").replaceChildren(...details(own).filter((part) => part !== null));
    Report.tellAddress();
  };

  const choose = (index) => {
    view.set = Report.data.experts[index];
    const layers = Object.keys(view.set.layers);
    if (!layers.includes(view.layer)) view.layer = layers[layers.length - 1];
    document.getElementById("expert-layer").replaceChildren(...layers.map((layer) => Report.option(layer, layer, layer === view.layer)));
    const shown = layers.reduce((sum, layer) => sum + view.set.layers[layer].length, 0);
    const [all, of] = view.set.of;
    document.getElementById("expert-count").textContent = shown < all
      ? `${shown} of ${Report.count(all)} experts in ${layers.length} of ${of} layers: of each layer those that take most of any one category` : "";
    show();
  };

  // The address has the run, the layer and the expert, where they are not those that are shown first.
  const addressed = (runs, layer) => {
    const first = { layer: view.layer, expert: view.expert };
    const isFirst = () => view.layer === first.layer && view.expert === first.expert;
    Report.addressed("experts-run", () => (runs.value === "0" ? null : runs.value), (value) => Report.pick(runs, value));
    Report.addressed("experts-layer", () => (isFirst() ? null : view.layer), (value) => Report.pick(layer, value));
    Report.addressed("expert", () => (isFirst() ? null : view.expert), (value) => {
      if (!cards().some(({ expert }) => String(expert) === value)) return;
      view.expert = Number(value);
      show();
    });
  };

  Report.startExperts = () => {
    if (!body() || !Report.data.experts?.length) return;
    const runs = document.getElementById("expert-run");
    runs.replaceChildren(...Report.data.experts.map(({ run, checkpoint }, index) =>
      Report.option(index, `${Report.data.runs[run].label}: ${checkpoint}`)));
    runs.closest("label").hidden = Report.data.experts.length < 2;
    runs.addEventListener("change", () => choose(Number(runs.value)));
    const layer = document.getElementById("expert-layer");
    layer.addEventListener("change", () => {
      [view.layer, view.expert] = [layer.value, null];
      show();
    });
    body().hidden = false;
    choose(0);
    addressed(runs, layer);
  };
})();
