// Main module: passes the content of each record of the stream to the parts of the page.

import { AreaEditor } from "./area_editor.js";
import { CalmFace } from "./calm_face.js";
import { byId, decode, draw, make, setText } from "./dom.js";
import { Events } from "./events.js";
import { faceText, layBoxes, showFaces } from "./faces.js";
import { showHours } from "./hours.js";
import { Labels } from "./labels.js";
import { Latency } from "./latency.js";
import { Picture } from "./picture.js";
import { followStream } from "./records.js";
import { State } from "./state.js";
import { Timeline } from "./timeline.js";

const CHART_MS = 250;
const LATENCY_MS = 500;

const state = new State();
const events = new Events();
const timeline = new Timeline();
const latency = new Latency();
const picture = new Picture();
const areas = new AreaEditor();
const calmFace = new CalmFace();
let labels = new Labels();
let shown = null; // the last frame
let boot = "";
let masks = ""; // as JSON: those under which the picture on the page was made
let clockOffset = 0; // the sensor's clock minus the browser's, seconds

const sensorNow = () => Date.now() / 1000 + clockOffset;

function applyHello({ history, max_upload_mb: limit, orientation, can_apply_areas: canApply, can_calibrate: canCalibrate, unit }) {
  areas.orientation = orientation;
  areas.canApply = canApply;
  areas.unit = unit;
  calmFace.canCalibrate = canCalibrate;
  timeline.reset(history);
  latency.timings = [];
  picture.limitBytes = 1e6 * limit;
  byId("faces-card").classList.remove("smoothing");
}

/** Apply the description of the sensor: at the start of a connection, and when a reload has changed it. */
function applyInfo(info) {
  labels = new Labels(info.model.labels, info.groups);
  timeline.labels = events.labels = picture.labels = labels;
  byId("faces").replaceChildren(); // a card has a bar for each group
  showPalette();
  if (boot !== info.boot_id) events.clear();
  boot = info.boot_id;
  // A picture that is not live any more may show what is masked by now.
  const masksNow = JSON.stringify(info.masks);
  if (masks !== masksNow) clearPicture();
  masks = masksNow;
  areas.take(info);
  calmFace.take(info.calm_face);
  document.title = info.name;
  setText(byId("name"), info.name);
  setText(byId("what"), `${info.source}, model ${info.model.name}`);
  setText(byId("foot"), `emotion-edge ${info.version} as ${info.device}, ${info.runtime}, OpenCV ${info.opencv}, Python ${info.python}`);
}

/** Show which colour stands for which label: first those of each group. */
function showPalette() {
  const parts = [];
  for (const { name, kind } of [...labels.rows(), { name: "unknown", kind: "label" }]) {
    if (kind === "group") parts.push(make("li", "group", make("b", "", name)));
    else {
      const entry = make("span", "", name);
      labels.paint(entry, name);
      if (kind === "member") parts.at(-1).append(entry);
      else parts.push(make("li", "", entry));
    }
  }
  byId("palette").replaceChildren(...parts);
}

function takeFrame(frame, bitmap) {
  draw(byId("live-picture"), bitmap);
  state.pictured = true;
  shown = frame;
  if (frame.faces.some(isSmoothed)) byId("faces-card").classList.add("smoothing");
  for (const face of frame.faces) timeline.add(frame.unix, face.track, face.label);
}

/** Whether the probabilities of a face are averaged over time: without smoothing they are those of the last picture. */
function isSmoothed({ smoothed, raw }) {
  return raw?.some((share, index) => Math.abs(share - smoothed[index]) > 1e-3) ?? false;
}

/** Faces of the live picture; none without one. */
const facesNow = () => (state.current ? shown.faces : []);

function placeBoxes() {
  layBoxes(byId("live-boxes"), facesNow().map((face) => ({
    key: face.track, box: face.box, label: face.label, text: faceText(face, labels),
  })), labels);
}

function clearPicture() {
  const canvas = byId("live-picture");
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

/** Show the faces of a live picture; grey out one that is not live, with the reason. While paused it is cleared. */
function showStage() {
  const { current } = state;
  byId("stage").classList.toggle("old", !current);
  setText(byId("live-absent"), state.absence);
  if (state.health?.paused) clearPicture();
  const faces = facesNow();
  placeBoxes();
  showFaces(byId("faces"), faces, labels);
  byId("no-faces").hidden = faces.length > 0;
  setText(byId("no-faces"), current ? "No face in view." : "Not known while there is no live picture.");
  const count = faces.length === 0 ? "no face" : faces.length === 1 ? "1 face" : `${faces.length} faces`;
  setText(byId("live-text"), current ? `${shown.width} × ${shown.height} pixels, ${count}` : "");
  byId("current").disabled = !current;
}

/** Apply a record, all of it in one step, so that no part of the page contradicts another at any time. */
async function applyRecord(record) {
  if (record.now) clockOffset = record.now - Date.now() / 1000;
  const bitmap = record.frame ? await decode(record.pictures[0], "image/jpeg") : null;
  const info = record.hello?.info ?? record.info;
  state.connect();
  if (record.hello) applyHello(record.hello);
  if (info) applyInfo(info);
  const hours = record.hello?.hours ?? record.hours;
  if (hours) showHours(hours);
  if (record.moments) latency.add(record.moments, record.now);
  if (record.events) events.add(record.events, { announce: !record.hello });
  if (record.health) {
    state.health = record.health;
    latency.setHealth(record.health);
  }
  if (record.blank) state.pictured = false;
  if (record.frame) takeFrame(record.frame, bitmap);
  if (record.health) state.render();
  if (info || record.health || record.blank || record.frame) showStage();
  if (record.hello) timeline.render(sensorNow());
}

function showLost(reason) {
  state.disconnect(reason);
  state.render();
  showStage();
}

setInterval(() => state.connected && timeline.render(sensorNow()), CHART_MS);
setInterval(() => state.connected && latency.render(sensorNow()), LATENCY_MS);
addEventListener("resize", () => {
  placeBoxes();
  if (!state.connected) return;
  timeline.render(sensorNow());
  latency.render(sensorNow());
});
followStream(applyRecord, showLost);
