// Boxes over a picture, and cards with the probabilities of each face as bars.

import { keyed, make, percent, setText, setTone } from "./dom.js";

const LABEL_PX = [150, 26];

/** Place boxes over a picture. Each has key, box [x, y, width, height] as shares of the picture, label and text. */
export function layBoxes(parent, boxes, labels) {
  const elements = keyed(parent, boxes.map((one) => String(one.key)), () => make("div", "box", make("span")));
  for (const one of boxes) {
    const element = elements.get(String(one.key));
    const [x, y, width, height] = one.box;
    Object.assign(element.style, {
      left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * width}%`, height: `${100 * height}%`,
    });
    // The text moves inside or to the left if there is no room above or to the right.
    element.classList.toggle("high", y * parent.clientHeight < LABEL_PX[1]);
    element.classList.toggle("right", (1 - x) * parent.clientWidth < LABEL_PX[0]);
    element.classList.toggle("rejected", Boolean(one.rejected));
    if (!one.rejected) setTone(element, one.label, labels);
    setText(element.firstChild, one.text);
  }
}

/** Return the text of a face: its published label, and the label that leads now if that is another. */
export function faceText({ label, confidence, leader, leader_confidence: share }) {
  if (label === "unknown") return leader ? `unknown (${leader} ${percent(share)})` : "unknown";
  return leader && leader !== label ? `${label} → ${leader}?` : `${label} ${percent(confidence)}`;
}

/** Return the face of a payload (of an event, or of an answer) as the stream has it. */
export function faceOf({ emotion: label, confidence, leader, leader_confidence }) {
  return { label, confidence, leader, leader_confidence };
}

/** Return a new card: heading, text of the face, one bar per label. `crop`: element to show above the bars. */
export function faceCard(heading, labels, crop = null) {
  const bars = make("dl", "bars");
  for (const label of labels) {
    const bar = make("div", "bar", make("div", "fill"), make("div", "tick"));
    bar.setAttribute("aria-hidden", "true");
    setTone(bar, label, labels);
    bars.append(make("dt", "", label), bar, make("dd"), make("dd", "raw"));
  }
  const head = make("div", "head", make("h3", "", heading), make("b"));
  const card = make("article", "face", head);
  if (crop) card.append(crop);
  card.append(bars);
  return card;
}

/** Set the values of a card. `raw` null: no ticks. */
export function fillCard(card, labels, face) {
  const { label, leader, smoothed, raw } = face;
  const text = card.querySelector("b");
  setText(text, faceText(face));
  setTone(text, label, labels);
  const bars = card.querySelector(".bars");
  const best = labels.indexOf(leader);
  labels.forEach((_, index) => {
    const [name, bar, value, unsmoothed] = [0, 1, 2, 3].map((part) => bars.children[4 * index + part]);
    name.classList.toggle("best", index === best);
    value.classList.toggle("best", index === best);
    const [fill, tick] = bar.children;
    fill.style.width = `${100 * smoothed[index]}%`;
    // At zero it would only be a dark edge.
    tick.hidden = raw === null || raw[index] < 0.005;
    if (raw) tick.style.left = `${100 * raw[index]}%`;
    setText(value, percent(smoothed[index]));
    setText(unsmoothed, raw ? percent(raw[index]) : "");
  });
}

/** Show one card per face in view. */
export function showFaces(parent, faces, labels) {
  const cards = keyed(parent, faces.map((face) => String(face.track)), (track) => faceCard(`Face ${track}`, labels));
  for (const face of faces) fillCard(cards.get(String(face.track)), labels, face);
}
