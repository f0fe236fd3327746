// Boxes over a picture, and the probabilities of each face as bars.

import { keyed, make, percent, say, tone } from "./dom.js";

const LABEL_PX = [150, 26];

/** Lay boxes over a picture: `boxes` have key, box [x, y, width, height] in shares, label, text. */
export function layBoxes(parent, boxes, labels) {
  const there = keyed(parent, boxes.map((one) => String(one.key)), () => make("div", "box", make("span")));
  for (const one of boxes) {
    const element = there.get(String(one.key));
    const [x, y, width, height] = one.box;
    Object.assign(element.style, {
      left: `${100 * x}%`, top: `${100 * y}%`, width: `${100 * width}%`, height: `${100 * height}%`,
    });
    // Where there is no room for the text above it, or to the right of where it begins.
    element.classList.toggle("high", y * parent.clientHeight < LABEL_PX[1]);
    element.classList.toggle("right", (1 - x) * parent.clientWidth < LABEL_PX[0]);
    element.classList.toggle("doubted", Boolean(one.doubted));
    if (!one.doubted) tone(element, one.label, labels);
    say(element.firstChild, one.text);
  }
}

/** What a face shows: the label that is announced; where another leads at the moment, that one as well. */
export function shown({ label, confidence, smoothed }, labels) {
  const best = Math.max(...smoothed);
  const leader = labels[smoothed.indexOf(best)];
  if (leader === label) return `${label} ${percent(confidence)}`;
  return label === "unknown" ? `unknown (${leader} ${percent(best)})` : `${label} → ${leader}?`;
}

/** A card with bars: heading, what is shown, one row per label. */
export function faceCard(heading, labels, crop = null) {
  const bars = make("dl", "bars");
  for (const label of labels) {
    const bar = make("div", "bar", make("div", "fill"), make("div", "tick"));
    bar.setAttribute("aria-hidden", "true");
    tone(bar, label, labels);
    bars.append(make("dt", "", label), bar, make("dd"), make("dd", "raw"));
  }
  const head = make("div", "head", make("h3", "", heading), make("b"));
  const card = make("article", "face", head);
  if (crop) card.append(crop);
  card.append(bars);
  return card;
}

/** Fill a card. `raw` null: no ticks. */
export function fillCard(card, labels, face) {
  const { label, smoothed, raw } = face;
  const said = card.querySelector("b");
  say(said, shown(face, labels));
  tone(said, label, labels);
  const bars = card.querySelector(".bars");
  const best = smoothed.indexOf(Math.max(...smoothed));
  labels.forEach((_, place) => {
    const [name, bar, value, unsmoothed] = [0, 1, 2, 3].map((part) => bars.children[4 * place + part]);
    name.classList.toggle("best", place === best);
    value.classList.toggle("best", place === best);
    const [fill, tick] = bar.children;
    fill.style.width = `${100 * smoothed[place]}%`;
    // At nothing it would only be a dark edge.
    tick.hidden = raw === null || raw[place] < 0.005;
    if (raw) tick.style.left = `${100 * raw[place]}%`;
    say(value, percent(smoothed[place]));
    say(unsmoothed, raw ? percent(raw[place]) : "");
  });
}

/** Show who is in view, one card each. */
export function showFaces(parent, faces, labels) {
  const cards = keyed(parent, faces.map((face) => String(face.track)), (track) => faceCard(`Face ${track}`, labels));
  for (const face of faces) fillCard(cards.get(String(face.track)), labels, face);
}
