// The token-level data: where sequences begin in the long columns, and what one token chose.
(() => {
  "use strict";
  const made = new Map();

  // A set of tokens with its sequences laid out; made once.
  Report.tokenSet = (index) => {
    if (!made.has(index)) made.set(index, layOut(Report.data.tokens[index]));
    return made.get(index);
  };

  const layOut = (raw) => {
    const sequences = [];
    let start = 0;
    raw.documents.forEach((document, number) => {
      document.sequences.forEach((sequence, part) => {
        sequences.push({ ...sequence, start, document: number, part });
        start += sequence.length;
      });
    });
    const length = (document) => document.sequences.reduce((sum, sequence) => sum + sequence.length, 0);
    const documents = raw.documents.map(({ name, category, ...rest }) =>
      ({ ...rest, name: Report.plainName(name), category: category === null ? null : Report.plainName(category) }));
    return { ...raw, documents, allSequences: sequences, lengths: raw.documents.map(length) };
  };

  Report.tokenText = (set, vocabulary) => set.vocabulary.text[vocabulary] ?? "";

  Report.sequencesOf = (set, document) => set.allSequences.filter((sequence) => sequence.document === document);

  // The sequence that holds a place in the long columns.
  Report.sequenceAt = (set, place) => {
    const index = d3.bisectRight(set.allSequences.map((sequence) => sequence.start), place) - 1;
    return set.allSequences[index];
  };

  // Choices of every token at a layer; layers may differ.
  Report.choicesEach = (set, layer) => set.routing[layer].expert.length / set.token.length;

  // What a token chose at a layer: expert, probability, slot, and whether the slot was beyond the capacity.
  // Probability and slot are null where the trace does not record them.
  Report.choices = (set, layer, sequence, place) => {
    const routing = set.routing[layer];
    const capacity = sequence.capacity[layer] ?? null; // none where the rule sets no limit
    const each = Report.choicesEach(set, layer);
    return Array.from({ length: each }, (_, choice) => {
      const at = place * each + choice;
      const slot = routing.slot.length ? routing.slot[at] : null;
      const probability = routing.probability.length ? routing.probability[at] / 1000 : null;
      return { expert: routing.expert[at], probability, slot, capacity, dropped: capacity !== null && slot >= capacity };
    });
  };

  // How much of its choices a token lost.
  Report.loss = (choices) => {
    const lost = choices.filter((choice) => choice.dropped).length;
    if (!lost) return "none";
    if (lost === choices.length) return "all";
    return choices[0].dropped ? "first" : "later";
  };

  // Choices of a document that were dropped, over the layers of the file.
  const droppedOf = (set, document) =>
    d3.sum(Report.sequencesOf(set, document), (sequence) => d3.sum(set.layers, (layer) => {
      const { slot } = set.routing[layer];
      const capacity = sequence.capacity[layer] ?? null;
      const each = Report.choicesEach(set, layer);
      return capacity === null || !slot.length ? 0
        : d3.sum(slot.slice(sequence.start * each, (sequence.start + sequence.length) * each), (at) => at >= capacity);
    }));

  const differentOf = (set, document) =>
    new Set(Report.sequencesOf(set, document).flatMap(({ start, length }) => set.token.slice(start, start + length))).size;

  // The document that a run shows first, and the rule that chose it.
  Report.firstDocument = (set) => {
    const all = set.documents.map((_, index) => index);
    const most = (of) => d3.greatest(all, of) ?? 0;
    const dropped = most((document) => droppedOf(set, document));
    return droppedOf(set, dropped) > 0
      ? { document: dropped, words: "First comes the document of this file that loses most choices." }
      : { document: most((document) => differentOf(set, document)), words: "First comes the document of this file with most different token ids." };
  };

  // The message that holds a position, of conversations.
  Report.roleAt = (sequence, position) => {
    const span = (sequence.spans ?? []).find(([start, end]) => start <= position && position < end);
    return span ? `message ${span[3]}, ${span[2]}` : null;
  };
})();
