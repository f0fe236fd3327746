// List of the last events, newest first, each with its payload as published.

import { byId, make, percent, setText, setTone } from "./dom.js";
import { faceOf, faceText } from "./faces.js";

const MAX_EVENTS = 50;
const ANNOUNCE_MS = 3000; // at most one event in this time, the last one, is announced to screen readers

export class Events {
  constructor() {
    this.list = byId("events");
    this.elements = new Map();
    this.labels = [];
    this.announcement = "";
    setInterval(() => {
      if (this.announcement) setText(byId("spoken"), this.announcement);
      this.announcement = "";
    }, ANNOUNCE_MS);
  }

  /** Add events, {published, payload} each; an event with a known id replaces its entry. */
  add(events, { announce }) {
    for (const { published, payload } of events) {
      let element = this.elements.get(payload.id);
      if (!element) {
        element = make("li", "", make("details", "",
          make("summary", "", make("time"), make("i"), make("span"), make("small")), make("pre")));
        element.dataset.id = payload.id;
        this.elements.set(payload.id, element);
        this.list.prepend(element);
        if (announce) this.announcement = sentence(payload);
      }
      this.fill(element, published, payload);
    }
    while (this.elements.size > MAX_EVENTS) {
      const [id, element] = this.elements.entries().next().value;
      element.remove();
      this.elements.delete(id);
    }
    byId("no-events").hidden = this.elements.size > 0;
  }

  clear() {
    this.elements.clear();
    this.list.replaceChildren();
  }

  fill(element, published, payload) {
    const [when, dot, text, note] = element.querySelector("summary").children;
    const time = new Date(payload.time);
    when.dateTime = payload.time;
    when.title = time.toLocaleString();
    setText(when, time.toLocaleTimeString([], { hour12: false }));
    setTone(dot, payload.emotion, this.labels);
    setText(text, sentence(payload));
    setText(note, published ? (payload.replayed ? "sent late" : "") : "waiting");
    element.dataset.published = published;
    setText(element.querySelector("pre"), JSON.stringify(payload, null, 1));
  }
}

function sentence(payload) {
  const { type, face, emotion, previous, confidence } = payload;
  const who = `Face ${face.track}`;
  if (type === "face_appeared") return `${who} appeared: ${faceText(faceOf(payload))}`;
  if (type === "face_left") return `${who} left, last ${emotion}${emotion === "unknown" ? "" : ` ${percent(confidence)}`}`;
  return `${who}: ${previous} → ${faceText(faceOf(payload))}`;
}
