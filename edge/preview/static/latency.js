// Chart of the latency of the last frames against the budget, with the level of each as the colour of its foot.

import { byId, setText } from "./dom.js";
import { levelSentence, workText } from "./levels.js";

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
      ? `99 % of frames within ${ms(latency.p99)}, half within ${ms(latency.p50)}; budget ${ms(this.budget)}`
      : `no frame in the last ten seconds; budget ${ms(this.budget)}`);
    setText(byId("level-text"), levelSentence(health.budget, ms(this.budget)));
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
    const size = parseFloat(getComputedStyle(this.canvas).fontSize);
    pen.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
    const left = pen.measureText(Math.round(this.budget)).width + size;
    const [bottom, top] = [height - 2.2 * size, 0.7 * size];
    const most = Math.max(1.25 * this.budget, ...this.timings.map(([, latency]) => Math.min(latency, 4 * this.budget)));
    const x = (unix) => left + (width - left) * (1 - (now - unix) / SECONDS);
    const y = (value) => bottom - (bottom - top) * Math.min(value / most, 1);

    pen.textAlign = "right";
    for (const value of [0, this.budget / 2, this.budget]) {
      pen.strokeStyle = value === this.budget ? ink("bad") : ink("line");
      pen.setLineDash(value === this.budget ? [5, 4] : []);
      line(pen, left, y(value), width, y(value));
      pen.fillStyle = value === this.budget ? ink("bad") : ink("soft");
      pen.fillText(Math.round(value), left - size / 2, y(value) + size / 3);
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
    const [ago, present] = [`−${SECONDS} s`, "now"];
    pen.fillText(ago, left, height - 3);
    pen.textAlign = "right";
    pen.fillText(present, width, height - 3);
    const level = this.timings.at(-1)?.[2];
    if (level === undefined || !this.levels.length) return;
    const room = width - left - 2 * (pen.measureText(ago).width + size);
    const texts = [`work per frame: ${workText(level, this.levels)}`, workText(level, this.levels)];
    const text = texts.find((one) => pen.measureText(one).width <= room) ?? "";
    pen.textAlign = "center";
    pen.fillText(text, left + (width - left) / 2, height - 3);
  }
}

export const ms = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, Math.round(fromY) + 0.5);
  pen.lineTo(toX, Math.round(toY) + 0.5);
  pen.stroke();
}
