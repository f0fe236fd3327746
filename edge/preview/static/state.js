// State of the sensor as pills, notices and figures, from its health messages and the connection to it.

import { byId, keyed, make, setText } from "./dom.js";
import { workText } from "./levels.js";

const SOURCE = {
  paused: ["warn", "paused"],
  opening: ["warn", "opening"], ok: ["good", "ok"], stalled: ["bad", "stalled"], lost: ["bad", "lost"], ended: ["warn", "ended"],
};
const BROKER = { connected: ["good", "connected"], disconnected: ["bad", "disconnected"], none: ["", "none configured"] };

export class State {
  constructor() {
    this.health = null;
    this.lost = "";
    this.connected = false; // a record has come on this connection
    this.pictured = false; // so has a picture, which nothing has taken back since
  }

  /** Set that there is no connection. `reason`: a sentence, or "" where one is only being made. */
  disconnect(reason) {
    this.lost = reason;
    this.connected = this.pictured = false;
  }

  /** Set that a record has come. */
  connect() {
    this.lost = "";
    this.connected = true;
  }

  /** Whether the picture on the page is live. */
  get current() {
    return this.pictured && this.health?.source === "ok" && !this.health.paused;
  }

  /** Why there is no live picture; shown in its place. "" where there is one. */
  get absence() {
    if (this.lost) return this.lost;
    if (!this.connected) return "Connecting to the sensor …";
    if (this.health?.paused) return "Paused: the sensor captures no pictures.";
    if (this.health && this.health.source !== "ok") return notices(this.health)[0]?.[1] ?? "";
    return this.pictured ? "" : "Waiting for the first picture …";
  }

  render() {
    const { health } = this;
    const entries = this.lost ? [["bad", `${this.lost} Trying again …`]] : this.connected && health ? notices(health) : [];
    const lines = keyed(byId("notices"), entries.map(([, text]) => text), () => make("p", "notice"));
    for (const [kind, text] of entries) {
      lines.get(text).className = `notice ${kind}`;
      setText(lines.get(text), text);
    }
    document.body.classList.toggle("unconnected", !this.connected);
    if (!health) return;
    const unknown = this.connected ? null : ["", "not known"];
    pill("camera", ...(unknown ?? (health.paused ? SOURCE.paused : SOURCE[health.source])), health.source === "ended" ? "File" : "Camera");
    pill("broker", ...(unknown ?? BROKER[health.broker]), "Broker");
    const { level_index: level, levels } = health.budget;
    pill("level", ...(unknown ?? [level === 0 ? "good" : "warn", workText(level, levels)]), "Work per frame");
    pill("fps", ...(unknown ?? ["", health.fps.toFixed(1)]), "Frames a second");
    if (health.temperature_c !== null) {
      pill("heat", health.throttled ? "bad" : "", `${Math.round(health.temperature_c)} °C`, health.throttled ? "Board slowed down" : "Board");
    }
    figures(health);
  }
}

function notices(health) {
  const found = [];
  if (health.paused) found.push(["warn", "Paused: the sensor captures no pictures until a request resumes it."]);
  if (health.source === "lost") found.push(["bad", `The camera is lost: ${health.source_error}. It is being reopened.`]);
  if (health.source === "stalled") found.push(["bad", `The camera has stalled: ${health.source_error}. It is being reopened.`]);
  if (health.source === "opening") found.push(["warn", "The camera is being opened."]);
  if (health.source === "ended") found.push(["warn", "The file has ended."]);
  if (health.broker === "disconnected") found.push(["bad", "The broker is not connected. Events wait for it."]);
  if (health.outbox_problem) found.push(["bad", `Waiting events are held in memory only: ${health.outbox_problem}`]);
  if (health.budget.reachable_ms !== null) {
    const [taken, budget] = [health.budget.reachable_ms, health.budget_latency_ms].map(Math.round);
    found.push(["warn", `Frames take longer than the budget of ${budget} ms even with the least work: 99 % within ${taken} ms.`]);
  }
  if (health.throttled) found.push(["warn", "The board is slowed down by its firmware: check its power supply and cooling."]);
  return found;
}

function pill(key, kind, text, name) {
  const list = byId("pills");
  let item = list.querySelector(`[data-key=${key}]`);
  if (!item) {
    item = make("li", "", make("i"), make("span"));
    item.dataset.key = key;
    list.append(item);
  }
  item.className = kind;
  item.firstChild.hidden = !kind;
  setText(item.lastChild, `${name}: ${text}`);
}

function figures(health) {
  const steps = health.budget.steps;
  const values = {
    "Frames processed": health.frames.toLocaleString("en"),
    "Frames dropped": `${health.frames_dropped.toLocaleString("en")} (${health.frames_late.toLocaleString("en")} too late)`,
    "Source, frames a second": health.source_fps === null ? "–" : health.source_fps.toPrecision(2),
    "To find faces": tenths(health.stage_ms.detect),
    "To classify them": tenths(health.stage_ms.classify),
    "Events not sent yet": health.broker === "none" ? "no broker" : String(health.outbox_depth),
    "Scheduling priority": health.budget.priority === "realtime" ? "real time" : "ordinary",
    "Running for": duration(health.uptime_seconds),
  };
  if (health.source_reopened) values["Camera reopened"] = health.source_reopened === 1 ? "once" : `${health.source_reopened} times`;
  // The reason for less work stands beside the chart.
  if (steps.length && health.budget.level_index === 0) values["Full work again"] = steps.at(-1).detail;
  const entries = keyed(byId("figures"), Object.keys(values), (name) => make("div", "", make("dt", "", name), make("dd")));
  for (const [name, value] of Object.entries(values)) setText(entries.get(name).lastChild, value);
}

const tenths = (value) => (value === undefined ? "–" : `${value.toFixed(1)} ms`);

function duration(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
