// The last events, newest first, each with its payload as it was published.

import { byId, make, percent, say, tone } from "./dom.js";

const MOST = 50;
const SPEAK_MS = 3000; // a screen reader hears at most one event in so long: the last one

export class Events {
  constructor() {
    this.list = byId("events");
    this.elements = new Map();
    this.labels = [];
    this.spoken = "";
    setInterval(() => {
      if (this.spoken) say(byId("spoken"), this.spoken);
      this.spoken = "";
    }, SPEAK_MS);
  }

  /** Take events: {published, payload} each; the same one again replaces what was known of it. */
  add(events, { aloud }) {
    for (const { published, payload } of events) {
      let element = this.elements.get(payload.id);
      if (!element) {
        element = make("li", "", make("details", "",
          make("summary", "", make("time"), make("i"), make("span"), make("small")), make("pre")));
        element.dataset.id = payload.id;
        this.elements.set(payload.id, element);
        this.list.prepend(element);
        if (aloud) this.spoken = sentence(payload);
      }
      this.fill(element, published, payload);
    }
    while (this.elements.size > MOST) {
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
    const moment = new Date(payload.time);
    when.dateTime = payload.time;
    when.title = moment.toLocaleString();
    say(when, moment.toLocaleTimeString([], { hour12: false }));
    tone(dot, payload.emotion, this.labels);
    say(text, sentence(payload));
    say(note, published ? (payload.replayed ? "sent late" : "") : "waits");
    element.dataset.published = published;
    say(element.querySelector("pre"), JSON.stringify(payload, null, 1));
  }
}

function sentence({ type, face, emotion, previous, confidence }) {
  const who = `Face ${face.track}`;
  if (type === "face_appeared") return `${who} appeared: ${emotion} ${percent(confidence)}`;
  if (type === "face_left") return `${who} left`;
  return `${who}: ${previous} → ${emotion} ${percent(confidence)}`;
}
