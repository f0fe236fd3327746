// Chart of the last 24 hours: time with somebody in view, visits and mean valence of each; the same as a table.

import { byId, make, setText } from "./dom.js";

/** Show summaries of hours, oldest first; without any the card is hidden. */
export function showHours(hours) {
  byId("hours-card").hidden = hours.length === 0;
  if (!hours.length) return;
  const [visits, seconds] = ["visits", "present_seconds"].map((figure) => hours.reduce((sum, one) => sum + one[figure], 0));
  setText(byId("hours-text"), seen(visits, seconds));
  byId("hours").replaceChildren(...hours.map(column));
  byId("hours-rows").replaceChildren(...hours.map(row));
}

const seen = (visits, seconds) => `${visits} visit${visits === 1 ? "" : "s"}, somebody in view for ${span(seconds)}`;

/** One hour of the chart: a bar as high as the share of the hour with somebody in view, over the part looked at. */
function column(one) {
  const length = Math.max(1, (Date.parse(one.end) - Date.parse(one.start)) / 1000);
  const looked = make("span", "looked");
  looked.style.height = `${percent(one.looked_seconds / length)}%`;
  const present = make("span", "present");
  present.style.height = `${percent(one.present_seconds / length)}%`;
  const element = make("div", "hour", make("b", "", one.visits ? String(one.visits) : ""), make("div", "room", looked, present),
    make("small", "", hourOf(one)));
  element.title = sentence(one);
  return element;
}

function row(one) {
  const cells = [
    hourOf(one) + (one.complete ? "" : " (so far)"), String(one.visits), span(one.present_seconds), span(one.looked_seconds),
    span(one.not_looked_seconds + one.off_seconds), one.valence === null ? "–" : one.valence.toFixed(2), shown(one),
  ];
  const [head, ...rest] = cells;
  const first = make("th", "", head);
  first.scope = "row";
  return make("tr", "", first, ...rest.map((text) => make("td", "", text)));
}

/** The labels that were shown longest; those of too few visits are withheld, and have no number. */
function shown(one) {
  const known = Object.entries(one.emotion_seconds).filter(([, seconds]) => seconds);
  known.sort(([, a], [, b]) => b - a);
  const text = known.slice(0, 3).map(([name, seconds]) => `${name} ${span(seconds)}`).join(", ");
  return text || (one.present_seconds ? "withheld" : "–");
}

function sentence(one) {
  const valence = one.valence === null ? "" : `, valence ${one.valence.toFixed(2)}`;
  return `${hourOf(one)}: ${seen(one.visits, one.present_seconds)}${valence}; looked for ${span(one.looked_seconds)}`;
}

/** The hour by the sensor's own local time. */
const hourOf = (one) => one.local_start.slice(11, 16);

const percent = (share) => Math.round(1000 * Math.min(1, Math.max(0, share))) / 10;

/** Return a duration, rounded to the minute from one minute on. */
export function span(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
