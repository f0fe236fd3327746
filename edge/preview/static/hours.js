// Chart of the last 24 hours: time with somebody in view, visits and mean valence of each; the same as a table.

import { byId, make, setText } from "./dom.js";

const HOUR = 3600;

export class Hours {
  /** Show summaries of hours, oldest first; without any the card is hidden. */
  show(hours) {
    byId("hours-card").hidden = hours.length === 0;
    if (!hours.length) return;
    const visits = hours.reduce((sum, one) => sum + one.visits, 0);
    const seconds = hours.reduce((sum, one) => sum + one.present_seconds, 0);
    setText(byId("hours-text"), `${visits === 1 ? "1 visit" : `${visits} visits`}, somebody in view for ${span(seconds)}`);
    byId("hours").replaceChildren(...hours.map(column));
    byId("hours-rows").replaceChildren(...hours.map(row));
  }
}

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
  const visits = one.visits === 1 ? "1 visit" : `${one.visits} visits`;
  return `${hourOf(one)}: ${visits}, somebody in view for ${span(one.present_seconds)}${valence}; looked for ${span(one.looked_seconds)}`;
}

/** The hour by the sensor's own local time. */
const hourOf = (one) => one.local_start.slice(11, 16);

const percent = (share) => Math.round(1000 * Math.min(1, Math.max(0, share))) / 10;

export function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return seconds < HOUR ? `${Math.round(seconds / 60)} min` : `${Math.floor(seconds / HOUR)} h ${Math.round((seconds % HOUR) / 60)} min`;
}
