// The token-level view: choose a run, layer, document and colouring; walk through the tokens; pick a token id.
(() => {
  "use strict";
  const LISTED = 300;
  const part = (name) => document.getElementById(`token-${name}`);
  const view = { set: null, first: null, layer: null, document: 0, sequence: null, colouring: "expert", vocabulary: null, focused: null };

  const listDocuments = () => {
    const words = part("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    view.set.documents.forEach(({ name, category }, index) => {
      const text = `${name} ${category ?? ""}`.toLowerCase();
      if (words.every((word) => text.includes(word))) found.push(index);
    });
    const options = found.slice(0, LISTED).map((index) => {
      const { name, category } = view.set.documents[index];
      const text = `${name}${category ? ` (${category})` : ""}, ${Report.plural(view.set.lengths[index], "token")}`;
      return Report.option(index, text, index === view.document);
    });
    part("document").replaceChildren(...options);
    part("found").textContent = `${Report.plural(found.length, "document")}${found.length > LISTED ? `, first ${LISTED} listed` : ""}`;
  };

  // Which documents are here, and where the others are.
  const whichOnes = () => {
    const [here, total] = [view.set.documents.length, view.set.documents_total];
    if (here >= total) return "All documents of the run are in this file.";
    return `${Report.count(here)} of the run's ${Report.plural(total, "document")} are in this file: those that lose most, then one of each ` +
      "data set and category in turn, as many as have room. The routing of all is in trace/ of the run.";
  };

  const showText = () => {
    const box = part("text");
    box.replaceChildren(...Report.tokenSpans(view.set, view));
    box.scrollTop = 0;
    box.querySelector(".token")?.setAttribute("tabindex", "0");
    box.classList.toggle("numbered", part("numbers").checked);
    const { name } = view.set.documents[view.document];
    box.setAttribute("aria-label", `Tokens of ${name}, layer ${view.layer}. Arrow keys move, Enter picks the token id.`);
    part("legend").replaceChildren(...Report.tokenLegend(view.set, view.colouring));
    focusToken(box.querySelector(".token"), false);
    Report.tellAddress();
  };

  const showSequence = (sequence) => {
    view.sequence = sequence;
    const all = Report.sequencesOf(view.set, sequence.document);
    part("part").replaceChildren(...all.map(({ part: index, length }) =>
      Report.option(index, `${index + 1} of ${all.length} (${Report.plural(length, "token")})`, index === sequence.part)));
    part("part").closest("label").hidden = all.length < 2;
    showText();
  };

  const showDocument = (document) => {
    view.document = document;
    showSequence(Report.sequencesOf(view.set, document)[0]);
  };

  const repaint = () => {
    Report.repaintTokens(part("text"), view.set, view);
    part("legend").replaceChildren(...Report.tokenLegend(view.set, view.colouring));
    if (view.focused !== null) part("panel").replaceChildren(...Report.tokenPanel(view.set, view, view.focused));
    if (view.vocabulary !== null) showId(view.vocabulary);
  };

  // The token that the panel speaks of; only it is in the order of the Tab key.
  const focusToken = (span, move) => {
    if (!span) return;
    const box = part("text");
    box.querySelector(".token[tabindex='0']")?.setAttribute("tabindex", "-1");
    box.querySelector(".token.current")?.classList.remove("current");
    span.setAttribute("tabindex", "0");
    span.classList.add("current");
    if (move) span.focus();
    view.focused = Number(span.dataset.place);
    part("panel").replaceChildren(...Report.tokenPanel(view.set, view, view.focused));
  };

  const showId = (vocabulary) => {
    view.vocabulary = vocabulary;
    Report.tellAddress();
    part("id-panel").replaceChildren(...Report.idPanel(view.set, view.layer, vocabulary, openAt));
  };

  // Opens the document of an occurrence there.
  const openAt = (sequence, place) => {
    part("filter").value = "";
    view.document = sequence.document;
    listDocuments();
    showSequence(sequence);
    const span = part("text").querySelector(`[data-place="${place}"]`);
    focusToken(span, true);
    span.scrollIntoView({ block: "center" });
  };

  // Up and down go to the nearest token of the next line.
  const onNextLine = (spans, index, direction) => {
    const here = spans[index].getBoundingClientRect();
    let best = index;
    let distance = Infinity;
    for (let other = index + direction; spans[other]; other += direction) {
      const there = spans[other].getBoundingClientRect();
      const lines = Math.abs(there.top - here.top) / here.height;
      if (lines < 0.5) continue;
      if (lines > 2.6 && best !== index) break;
      const away = Math.abs(there.left - here.left) + 1000 * Math.floor(lines);
      if (away < distance) [best, distance] = [other, away];
    }
    return best;
  };

  const onKey = (event) => {
    const spans = [...part("text").querySelectorAll(".token")];
    const index = spans.indexOf(event.target.closest(".token"));
    if (index < 0) return;
    const to = {
      ArrowRight: () => index + 1, ArrowLeft: () => index - 1, Home: () => 0, End: () => spans.length - 1,
      ArrowDown: () => onNextLine(spans, index, 1), ArrowUp: () => onNextLine(spans, index, -1),
    }[event.key];
    if (to) {
      event.preventDefault();
      focusToken(spans[Math.min(spans.length - 1, Math.max(0, to()))], true);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      showId(view.set.token[Number(spans[index].dataset.place)]);
    }
  };

  const showSet = (index) => {
    view.set = Report.tokenSet(index);
    view.first = Report.firstDocument(view.set);
    Object.assign(view, { document: view.first.document, vocabulary: null });
    part("rule").textContent = `${view.first.words} ${whichOnes()}`;
    const layer = firstLayer();
    view.layer = layer;
    part("layer").replaceChildren(...view.set.layers.map((value) => Report.option(value, String(value), value === layer)));
    part("filter").value = "";
    part("id-panel").replaceChildren();
    Report.suggestTokens(view.set, "", part("ids"));
    listDocuments();
    if (view.set.documents.length) showDocument(view.document);
  };

  const pickTyped = () => {
    const { found, near } = Report.findTokens(view.set, part("id").value);
    if (!found.length) {
      part("id-panel").replaceChildren(Report.element("p", {}, "No token of these documents has this id or text: a tokenizer may write it in several tokens."));
      return;
    }
    showId(found[0]);
    if (near) part("id-panel").prepend(Report.element("p", { class: "soft" }, `No token of these documents is ${part("id").value}; this one holds it.`));
    if (found.length < 2) return;
    const others = found.slice(1).map((vocabulary) => {
      const text = `${view.set.vocabulary.id[vocabulary]} ${Report.visible(Report.tokenText(view.set, vocabulary))}`;
      const button = Report.element("button", { type: "button", dir: "auto" }, text);
      button.addEventListener("click", () => showId(vocabulary));
      return button;
    });
    part("id-panel").prepend(Report.element("p", { class: "others" }, near ? "Other token ids that hold it: " : "It may also be, the commonest first: ", ...others));
  };

  const listen = () => {
    const on = (name, event, action) => part(name).addEventListener(event, action);
    on("run", "change", () => showSet(Number(part("run").value)));
    on("layer", "change", () => ((view.layer = Number(part("layer").value)), repaint(), Report.tellAddress()));
    on("colouring", "change", () => ((view.colouring = part("colouring").value), repaint(), Report.tellAddress()));
    on("numbers", "change", () => part("text").classList.toggle("numbered", part("numbers").checked));
    on("filter", "input", listDocuments);
    on("document", "change", () => showDocument(Number(part("document").value)));
    on("part", "change", () => showSequence(Report.sequencesOf(view.set, view.document)[Number(part("part").value)]));
    on("text", "keydown", onKey);
    on("text", "focusin", (event) => (focusToken(event.target.closest(".token"), false), Report.tellAddressSoon()));
    on("text", "pointerover", (event) => focusToken(event.target.closest(".token"), false));
    on("text", "click", (event) => event.target.closest(".token") && showId(view.set.token[view.focused]));
    on("id", "input", () => Report.suggestTokens(view.set, part("id").value, part("ids")));
    on("id-form", "submit", (event) => (event.preventDefault(), pickTyped()));
    Report.listeners.push(({ layer }) => {
      if (layer === "all" || layer === view.layer || !view.set.layers.includes(layer)) return;
      view.layer = layer;
      part("layer").value = String(layer);
      repaint();
    });
  };

  // What the address says of this view. The first value of each is left out.
  const isNumber = (text) => /^\d+$/.test(text);
  const placed = (value) => isNumber(value) && part("text").querySelector(`[data-place="${view.sequence.start + Number(value)}"]`);
  const addressed = () => {
    const chosen = (name, first) => Report.addressed(name, () => (part(name).value === first() ? null : part(name).value), (value) => Report.pick(part(name), value));
    chosen("run", () => "0");
    Report.addressed("tokens-layer", () => (view.layer === firstLayer() ? null : view.layer), (value) => Report.pick(part("layer"), value));
    Report.addressed("document", () => (view.document === view.first.document ? null : view.document), (value) => Report.pick(part("document"), value));
    chosen("part", () => "0");
    chosen("colouring", () => "expert");
    Report.addressed("position", () => (view.focused > view.sequence.start ? view.focused - view.sequence.start : null), (value) => {
      const span = placed(value);
      if (span) focusToken(span, false);
    });
    Report.addressed("id", () => (view.vocabulary === null ? null : view.set.vocabulary.id[view.vocabulary]), (value) => {
      const vocabulary = view.set.vocabulary.id.indexOf(Number(value));
      if (vocabulary >= 0) showId(vocabulary);
    });
  };

  const firstLayer = () => (view.set.layers.includes(Report.state.layer) ? Report.state.layer : view.set.layers[0]);

  Report.startTokens = () => {
    const sets = Report.data.tokens ?? [];
    if (!sets.length || !part("text")) return;
    // Of a run with several models the model is named.
    const name = ({ run, checkpoint }) => {
      const label = Report.data.runs[run].name;
      const several = sets.filter((set) => set.run === run).length > 1;
      return checkpoint && (several || !label.includes(checkpoint)) ? `${label}: ${checkpoint}` : label;
    };
    part("run").replaceChildren(...sets.map((set, index) => Report.option(index, name(set))));
    part("run").closest("label").hidden = sets.length < 2;
    part("body").hidden = false;
    listen();
    showSet(0);
    addressed();
  };
})();
