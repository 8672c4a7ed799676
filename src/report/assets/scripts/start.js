// The one namespace that all scripts of the page share, and how they make elements. Data reaches the page only through
// textContent and setAttribute, never as markup.
const Report = {
  kinds: {}, // kind of figure -> how it is drawn
  state: { layer: "all", view: "chosen" },
  listeners: [], // told after each change of the state
  errors: [], // read by the browser test
};

window.addEventListener("error", (event) => Report.errors.push(String(event.message)));
document.addEventListener("securitypolicyviolation", (event) => Report.errors.push(`forbidden: ${event.blockedURI}`));
window.addEventListener("unhandledrejection", (event) => Report.errors.push(String(event.reason)));

// An element with attributes; children are elements or strings.
Report.element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

// An option of a <select>.
Report.option = (value, text, selected = false) => Report.element("option", { value, selected, dir: "auto" }, text);

// A labelled control: the label's text stands before it.
Report.labelled = (text, control) => Report.element("label", {}, Report.element("span", {}, text), control);

// Sets parts of the state and tells everyone.
Report.change = (part) => {
  Object.assign(Report.state, part);
  Report.listeners.forEach((listener) => listener(Report.state));
};
