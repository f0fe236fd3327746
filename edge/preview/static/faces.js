// Boxes over a picture, and cards with the probabilities of each face as bars.

import { keyed, make, percent, setText } from "./dom.js";

/** Place boxes over a picture. Each has key, box [x, y, width, height] as shares of the picture, label and text. */
export function layBoxes(parent, boxes, labels) {
  const elements = keyed(parent, boxes.map((one) => String(one.key)), () => make("div", "box", make("span")));
  for (const one of boxes) {
    const element = elements.get(String(one.key));
    const [x, y, width, height] = one.box;
    Object.assign(element.style, {
      left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * width}%`, height: `${100 * height}%`,
    });
    element.classList.toggle("rejected", Boolean(one.rejected));
    if (!one.rejected) labels.paint(element, one.label);
    setText(element.firstChild, one.text);
  }
  keepInside(parent, boxes.map((one) => [elements.get(String(one.key)).firstChild, one.box]));
}

/** Move texts to the left as far as the right edge of the picture demands, and into the box if there is no room above. */
function keepInside(parent, texts) {
  const [width, height] = [parent.clientWidth, parent.clientHeight];
  parent.style.setProperty("--stage", `${width}px`); // no text is wider
  const sizes = texts.map(([text]) => [text.offsetWidth, text.offsetHeight]); // all are read before the first is moved
  texts.forEach(([text, [x, y]], index) => {
    const [across, down] = sizes[index];
    text.style.marginLeft = `${Math.max(-x * width, Math.min(0, (1 - x) * width - across))}px`;
    text.parentElement.classList.toggle("high", y * height < down);
  });
}

/** Return a label with its confidence and, where there is one, its group. */
function labelText(label, confidence, group) {
  return `${label}${label === "unknown" ? "" : ` ${percent(confidence)}`}${group && ` (${group})`}`;
}

/** Return the text of a face: its label with the confidence it is held with, and the label that leads now if another. */
export function faceText({ label, confidence, leader, leader_confidence: share, group }, labels) {
  const held = labelText(label, confidence, group ?? labels.groupOf(label));
  if (!leader || leader === label) return held;
  return label === "unknown" ? `${held} (${leader} ${percent(share)})` : `${held}, now ${leader} ${percent(share)}`;
}

/** Return what the text of a face says, as a sentence; "" where the bars say all of it. */
function explanation({ label, leader, leader_confidence: share }) {
  if (!leader) return "The network has not read this face yet.";
  if (label === "unknown") return `No label is likely enough; ${leader} leads with ${percent(share)}.`;
  return leader === label ? "" : `Now ${leader} leads with ${percent(share)}; ${label} is held.`;
}

/** Return the face of a payload (of an event, or of an answer) as the stream has it. */
export function faceOf({ emotion: label, confidence, leader, leader_confidence }) {
  return { label, confidence, leader, leader_confidence };
}

const rowsOfCards = new WeakMap();

/** Return a new card: heading, text of the face, a bar for each group and label. `crop`: element above the bars. */
export function faceCard(heading, labels, crop = null) {
  const bars = make("dl", "bars");
  const rows = labels.rows().map((row) => {
    const bar = make("div", "bar", make("div", "fill"), make("div", "tick"));
    bar.setAttribute("aria-hidden", "true");
    if (row.kind !== "group") labels.paint(bar, row.name);
    const parts = { ...row, bar, title: make("dt", "", row.name), value: make("dd"), unsmoothed: make("dd", "raw") };
    for (const part of [parts.title, bar, parts.value, parts.unsmoothed]) part.classList.add(row.kind);
    bars.append(parts.title, bar, parts.value, parts.unsmoothed);
    return parts;
  });
  const head = make("div", "head", make("h3", "", heading), make("p", "of"));
  const card = make("article", "face", head);
  if (crop) card.append(crop);
  card.append(bars, make("p", "held muted"));
  rowsOfCards.set(card, rows);
  return card;
}

/** Set the values of a card. `raw` null: no ticks. */
export function fillCard(card, labels, face) {
  const { label, confidence, leader, smoothed, raw } = face;
  const text = card.querySelector(".of");
  setText(text, labelText(label, confidence, labels.groupOf(label)));
  labels.paint(text, label);
  setText(card.querySelector(".held"), explanation(face));
  const best = labels.names.indexOf(leader);
  const sum = (shares, indices) => indices.reduce((total, index) => total + shares[index], 0);
  for (const { kind, indices, title, bar, value, unsmoothed } of rowsOfCards.get(card)) {
    const leads = kind !== "group" && indices[0] === best;
    title.classList.toggle("best", leads);
    value.classList.toggle("best", leads);
    const share = sum(smoothed, indices);
    const single = raw && sum(raw, indices);
    const [fill, tick] = bar.children;
    fill.style.width = `${100 * share}%`;
    // At zero it would only be a dark edge.
    tick.hidden = raw === null || single < 0.005;
    if (raw) tick.style.left = `${100 * single}%`;
    setText(value, percent(share));
    setText(unsmoothed, raw ? percent(single) : "");
  }
}

/** Show one card per face in view. */
export function showFaces(parent, faces, labels) {
  const cards = keyed(parent, faces.map((face) => String(face.track)), (track) => faceCard(`Face ${track}`, labels));
  for (const face of faces) fillCard(cards.get(String(face.track)), labels, face);
}
