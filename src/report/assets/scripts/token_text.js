// The text of a sequence, token by token, coloured; a panel says what the token under pointer or focus chose.
(() => {
  "use strict";
  const LOSS = {
    none: "every choice kept",
    later: "a later choice dropped",
    first: "the first choice dropped",
    all: "every choice dropped",
  };

  Report.lossWords = (loss) => LOSS[loss];

  // Neighbouring experts get hues far apart (golden angle); the number beside the token is the sure sign.
  const hue = (expert) => Math.round((expert * 137.508) % 360);
  // Hues that are near each other again differ in lightness: three steps, in turn.
  const tint = (node, expert) => {
    node.style.setProperty("--hue", hue(expert));
    node.style.setProperty("--step", (expert % 3) - 1);
  };

  const paint = (span, choices, colouring, text) => {
    span.className = "token";
    span.removeAttribute("style");
    const [first] = choices;
    if (colouring === "expert") {
      span.classList.add("by-expert");
      tint(span, first.expert);
      span.dataset.mark = first.expert;
    } else if (colouring === "dropped") {
      const loss = Report.loss(choices);
      span.classList.add(`lost-${loss}`);
      span.dataset.mark = "";
    } else {
      span.classList.add("by-probability");
      span.style.setProperty("--share", `${Math.round((first.probability ?? 0) * 100)}%`);
      span.dataset.mark = first.probability === null ? "" : Math.round(first.probability * 100);
    }
    if (!text.trim()) span.classList.add("blank");
  };

  const legends = {
    expert: (set) => Array.from({ length: set.experts }, (_, expert) => {
      const item = Report.element("span", { class: "token by-expert" }, `${expert}`);
      tint(item, expert);
      return item;
    }),
    dropped: () => Object.entries(LOSS).map(([loss, words]) => Report.element("span", { class: `token lost-${loss}` }, words)),
    probability: () => [5, 25, 50, 75, 100].map((percent) => {
      const item = Report.element("span", { class: "token by-probability" }, `${percent} %`);
      item.style.setProperty("--share", `${percent}%`);
      return item;
    }),
  };

  Report.tokenLegend = (set, colouring) => {
    const head = { expert: "expert of the first choice", dropped: "", probability: "probability of the first choice" }[colouring];
    return [head ? Report.element("span", { class: "soft" }, head) : null, ...legends[colouring](set)].filter(Boolean);
  };

  // The spans of a sequence; a break follows a line break, a heading stands where a message begins.
  Report.tokenSpans = (set, view) => {
    const { sequence, layer, colouring } = view;
    const nodes = [];
    for (let position = 0; position < sequence.length; position += 1) {
      const place = sequence.start + position;
      const message = (sequence.spans ?? []).find(([start, end]) => start === position && end > start);
      if (message) nodes.push(Report.element("div", { class: "message" }, `message ${message[3]}, ${message[2]}`));
      const text = Report.tokenText(set, set.token[place]);
      const span = Report.element("span", { tabindex: "-1", dir: "auto", "data-place": place }, text || "\u2205");
      paint(span, Report.choices(set, layer, sequence, place), colouring, text);
      nodes.push(span);
      if (/^[\u23ce\u21b5\u240a]+$/.test(text)) nodes.push(Report.element("br"));
    }
    return nodes;
  };

  Report.repaintTokens = (box, set, view) => {
    for (const span of box.querySelectorAll(".token")) {
      const place = Number(span.dataset.place);
      paint(span, Report.choices(set, view.layer, view.sequence, place), view.colouring, Report.tokenText(set, set.token[place]));
    }
  };

  const fact = (name, value) => [Report.element("dt", {}, name), Report.element("dd", {}, value)];

  // Where no rule limits an expert, a slot is only a place in its queue.
  const slotText = ({ slot, capacity }) =>
    slot === null ? "not recorded" : capacity === null ? `${Report.count(slot + 1)}, no limit` : `${Report.count(slot + 1)} of ${Report.count(capacity)}`;

  // The panel of one token.
  Report.tokenPanel = (set, view, place) => {
    const { sequence, layer } = view;
    const position = place - sequence.start;
    const vocabulary = set.token[place];
    const role = Report.roleAt(sequence, position);
    const choices = Report.choices(set, layer, sequence, place);
    const rows = choices.map((choice, index) => Report.element("tr", {},
      ...[index + 1, choice.expert, choice.probability === null ? "not recorded" : Report.share(choice.probability), slotText(choice),
        choice.dropped ? "dropped" : "kept"].map((value) => Report.element("td", {}, String(value)))));
    const heads = ["choice", "expert", "probability", "slot", "fate"].map((text) => Report.element("th", { scope: "col" }, text));
    return [
      Report.element("p", { class: "token-name" }, Report.element("code", { dir: "auto" }, Report.visible(Report.tokenText(set, vocabulary)))),
      Report.element("dl", {}, ...fact("id", String(set.vocabulary.id[vocabulary])), ...fact("position", String(position)),
        ...(role ? fact("message", role) : []), ...fact("layer", String(layer))),
      Report.element("table", {}, Report.element("thead", {}, Report.element("tr", {}, ...heads)), Report.element("tbody", {}, ...rows)),
      Report.element("p", { class: "soft" }, `${LOSS[Report.loss(choices)]}. Enter or click: where this token id goes elsewhere.`),
    ];
  };
})();
