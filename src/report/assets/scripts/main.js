// Decodes the data and starts everything. Figures are drawn when they come into view, and all of them before printing.
(() => {
  "use strict";
  const PAPER = 680; // width of a figure on A4 or Letter, in pixels
  const hosts = () => [...document.querySelectorAll(".plot")];

  // Draws what has been seen again; what has not waits for its turn.
  const redraw = () => {
    Report.hideTip();
    hosts().forEach((host) => (host.dataset.drawn ? Report.draw(host) : null));
  };

  const watchViewport = () => {
    const seen = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        Report.draw(target);
      }
    }, { rootMargin: "400px 0px" });
    hosts().forEach((host) => {
      Report.walkByKeys(host);
      seen.observe(host);
    });
  };

  const watchWidth = () => {
    const redrawIfOther = (host) => {
      const width = host.clientWidth;
      if (host.dataset.drawn && width && Number(host.dataset.width) !== width) Report.draw(host);
    };
    // In the next frame: drawing changes sizes, which an observer must not do while it is told of some.
    const sizes = new ResizeObserver((entries) => requestAnimationFrame(() => entries.forEach(({ target }) => redrawIfOther(target))));
    hosts().forEach((host) => sizes.observe(host));
  };

  const watchPrinting = () => {
    window.addEventListener("beforeprint", () => {
      document.querySelectorAll("details.more").forEach((details) => (details.open = true));
      hosts().forEach((host) => Report.draw(host, PAPER));
      Report.limitTables(true);
    });
    window.addEventListener("afterprint", () => {
      Report.limitTables(false);
      redraw();
    });
  };

  const start = async () => {
    const state = document.getElementById("state");
    try {
      await Report.decode();
      Report.startControls();
      Report.startTables();
      Report.startTokens?.();
      Report.listeners.push(redraw);
      watchViewport();
      watchWidth();
      watchPrinting();
      Report.startLanding();
    } catch (error) {
      Report.errors.push(String(error));
      state.textContent = `The figures could not be drawn: ${error}. The first rows of the tables can be read below.`;
      state.hidden = false;
    }
  };

  Report.ready = start();
})();
