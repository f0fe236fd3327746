// List of the last events, newest first, each with its payload as published.

import { byId, make, setText } from "./dom.js";
import { faceOf, faceText } from "./faces.js";
import { Labels } from "./labels.js";

const MAX_EVENTS = 50;
const ANNOUNCE_MS = 3000; // at most one event in this time, the last one, is announced to screen readers

export class Events {
  constructor() {
    this.list = byId("events");
    this.elements = new Map();
    this.labels = new Labels();
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
        if (announce) this.announcement = sentence(payload, this.labels, "spoken");
      }
      this.fill(element, published, payload);
    }
    while (this.elements.size > MAX_EVENTS) {
      const [id, element] = this.elements.entries().next().value;
      element.remove();
      this.elements.delete(id);
    }
    this.showWhetherEmpty();
  }

  clear() {
    this.elements.clear();
    this.list.replaceChildren();
    this.showWhetherEmpty();
  }

  showWhetherEmpty() {
    setText(byId("no-events"), "No event since the start of the sensor.");
    byId("no-events").hidden = this.elements.size > 0;
    this.list.hidden = this.elements.size === 0;
  }

  fill(element, published, payload) {
    const [when, dot, text, note] = element.querySelector("summary").children;
    const time = new Date(payload.time);
    when.dateTime = payload.time;
    when.title = time.toLocaleString();
    setText(when, time.toLocaleTimeString([], { hour12: false }));
    this.labels.paint(dot, payload.emotion);
    setText(text, sentence(payload, this.labels));
    setText(note, published ? (payload.replayed ? "sent late" : "") : "not sent yet");
    element.dataset.published = published;
    setText(element.querySelector("pre"), JSON.stringify(payload, null, 1));
  }
}

/** Return an event as a sentence; `form` "spoken": in words alone. */
function sentence(payload, labels, form = "shown") {
  const { type, face: { track }, previous } = payload;
  const face = { ...faceOf(payload), group: payload.group ?? "" }; // its group when it was published
  const what = faceText(face, labels);
  if (type === "face_appeared") return `Face ${track} appeared: ${what}`;
  // The last reading of a face that is leaving tells little: it was turning away.
  if (type === "face_left") return `Face ${track} left, last ${faceText({ ...face, leader: null }, labels)}`;
  return form === "spoken" ? `Face ${track} changed from ${previous} to ${what}` : `Face ${track}: ${previous} → ${what}`;
}
