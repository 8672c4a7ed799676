// Decodes the data and starts everything. What is seen first is drawn at once, so that the page has its height; what is folded
// when it is unfolded.
(() => {
  "use strict";
  const PAPER = 680; // width of a figure on A4 or Letter, in pixels
  const hosts = (root = document) => [...root.querySelectorAll(".plot")];
  const isDrawn = (host) => Boolean(host.dataset.drawn);

  // Draws what has been seen again; what has not waits for its turn.
  const redraw = () => {
    Report.hideTip();
    hosts().filter(isDrawn).forEach((host) => Report.draw(host));
  };

  // The figures of a part of the page that have room and are not drawn yet.
  Report.drawIn = (root) => hosts(root).filter((host) => !isDrawn(host)).forEach((host) => Report.draw(host));

  const watchUnfolding = () => {
    document.addEventListener("toggle", (event) => event.target.open && Report.drawIn(event.target), { capture: true });
    hosts().forEach(Report.walkByKeys);
    Report.drawIn(document);
  };

  const watchWidth = () => {
    const redrawIfOther = (host) => {
      const width = host.clientWidth;
      if (isDrawn(host) && width && Number(host.dataset.width) !== width) Report.draw(host);
    };
    // In the next frame: drawing changes sizes, which an observer must not do while it is told of some.
    const sizes = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => redrawIfOther(target))));
    hosts().forEach((host) => sizes.observe(host));
  };

  // On paper stands what is unfolded, and what the answers rest on.
  const watchPrinting = () => {
    let unfolded = [];
    window.addEventListener("beforeprint", () => {
      unfolded = [...document.querySelectorAll(".more:not([open]), .what:not([open])")];
      unfolded.forEach((details) => (details.open = true));
      hosts().filter((host) => host.checkVisibility()).forEach((host) => Report.draw(host, PAPER));
      Report.limitTables(true);
    });
    window.addEventListener("afterprint", () => {
      unfolded.forEach((details) => (details.open = false));
      Report.limitTables(false);
      redraw();
    });
  };

  const start = () => {
    const state = document.getElementById("state");
    try {
      Report.decode();
      Report.startControls();
      Report.startTables();
      Report.startExperts?.();
      Report.startTokens?.();
      Report.followAddress();
      Report.listeners.push(redraw, Report.tellAddress, Report.markWords);
      Report.markWords();
      watchUnfolding();
      watchWidth();
      watchPrinting();
      Report.startLanding();
    } catch (error) {
      Report.errors.push(String(error));
      state.textContent = `The figures could not be drawn: ${error}. The first rows of the tables can be read below.`;
      state.hidden = false;
    }
  };

  start();
})();
