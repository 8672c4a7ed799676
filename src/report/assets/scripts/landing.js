// Links to a section land there: figures and tables take their room as they come into view, so that what the window was
// moved to moves again. The place is kept until it rests, or until the reader moves the page.
(() => {
  "use strict";
  const REST = 12; // frames without a change
  const LONGEST = 240;
  let turn = 0;

  const targetOf = (hash) => {
    const name = decodeURIComponent(hash.slice(1));
    return name ? document.getElementById(name) : null;
  };

  // Where the top of a section should be: below the toolbar.
  const wanted = () => parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;

  const hold = (target) => {
    turn += 1;
    const mine = turn;
    let resting = 0;
    let frames = 0;
    const moved = () => (turn === mine ? (turn += 1) : null);
    ["wheel", "touchstart", "keydown", "pointerdown"].forEach((name) => window.addEventListener(name, moved, { once: true, passive: true }));
    const step = () => {
      if (turn !== mine || resting > REST || frames > LONGEST) return;
      frames += 1;
      const off = target.getBoundingClientRect().top - wanted();
      const end = window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2;
      if (Math.abs(off) > 2 && !(end && off > 0)) {
        target.scrollIntoView({ behavior: "instant", block: "start" });
        resting = 0;
      } else resting += 1;
      requestAnimationFrame(step);
    };
    step();
  };

  Report.land = () => {
    const target = targetOf(location.hash);
    if (target) hold(target);
  };

  Report.startLanding = () => {
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href^='#']");
      const target = link && targetOf(link.getAttribute("href"));
      // After the browser has moved there itself; also where the address is the same as before.
      if (target) setTimeout(() => hold(target));
    });
    window.addEventListener("hashchange", Report.land);
    Report.land();
  };
})();
