// The buttons that show the sensor a calm face, and reset it.

import { byId, setText } from "./dom.js";

export class CalmFace {
  constructor() {
    this.canCalibrate = false; // the page has a token
    this.info = { possible: false, since: null };
    this.busy = false;
    byId("calibrate").addEventListener("click", () => this.send({ reset: false }, "Calibrated."));
    byId("calm-face-reset").addEventListener("click", () => this.send({ reset: true }, "Reset."));
  }

  /** Take what the sensor says of its calm face. */
  take(info) {
    this.info = info;
    this.render();
  }

  async send(content, done) {
    this.busy = true;
    this.render();
    this.say(content.reset ? "" : "Look at the camera, neutral, and hold still …", false);
    try {
      const answer = await fetch("calm-face", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
      });
      if (answer.status === 401) location.assign("/login");
      const { error } = await answer.json();
      this.say(error ?? done, error !== null);
    } catch {
      this.say("Not calibrated: no connection to the sensor.", true);
    }
    this.busy = false;
    this.render();
  }

  say(text, bad) {
    byId("calm-face-status").classList.toggle("bad", bad);
    setText(byId("calm-face-status"), text);
  }

  render() {
    const { possible, since } = this.info;
    byId("calibrate").disabled = this.busy || !possible || !this.canCalibrate;
    byId("calm-face-reset").disabled = this.busy || !this.canCalibrate;
    setText(byId("calm-face-text"), stateOf(possible, since, this.canCalibrate));
  }
}

/** Return what is in force, and what keeps the buttons from working. */
function stateOf(possible, since, canCalibrate) {
  if (!possible) return "This model can be shown no calm face: it has no neutral label, or its manifest no neutral_reading.";
  const kept = since === null ? "None is kept." : `Shown on ${new Date(since).toLocaleString()}.`;
  return canCalibrate ? kept : `${kept} To use the buttons, set a token (preview.token_file).`;
}
