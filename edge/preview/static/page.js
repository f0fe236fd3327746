// Main module: passes the content of each record of the stream to the parts of the page.

import { byId, draw, make, setText, setTone } from "./dom.js";
import { Events } from "./events.js";
import { faceText, layBoxes, showFaces } from "./faces.js";
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
let labels = [];
let boot = "";
let clockOffset = 0; // the sensor's clock minus the browser's, seconds

const sensorNow = () => Date.now() / 1000 + clockOffset;

function applyHello({ info, history, max_upload_mb: limit }) {
  labels = info.model.labels;
  timeline.reset(labels, history);
  if (boot !== info.boot_id) events.clear();
  boot = info.boot_id;
  latency.timings = [];
  events.labels = picture.labels = labels;
  picture.limitBytes = 1e6 * limit;
  byId("palette").replaceChildren(...[...labels, "unknown"].map((label) => {
    const entry = make("li", "", label);
    setTone(entry, label, labels);
    return entry;
  }));
  document.title = info.name;
  setText(byId("name"), info.name);
  setText(byId("what"), `${info.source}, model ${info.model.name}`);
  setText(byId("foot"), `emotion-edge ${info.version} as ${info.device}, ${info.runtime}, OpenCV ${info.opencv}, Python ${info.python}`);
}

async function showFrame(frame, jpeg) {
  await draw(byId("live-picture"), jpeg, "image/jpeg");
  layBoxes(byId("live-boxes"), frame.faces.map((face) => ({
    key: face.track, box: face.box, label: face.label, text: faceText(face),
  })), labels);
  showFaces(byId("faces"), frame.faces, labels);
  byId("no-faces").hidden = frame.faces.length > 0;
  for (const face of frame.faces) timeline.add(frame.unix, face.track, face.label);
  const count = frame.faces.length;
  setText(byId("live-text"), `${frame.width} × ${frame.height}, ${count === 0 ? "no face" : count === 1 ? "1 face" : `${count} faces`}`);
}

function blank() {
  layBoxes(byId("live-boxes"), [], labels);
  showFaces(byId("faces"), [], labels);
  byId("no-faces").hidden = false;
  setText(byId("live-text"), "");
}

/** Grey out a picture that is not live, and show the reason. While paused the picture is cleared. */
function updateStage() {
  const absence = state.absence;
  byId("stage").classList.toggle("old", !state.current);
  setText(byId("live-absent"), absence);
  if (state.health?.paused) {
    const canvas = byId("live-picture");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }
  byId("current").disabled = !state.current;
  setText(byId("no-faces"), state.current ? "No face in view." : "Not known while there is no live picture.");
}

async function applyRecord(record) {
  state.lost = "";
  if (record.now) clockOffset = record.now - Date.now() / 1000;
  if (record.hello) applyHello(record.hello);
  if (record.health) {
    state.health = record.health;
    latency.setHealth(record.health);
    state.render();
    updateStage();
  }
  if (record.moments) latency.add(record.moments, record.now);
  if (record.events) events.add(record.events, { announce: !record.hello });
  if (record.frame) await showFrame(record.frame, record.pictures[0]);
  else if (record.blank) blank();
}

function showLost(reason) {
  state.lost = reason;
  state.render();
  updateStage();
  blank();
}

setInterval(() => labels.length && !state.lost && timeline.render(sensorNow()), CHART_MS);
setInterval(() => state.lost || latency.render(sensorNow()), LATENCY_MS);
addEventListener("resize", () => latency.render(sensorNow()));
followStream(applyRecord, showLost);
