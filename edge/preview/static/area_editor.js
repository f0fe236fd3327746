// Draws masks and zones on the live picture: with the mouse, by touch, or with the keyboard.

import { freeName, KINDS, placeFor, problemOf, rounded, tableOf, tomlOf, withoutRepeats } from "./areas.js";
import { byId, keyed, make, percent, setText } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const STEP = 0.01; // of the picture, for an arrow key
const LARGE_STEP = 0.1; // with Shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class AreaEditor {
  constructor() {
    this.areas = []; // { kind, name, corners: [[x, y]] }, in shares of the picture on the page
    this.draft = null; // the area that is drawn: the same, with the place of the original, or null
    this.orientation = { rotate: 0, flip: "none" };
    this.inForce = []; // the areas that the sensor has
    this.canApply = false; // the page may apply what the configuration lets requests set
    this.unit = "emotion-edge"; // the service for systemctl, which is another one for each instance
    this.settings = {}; // of the tables that may be set: whether each is set
    this.cross = [0.5, 0.5];
    this.dragged = null;
    for (const kind of KINDS) byId(`draw-${kind}`).addEventListener("click", () => this.begin(kind));
    byId("area-done").addEventListener("click", () => this.finish());
    byId("area-undo").addEventListener("click", () => this.removeCorner(this.draft.corners.length - 1));
    byId("area-cancel").addEventListener("click", () => this.cancel());
    byId("area-name").addEventListener("input", ({ target }) => (this.draft.name = target.value.trim()));
    byId("area-name").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // the button that gets the focus would be pressed by the same key
      this.finish();
    });
    byId("areas-copy").addEventListener("click", () => this.copy());
    byId("areas-apply").addEventListener("click", () => this.apply());
    byId("areas-reset").addEventListener("click", () => this.reset());
    byId("areas").addEventListener("toggle", () => this.render());
    const drawing = byId("drawing");
    drawing.addEventListener("pointerdown", (event) => this.press(event));
    drawing.addEventListener("pointermove", (event) => this.dragged !== null && this.move(this.dragged, this.placeOf(event)));
    for (const end of ["pointerup", "pointercancel"]) drawing.addEventListener(end, () => (this.dragged = null));
    drawing.addEventListener("keydown", (event) => this.key(event));
  }

  /** Take what is in force, unless the areas here were changed and not applied yet. */
  take({ masks = {}, zones = {}, settings = {} }) {
    this.settings = settings;
    const found = [masks, zones].flatMap((table, index) =>
      Object.entries(table).map(([name, corners]) => ({ kind: KINDS[index], name, corners })));
    if (same(this.areas, this.inForce) && !this.draft) this.areas = found;
    this.inForce = found;
    this.render();
  }

  begin(kind, place = null) {
    const original = place === null ? null : this.areas[place];
    this.draft = original
      ? { ...original, corners: original.corners.map((corner) => [...corner]), place }
      : { kind, name: kind === "mask" ? freeName(kind, this.areas) : "", corners: [], place };
    this.cross = [0.5, 0.5];
    byId("area-name").value = this.draft.name;
    this.say("");
    this.render();
    byId("drawing").focus({ preventScroll: true });
    byId("stage").scrollIntoView({ block: "nearest" });
  }

  finish() {
    const { place, ...area } = this.draft;
    const others = this.areas.filter((_, index) => index !== place);
    const problem = problemOf(area, others);
    this.say(problem, true);
    if (problem) {
      if (/name/.test(problem)) byId("area-name").focus();
      return;
    }
    area.corners = withoutRepeats(area.corners);
    if (place === null) this.areas = [...this.areas, area];
    else this.areas = this.areas.map((other, index) => (index === place ? area : other));
    this.end(area.kind);
  }

  cancel() {
    this.end(this.draft.kind);
  }

  end(kind) {
    this.draft = this.dragged = null;
    this.render();
    byId(`draw-${kind}`).focus({ preventScroll: true });
  }

  remove(place) {
    const { kind } = this.areas[place];
    this.areas = this.areas.filter((_, index) => index !== place);
    this.render();
    byId(`draw-${kind}`).focus({ preventScroll: true });
  }

  // Corners

  placeOf({ clientX, clientY }) {
    const { left, top, width, height } = byId("drawing").getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height];
  }

  press(event) {
    if (!this.draft || event.button > 0) return;
    event.preventDefault(); // no text is selected, and the corner keeps the focus
    const handle = event.target.closest(".corner");
    this.dragged = handle ? Number(handle.dataset.key) : this.addCorner(this.placeOf(event));
    byId("drawing").setPointerCapture(event.pointerId);
    (handle ?? byId("drawing")).focus({ preventScroll: true });
  }

  /** Add a corner: the next one of a new area, or one in the nearest side of an area that is changed. */
  addCorner(at) {
    const { corners, place } = this.draft;
    const index = place === null ? corners.length : placeFor(corners, at);
    corners.splice(index, 0, at.map(rounded));
    this.cross = [...corners[index]];
    this.tell(index);
    this.render();
    return index;
  }

  move(index, at) {
    this.draft.corners[index] = at.map(rounded);
    this.cross = [...this.draft.corners[index]];
    this.render();
  }

  removeCorner(index) {
    if (index < 0) return;
    this.draft.corners.splice(index, 1);
    this.say(`Corner ${index + 1} removed, ${this.draft.corners.length} left.`);
    this.render();
    byId("drawing").focus({ preventScroll: true });
  }

  key(event) {
    if (!this.draft || event.ctrlKey || event.altKey || event.metaKey) return;
    const corner = event.target.dataset.key === undefined ? null : Number(event.target.dataset.key);
    if (ARROWS[event.key]) {
      const step = event.shiftKey ? LARGE_STEP : STEP;
      const from = corner === null ? this.cross : this.draft.corners[corner];
      const to = from.map((share, axis) => rounded(share + step * ARROWS[event.key][axis]));
      if (corner === null) {
        this.cross = to;
        this.say(`Cross at ${where(to)}.`);
        this.render();
      } else {
        this.move(corner, to);
        this.tell(corner);
      }
    } else if (event.key === "Enter" || event.key === " ") {
      if (corner === null) this.addCorner(this.cross);
    } else if (event.key === "Backspace" || event.key === "Delete") this.removeCorner(corner ?? this.draft.corners.length - 1);
    else if (event.key === "Escape") this.cancel();
    else return;
    event.preventDefault();
  }

  // What is shown

  tell(index) {
    this.say(`Corner ${index + 1} at ${where(this.draft.corners[index])}.`);
  }

  say(text, bad = false) {
    byId("areas-status").classList.toggle("bad", bad);
    setText(byId("areas-status"), text);
  }

  async copy() {
    byId("areas-text").select();
    try {
      await navigator.clipboard.writeText(byId("areas-text").value);
      this.say("Copied.");
    } catch { // over plain HTTP the browser allows it to pages of this machine only
      this.say("The text is selected: copy it with Ctrl-C, or by a long press.");
    }
  }

  // What is applied

  /** Return the kinds that differ from what is in force. */
  changedKinds() {
    const table = (kind, areas) => JSON.stringify(tableOf(kind, areas, this.orientation));
    return KINDS.filter((kind) => table(kind, this.areas) !== table(kind, this.inForce));
  }

  settable(kind) {
    return this.canApply && `${kind}s` in this.settings;
  }

  /** Return the kinds that a request has set, and that can be reset from here. */
  setKinds() {
    return KINDS.filter((kind) => this.settable(kind) && this.settings[`${kind}s`].set);
  }

  async apply() {
    const tables = this.changedKinds().map((kind) => [`${kind}s`, tableOf(kind, this.areas, this.orientation)]);
    await this.send({ set: Object.fromEntries(tables) }, "Applied.");
  }

  async reset() {
    if (!await this.send({ reset: this.setKinds().map((kind) => `${kind}s`) }, "As the configuration file has it.")) return;
    this.areas = this.inForce; // what the configuration file has takes its place, now or with the next record
    this.render();
  }

  /** Send a change to the sensor; returns whether it was accepted. */
  async send(change, done) {
    byId("areas-apply").disabled = byId("areas-reset").disabled = true;
    let isDone = false;
    try {
      const answer = await fetch("areas", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change),
      });
      if (answer.status === 401) location.assign("/login");
      const { error } = await answer.json();
      isDone = error === null;
      this.say(error ?? done, !isDone);
    } catch {
      this.say("Not applied: no connection to the sensor.", true);
    }
    byId("areas-apply").disabled = byId("areas-reset").disabled = false;
    return isDone;
  }

  render() {
    const { draft, areas } = this;
    const drawing = byId("drawing");
    drawing.hidden = !byId("areas").open;
    drawing.classList.toggle("active", draft !== null);
    drawing.tabIndex = draft ? 0 : -1;
    const shown = areas.filter((_, index) => index !== draft?.place);
    byId("outlines").replaceChildren(...[...shown, ...(draft ? [draft] : [])].map((area) => outline(area, area === draft)));
    byId("tags").replaceChildren(...shown.map(({ name, corners }) => {
      const tag = make("span", "tag", name);
      const middle = [0, 1].map((axis) => corners.reduce((sum, corner) => sum + corner[axis], 0) / corners.length);
      putAt(tag, middle);
      // Shifted by as much of its own size as of the picture's: so it never leaves the picture.
      tag.style.transform = `translate(${-100 * middle[0]}%, ${-100 * middle[1]}%)`;
      return tag;
    }));
    const corners = draft?.corners ?? [];
    const handles = keyed(byId("corners"), corners.map((_, index) => String(index)), () => {
      const handle = make("button", "corner");
      handle.type = "button";
      return handle;
    });
    corners.forEach((corner, index) => {
      const handle = handles.get(String(index));
      putAt(handle, corner);
      handle.setAttribute("aria-label", `Corner ${index + 1} at ${where(corner)}`);
    });
    byId("cross").hidden = draft === null;
    putAt(byId("cross"), this.cross);
    byId("area-draft").hidden = draft === null;
    byId("areas-start").hidden = draft !== null;
    byId("area-undo").disabled = corners.length === 0;
    setText(byId("area-name-label"), draft ? `Name of the ${draft.kind}` : "");
    this.renderList();
    const text = tomlOf(areas, this.orientation);
    if (byId("areas-text").value !== text) byId("areas-text").value = text;
    const changed = this.changedKinds();
    const set = this.setKinds();
    const canApply = changed.length > 0 && changed.every((kind) => this.settable(kind));
    byId("areas-output").hidden = !changed.length && !areas.length && !set.length;
    byId("areas-apply").hidden = !canApply || draft !== null;
    byId("areas-reset").hidden = !set.length || draft !== null;
    setText(byId("areas-how"), changed.length ? howToApply(canApply, this.unit) : inForce(set));
  }

  renderList() {
    const rows = this.areas.map(({ kind, name, corners }, index) => {
      const change = make("button", "button second", "Change");
      const remove = make("button", "button second", "Remove");
      for (const [button, what] of [[change, "Change"], [remove, "Remove"]]) {
        button.type = "button";
        button.disabled = this.draft !== null;
        button.setAttribute("aria-label", `${what} ${kind} ${name}`);
      }
      change.addEventListener("click", () => this.begin(kind, index));
      remove.addEventListener("click", () => this.remove(index));
      return make("li", "", make("span", kind, `${kind} ${name}, ${corners.length} corners`), change, remove);
    });
    byId("areas-list").replaceChildren(...rows);
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Return how areas that were changed come into force. `unit`: the service that reads the file. */
function howToApply(canApply, unit) {
  const start = canApply ? "Apply it, or put" : "Put";
  return `Not in force yet. ${start} this text in place of the tables [masks] and [zones] of the configuration file, then reload: sudo systemctl reload ${unit}`;
}

/** Return where the areas that are in force come from. `set`: the kinds that a request has set. */
function inForce(set) {
  if (!set.length) return "In force, as the configuration file has it.";
  const names = set.map((kind) => (kind === "mask" ? "Masks" : "Zones")).join(" and ");
  return `In force. ${names}: as set by a request, in place of those in the configuration file.`;
}

const where = ([x, y]) => `${percent(x)} from the left, ${percent(y)} from the top`;

function putAt(element, [x, y]) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
}

/** Return the outline of an area; one that is being drawn is open until it has three corners. */
function outline({ kind, name, corners }, isDraft) {
  const shape = document.createElementNS(SVG, corners.length > 2 ? "polygon" : "polyline");
  shape.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  shape.setAttribute("class", `${kind}${isDraft ? " draft" : ""}`);
  shape.dataset.name = name;
  return shape;
}
