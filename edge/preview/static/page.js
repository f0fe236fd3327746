// Puts the parts together: every record of the stream goes to those whom it concerns.

import { byId, draw, make, say, tone } from "./dom.js";
import { Events } from "./events.js";
import { layBoxes, showFaces, shown } from "./faces.js";
import { Latency } from "./latency.js";
import { Picture } from "./picture.js";
import { follow } from "./records.js";
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
let ahead = 0; // the sensor's clock against this one, seconds

const sensorNow = () => Date.now() / 1000 + ahead;

function introduce({ info, history, max_upload_mb: limit }) {
  labels = info.model.labels;
  timeline.begin(labels, history);
  if (boot !== info.boot_id) events.clear();
  boot = info.boot_id;
  latency.moments = [];
  events.labels = picture.labels = labels;
  picture.limitBytes = 1e6 * limit;
  byId("palette").replaceChildren(...[...labels, "unknown"].map((label) => {
    const entry = make("li", "", label);
    tone(entry, label, labels);
    return entry;
  }));
  document.title = info.name;
  say(byId("name"), info.name);
  say(byId("what"), `${info.source}, model ${info.model.name}`);
  say(byId("foot"), `emotion-edge ${info.version} as ${info.device}, ${info.runtime}, OpenCV ${info.opencv}, Python ${info.python}`);
}

async function showFrame(frame, jpeg) {
  await draw(byId("live-picture"), jpeg, "image/jpeg");
  layBoxes(byId("live-boxes"), frame.faces.map((face) => ({
    key: face.track, box: face.box, label: face.label, text: shown(face, labels),
  })), labels);
  showFaces(byId("faces"), frame.faces, labels);
  byId("nobody").hidden = frame.faces.length > 0;
  for (const face of frame.faces) timeline.add(frame.unix, face.track, face.label);
  const count = frame.faces.length;
  say(byId("live-text"), `${frame.width} × ${frame.height}, ${count === 0 ? "nobody" : count === 1 ? "1 face" : `${count} faces`}`);
}

function blank() {
  layBoxes(byId("live-boxes"), [], labels);
  showFaces(byId("faces"), [], labels);
  byId("nobody").hidden = false;
  say(byId("live-text"), "");
}

/** Show what there is no picture of any more as such; a pause leaves none at all. */
function mark() {
  const absence = state.absence;
  byId("stage").classList.toggle("old", !state.current);
  say(byId("live-absent"), absence);
  if (state.health?.paused) {
    const canvas = byId("live-picture");
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }
  byId("current").disabled = !state.current;
  say(byId("nobody"), state.current ? "Nobody is in view." : "Who is there is not known now.");
}

async function take(record) {
  state.lost = "";
  if (record.now) ahead = record.now - Date.now() / 1000;
  if (record.hello) introduce(record.hello);
  if (record.health) {
    state.health = record.health;
    latency.tell(record.health);
    state.render();
    mark();
  }
  if (record.moments) latency.add(record.moments, record.now);
  if (record.events) events.add(record.events, { aloud: !record.hello });
  if (record.frame) await showFrame(record.frame, record.pictures[0]);
  else if (record.blank) blank();
}

function lost(why) {
  state.lost = why;
  state.render();
  mark();
  blank();
}

setInterval(() => labels.length && !state.lost && timeline.render(sensorNow()), CHART_MS);
setInterval(() => state.lost || latency.render(sensorNow()), LATENCY_MS);
addEventListener("resize", () => latency.render(sensorNow()));
follow(take, lost);
