// Links to a section land there: what is folded around it is unfolded and drawn first. Tables and figures below may still
// take their room, so the place is kept until it rests, or until the reader moves the page.
(() => {
  "use strict";
  const REST = 12; // frames without a change
  const LONGEST = 240;
  let turn = 0;

  const section = (anchor) => (anchor ? document.getElementById(anchor) : null);

  // Where the top of a section should be: below the toolbar.
  const wanted = () => parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;

  const unfold = (target) => {
    for (let node = target.closest("details"); node; node = node.parentElement.closest("details")) node.open = true;
    Report.drawIn(target.closest("details") ?? target);
  };

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

  const land = (target) => {
    unfold(target);
    hold(target);
  };

  // The toolbar covers the top of the window; how much of it depends on the width.
  const leaveRoom = () => {
    const { height } = document.getElementById("toolbar").getBoundingClientRect();
    document.documentElement.style.scrollPaddingTop = `${Math.ceil(height) + 8}px`;
  };

  Report.startLanding = () => {
    leaveRoom();
    window.addEventListener("resize", leaveRoom);
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href^='#']");
      const anchor = link?.getAttribute("href").slice(1);
      const target = section(anchor);
      if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      Report.goTo(anchor);
      land(target);
      // The Tab key goes on from there.
      target.tabIndex = -1;
      target.focus({ preventScroll: true });
    });
    window.addEventListener("hashchange", () => {
      Report.followAddress();
      const target = section(Report.anchor());
      if (target) land(target);
    });
    const target = section(Report.anchor());
    if (target) land(target);
  };
})();
