// Timeline of the labels of the last minutes: one row per face, one segment per label.

import { byId, keyed, make, setText, setTone } from "./dom.js";

const SECONDS = 300;
const SHORTEST = 60; // scale of a page that has just been opened
const GAP = 1.5; // a face without a sample for this time was not in view
const ROWS = 6;

export class Timeline {
  constructor() {
    this.tracks = new Map();
    this.labels = [];
    this.now = 0;
    this.samples = 0;
  }

  /** Replace everything by the sensor's history: [Unix seconds, [[track, label, confidence], ...]] each. */
  reset(labels, history) {
    this.labels = labels;
    this.tracks.clear();
    for (const [unix, faces] of history) for (const [track, label] of faces) this.add(unix, track, label);
  }

  add(unix, track, label) {
    const segments = this.tracks.get(track) ?? [];
    this.tracks.set(track, segments);
    const last = segments.at(-1);
    if (last && unix - last.to <= GAP) {
      last.to = Math.max(last.to, unix);
      if (last.label === label) return;
    }
    segments.push({ label, from: unix, to: unix });
  }

  /** Draw the timeline that ends now, by the sensor's clock (Unix seconds). */
  render(now) {
    this.now = now;
    let first = now;
    for (const [track, segments] of this.tracks) {
      const kept = segments.filter((one) => one.to > now - SECONDS);
      if (kept.length) this.tracks.set(track, kept);
      else this.tracks.delete(track);
      if (kept.length) first = Math.min(first, kept[0].from);
    }
    const span = Math.min(SECONDS, Math.max(SHORTEST, now - first));
    const newest = [...this.tracks.keys()].sort((a, b) => a - b).slice(-ROWS);
    byId("timeline-empty").hidden = newest.length > 0;
    const parent = byId("timeline");
    const rows = keyed(parent, newest.length ? [...newest.map(String), "axis"] : [], (key) =>
      key === "axis" ? make("div", "row axis", make("span"), make("div", "track")) : this.row(key));
    for (const track of newest) this.fill(rows.get(String(track)).lastChild, this.tracks.get(track), now, span);
    if (newest.length) axis(rows.get("axis").lastChild, span);
    const shown = newest.map((track) => `face ${track} ${this.tracks.get(track).at(-1).label}`);
    setText(byId("timeline-text"), span > 90 ? `last ${Math.round(span / 60)} minutes` : `last ${Math.round(span)} seconds`);
    parent.setAttribute("aria-label", shown.join(", "));
  }

  row(track) {
    return make("div", "row", make("span", "", `Face ${track}`), make("div", "track"));
  }

  fill(parent, segments, now, span) {
    const elements = keyed(parent, segments.map((one) => String(one.from)), () => make("div", "segment"));
    for (const one of segments) {
      const element = elements.get(String(one.from));
      const from = Math.max(one.from, now - span);
      const width = 100 * Math.max(one.to - from, 0.2) / span;
      element.style.left = `${100 * (1 - (now - from) / span)}%`;
      element.style.width = `${width}%`;
      element.classList.toggle("narrow", width < 9);
      setTone(element, one.label, this.labels);
      setText(element, one.label);
      element.title = `${one.label}, ${(one.to - one.from).toFixed(1)} s`;
    }
  }
}

function axis(parent, span) {
  const step = span > 150 ? 60 : span > 90 ? 30 : 15;
  const marks = [];
  for (let ago = Math.floor(span / step) * step; ago > 0; ago -= step) if (ago < 0.97 * span) marks.push(ago);
  const elements = keyed(parent, [...marks.map(String), "0"], () => make("span", "muted"));
  for (const [key, element] of elements) {
    const ago = Number(key);
    if (!element.isConnected) continue;
    element.style.left = `${100 * (1 - ago / span)}%`;
    setText(element, ago === 0 ? "now" : ago % 60 ? `−${ago} s` : `−${ago / 60} min`);
  }
}
