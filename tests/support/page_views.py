"""Scripts that look at the preview page as a visitor does: what it claims, and which texts are cut off."""

RECORDER = """
window.views = [];
window.hiddenByTest = false;
Object.defineProperty(document, "hidden", { get: () => window.hiddenByTest });
window.setHidden = (hidden) => { window.hiddenByTest = hidden; document.dispatchEvent(new Event("visibilitychange")); };
let last = "";
const look = () => {
  const shown = (id) => {
    const one = document.getElementById(id);
    return one?.checkVisibility() ? one.innerText : "";
  };
  const canvas = document.getElementById("live-picture");
  if (canvas && document.getElementById("no-events")) {
    const [, , , alpha] = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    const view = JSON.stringify({
      picture: alpha > 0,
      live: alpha > 0 && !document.getElementById("stage").classList.contains("old"),
      instead: shown("live-absent"), none: shown("no-faces"),
      boxes: [...document.querySelectorAll("#live-boxes .box")]
        .filter((one) => one.checkVisibility({ visibilityProperty: true })).length,
      cards: document.querySelectorAll("#faces .face").length,
      timeline: shown("timeline-empty"), events: shown("no-events"),
    });
    if (view !== last) window.views.push(JSON.parse(view));
    last = view;
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
"""Init script: records in `views` whatever the page shows in any of its frames, and lets a test hide the page."""

CUT_OFF = """async () => {
  await new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume)));
  const found = [];
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) found.push(`the page is ${width} wide`);
  for (const one of document.querySelectorAll("body *")) {
    const text = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (!text || !one.checkVisibility() || one.closest("pre, .unseen, .skip")) continue;
    const range = document.createRange();
    range.selectNodeContents(one);
    for (const place of range.getClientRects()) {
      if (place.left < -0.5 || place.right > innerWidth + 0.5) found.push(`outside: ${one.innerText}`);
      for (let parent = one; parent !== document.body; parent = parent.parentElement) {
        if (getComputedStyle(parent).overflowX === "visible") continue;
        if (parent.matches(".face-list, .event-list, .scroll")) continue;
        const room = parent.getBoundingClientRect();
        const across = place.left < room.left - 1 || place.right > room.right + 1;
        const down = place.top < room.top - 2 || place.bottom > room.bottom + 2;
        if (across || down) found.push(`cut off: ${one.innerText}`);
      }
    }
  }
  const marks = [...document.querySelectorAll(".axis .track span")].map((one) => one.getBoundingClientRect());
  marks.sort((one, other) => one.left - other.left);
  const overlap = marks.some((one, index) => index && one.left < marks[index - 1].right + 2);
  if (overlap) found.push("marks of the axis overlap");
  return [...new Set(found)];
}"""
"""Returns the texts that are cut off or outside the page; scrolled lists may cut theirs."""
