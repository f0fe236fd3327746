// Timeline of the labels of the last minutes: one row per face, one segment per label.

import { byId, keyed, make, setText, textWidth } from "./dom.js";
import { Labels } from "./labels.js";

const SECONDS = 300;
const SHORTEST = 60; // scale of a page that has just been opened
const ROWS = 6;
const STEPS = [5, 10, 15, 30, 60, 120]; // seconds between two marks of the axis
const MARK_EM = 5.5; // least distance of two marks, in widths of their font: "−90 s" and some air

export class Timeline {
  constructor() {
    this.tracks = new Map();
    this.labels = new Labels();
  }

  /** Replace everything by the sensor's history: [Unix seconds, [[track, label, confidence], ...]] each. */
  reset(history) {
    this.tracks.clear();
    for (const [unix, faces] of history) for (const [track, label] of faces) this.add(unix, track, label);
  }

  /** Add that a face was in view. The number of a face is never used twice, so it was there since its last sample. */
  add(unix, track, label) {
    const segments = this.tracks.get(track) ?? [];
    this.tracks.set(track, segments);
    const last = segments.at(-1);
    if (last) last.to = Math.max(last.to, unix);
    if (last?.label !== label) segments.push({ label, from: unix, to: unix });
  }

  /** Draw the timeline that ends now, by the sensor's clock (Unix seconds). */
  render(now) {
    let first = now;
    for (const [track, segments] of this.tracks) {
      const kept = segments.filter((one) => one.to > now - SECONDS);
      if (kept.length) this.tracks.set(track, kept);
      else this.tracks.delete(track);
      if (kept.length) first = Math.min(first, kept[0].from);
    }
    const span = Math.min(SECONDS, Math.max(SHORTEST, now - first));
    const newest = [...this.tracks.keys()].sort((a, b) => a - b).slice(-ROWS);
    setText(byId("timeline-empty"), `No face was in view in the last ${SECONDS / 60} minutes.`);
    byId("timeline-empty").hidden = newest.length > 0;
    const parent = byId("timeline");
    parent.hidden = newest.length === 0;
    parent.style.setProperty("--name", `${String(newest.at(-1) ?? "").length + 5}ch`);
    const rows = keyed(parent, newest.length ? [...newest.map(String), "axis"] : [], (key) =>
      make("div", key === "axis" ? "row axis" : "row", make("span", "", key === "axis" ? "" : `Face ${key}`), make("div", "track")));
    if (newest.length) {
      const axis = rows.get("axis").lastChild;
      const width = axis.clientWidth;
      const { fontSize, fontFamily } = getComputedStyle(axis);
      const font = { fontWeight: 600, fontSize, fontFamily };
      for (const track of newest) this.fill(rows.get(String(track)).lastChild, this.tracks.get(track), { now, span, width, font });
      fillAxis(axis, span, width / parseFloat(fontSize));
    }
    const range = span > 90 ? `last ${Math.round(span / 60)} minutes` : `last ${Math.round(span)} seconds`;
    setText(byId("timeline-text"), this.tracks.size > ROWS ? `${range}, newest ${ROWS} of ${this.tracks.size} faces` : range);
    const shown = newest.map((track) => `face ${track}: ${this.tracks.get(track).map((one) => one.label).join(", ")}`);
    parent.setAttribute("aria-label", `Labels over the ${range}. ${shown.join(". ")}`);
  }

  fill(parent, segments, { now, span, width, font }) {
    const elements = keyed(parent, segments.map((one) => String(one.from)), () => make("div", "segment"));
    for (const one of segments) {
      const element = elements.get(String(one.from));
      const from = Math.max(one.from, now - span);
      const share = Math.max(one.to - from, 0.2) / span;
      element.style.left = `${100 * (1 - (now - from) / span)}%`;
      element.style.width = `${100 * share}%`;
      this.labels.paint(element, one.label);
      // A text is shown whole or not at all; the colour and the key below tell the rest.
      const group = this.labels.groupOf(one.label);
      const room = share * width - parseFloat(font.fontSize);
      const texts = group ? [`${one.label} (${group})`, one.label] : [one.label];
      setText(element, texts.find((text) => textWidth(text, font) <= room) ?? "");
      element.title = `${one.label}${group && ` (${group})`}, ${(one.to - one.from).toFixed(1)} s`;
    }
  }
}

function fillAxis(parent, span, widthEm) {
  const step = STEPS.find((seconds) => (seconds / span) * widthEm >= MARK_EM) ?? SECONDS;
  const marks = [];
  for (let ago = Math.floor(span / step) * step; ago > 0; ago -= step) marks.push(ago);
  const elements = keyed(parent, [...marks.map(String), "0"], () => make("span"));
  for (const ago of [...marks, 0]) {
    const element = elements.get(String(ago));
    element.style.left = `${100 * (1 - ago / span)}%`;
    setText(element, ago === 0 ? "now" : ago % 60 ? `−${ago} s` : `−${ago / 60} min`);
  }
}
