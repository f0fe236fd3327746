// Chart of the latency of the last frames against the budget, with the degradation level of each.

import { byId, setText } from "./dom.js";

const SECONDS = 20;

export class Latency {
  constructor() {
    this.canvas = byId("latency");
    this.timings = [];
    this.budget = 100;
    this.levels = [];
  }

  /** Add frames: [Unix seconds, milliseconds, level] each. */
  add(timings, now) {
    this.timings.push(...timings.filter(([unix]) => unix > now - SECONDS));
  }

  /** Show the percentiles of a health message. */
  setHealth(health) {
    this.budget = health.budget_latency_ms;
    this.levels = health.budget.levels;
    const { latency_ms: latency } = health;
    setText(byId("latency-text"), latency
      ? `median ${ms(latency.p50)}, 99th percentile ${ms(latency.p99)}, budget ${ms(this.budget)}, level ${health.budget.level}`
      : `budget ${ms(this.budget)}, no frames`);
  }

  render(now) {
    this.timings = this.timings.filter(([unix]) => unix > now - SECONDS);
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const pen = this.canvas.getContext("2d");
    const css = getComputedStyle(document.documentElement);
    const ink = (name) => css.getPropertyValue(`--${name}`).trim();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const left = pen.measureText(Math.round(this.budget)).width + 12;
    const [bottom, top] = [height - 26, 8];
    const most = Math.max(1.25 * this.budget, ...this.timings.map(([, latency]) => Math.min(latency, 4 * this.budget)));
    const x = (unix) => left + (width - left) * (1 - (now - unix) / SECONDS);
    const y = (value) => bottom - (bottom - top) * Math.min(value / most, 1);

    pen.textAlign = "right";
    for (const value of [0, this.budget / 2, this.budget]) {
      pen.strokeStyle = value === this.budget ? ink("bad") : ink("line");
      pen.setLineDash(value === this.budget ? [5, 4] : []);
      line(pen, left, y(value), width, y(value));
      pen.fillStyle = value === this.budget ? ink("bad") : ink("soft");
      pen.fillText(Math.round(value), left - 6, y(value) + 4);
    }
    pen.setLineDash([]);
    for (const [unix, latency, level] of this.timings) {
      const over = latency > this.budget;
      pen.fillStyle = over ? ink("bad") : ink("accent");
      const height1 = Math.max(2, bottom - y(latency));
      pen.fillRect(x(unix) - 1, bottom - height1, over ? 3 : 2, height1);
      pen.fillStyle = ink(["good", "warn", "surprise", "bad"][Math.min(level, 3)]);
      pen.fillRect(x(unix) - 2, bottom + 3, 4, 4);
    }
    pen.fillStyle = ink("soft");
    pen.textAlign = "left";
    pen.fillText(`−${SECONDS} s`, left, height - 3);
    pen.textAlign = "right";
    pen.fillText("now", width, height - 3);
    const level = this.timings.at(-1)?.[2];
    if (level !== undefined && this.levels.length) {
      pen.textAlign = "center";
      pen.fillText(`level: ${this.levels[level]}`, left + (width - left) / 2, height - 3);
    }
  }
}

export const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, Math.round(fromY) + 0.5);
  pen.lineTo(toX, Math.round(toY) + 0.5);
  pen.stroke();
}
