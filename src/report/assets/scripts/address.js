// The address says what is shown: the section and behind a question mark layer, view, document, token ... A link that is
// copied from the address bar shows the same again. What is shown first is not in it.
(() => {
  "use strict";
  let followed = false; // before that the address is what the reader came with
  const parts = []; // name, what to write (null: nothing), what to do with a value

  // Makes a part of what is shown a part of the address. `get` returns a text or null; `set` must take any text.
  Report.addressed = (name, get, set) => parts.push({ name, get, set });

  const read = () => {
    const [anchor, values = ""] = location.hash.slice(1).split("?");
    return { anchor: decoded(anchor), values: new URLSearchParams(values) };
  };

  // A half-typed escape is no reason to fail.
  const decoded = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };

  Report.anchor = () => read().anchor;

  Report.addressOf = (anchor) => {
    const values = new URLSearchParams();
    for (const { name, get } of parts) {
      const value = get();
      if (value !== null && value !== undefined) values.set(name, value);
    }
    const text = values.toString();
    return `#${encodeURIComponent(anchor)}${text ? `?${text}` : ""}`;
  };

  // A viewer that has no history (a preview in a frame) shows the page all the same.
  const write = (method, address) => {
    if (address === (location.hash || "#")) return;
    try {
      history[method](null, "", address);
    } catch (error) {
      if (error.name !== "SecurityError") throw error;
    }
  };

  let soon = 0; // a timer
  Report.tellAddress = () => {
    clearTimeout(soon);
    if (followed) write("replaceState", Report.addressOf(Report.anchor()));
  };
  // After a walk through many tokens: browsers refuse to write the address hundreds of times in a row.
  Report.tellAddressSoon = () => {
    clearTimeout(soon);
    soon = setTimeout(Report.tellAddress, 300);
  };
  Report.goTo = (anchor) => write("pushState", Report.addressOf(anchor));

  // Shows what the address asks for.
  Report.followAddress = () => {
    const { values } = read();
    for (const { name, set } of parts) if (values.has(name)) set(values.get(name));
    followed = true;
    Report.tellAddress();
  };

  // Chooses a value of a <select>, if it has it, as if the reader had done so.
  Report.pick = (select, value) => {
    if (select.value === value || ![...select.options].some((option) => option.value === value)) return;
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
})();
