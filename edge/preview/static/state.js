// State of the sensor as pills, notices and figures, from its health messages and the connection to it.

import { byId, keyed, make, setText } from "./dom.js";

const SOURCE = {
  paused: ["warn", "paused"],
  opening: ["warn", "opening"], ok: ["good", "ok"], stalled: ["bad", "stalled"], lost: ["bad", "lost"], ended: ["warn", "ended"],
};
const BROKER = { connected: ["good", "connected"], disconnected: ["bad", "disconnected"], none: ["", "not configured"] };

export class State {
  constructor() {
    this.health = null;
    this.lost = "";
  }

  /** Whether the picture on the page is live. */
  get current() {
    return !this.lost && this.health?.source === "ok" && !this.health.paused;
  }

  /** Why there is no live picture; shown in its place. */
  get absence() {
    if (this.lost) return this.lost;
    if (this.health?.paused) return "Paused: the sensor captures no pictures.";
    if (this.health && this.health.source !== "ok") return notices(this.health)[0]?.[1] ?? "";
    return "";
  }

  render() {
    const { health } = this;
    const entries = this.lost ? [["bad", `${this.lost} Trying again …`]] : health ? notices(health) : [];
    const lines = keyed(byId("notices"), entries.map(([, text]) => text), () => make("p", "notice"));
    for (const [kind, text] of entries) {
      lines.get(text).className = `notice ${kind}`;
      setText(lines.get(text), text);
    }
    if (!health) return;
    pill("camera", ...(this.lost ? ["", "?"] : health.paused ? ["warn", "paused"] : SOURCE[health.source]), "Camera");
    pill("broker", ...(this.lost ? ["", "?"] : BROKER[health.broker]), "Broker");
    const level = health.budget.level_index;
    pill("level", ...(this.lost ? ["", "?"] : [level === 0 ? "good" : "warn", health.budget.level]), "Level");
    pill("fps", "", this.lost ? "?" : `${health.fps.toFixed(1)} / s`, "Frames");
    if (health.temperature_c !== null) {
      pill("heat", health.throttled ? "bad" : "", `${Math.round(health.temperature_c)} °C`, health.throttled ? "Throttled" : "Board");
    }
    figures(health);
  }
}

function notices(health) {
  const found = [];
  if (health.paused) found.push(["warn", "Paused: the sensor captures no pictures until a request resumes it."]);
  if (health.source === "lost") found.push(["bad", `The camera is lost: ${health.source_error}. It is being reopened.`]);
  if (health.source === "stalled") found.push(["bad", `The camera has stalled: ${health.source_error}. It is being reopened.`]);
  if (health.source === "opening") found.push(["warn", "The source is being opened."]);
  if (health.source === "ended") found.push(["warn", "The source has ended."]);
  if (health.broker === "disconnected") found.push(["bad", "The broker is not connected. Events wait for it."]);
  if (health.outbox_problem) found.push(["bad", `Waiting events are held in memory only: ${health.outbox_problem}`]);
  if (health.budget.reachable_ms !== null) found.push(["warn", "Frames take longer than the latency budget even at the last degradation level."]);
  if (health.throttled) found.push(["warn", "The board is throttled: check its power supply and cooling."]);
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
    "Given by the source": health.source_fps === null ? "–" : `${health.source_fps.toPrecision(2)} frames a second`,
    "Dropped": `${health.frames_dropped.toLocaleString("en")} (${health.frames_late.toLocaleString("en")} late)`,
    "Search / network": `${tenths(health.stage_ms.detect)} / ${tenths(health.stage_ms.classify)} ms`,
    "Events waiting": health.broker === "none" ? "no broker" : String(health.outbox_depth),
    "Priority": health.budget.priority === "realtime" ? "real time" : "ordinary",
    "Running for": duration(health.uptime_seconds),
  };
  if (health.source_reopened) values["Camera reopened"] = `${health.source_reopened} times`;
  if (steps.length) values["Last step"] = `${steps.at(-1).to_level}: ${steps.at(-1).detail}`;
  const entries = keyed(byId("figures"), Object.keys(values), (name) => make("div", "", make("dt", "", name), make("dd")));
  for (const [name, value] of Object.entries(values)) setText(entries.get(name).lastChild, value);
}

const tenths = (value) => (value === undefined ? "–" : value.toFixed(1));

function duration(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
