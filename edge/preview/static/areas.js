// Masks and zones as polygons: what is wrong with one, and the text for the configuration file.

export const KINDS = ["mask", "zone"];
const MAX_CORNERS = 32; // as edge/polygon.py
const MAX_AREAS = 16; // of each kind, as edge/config/areas.py
const MIN_AREA = 1e-4;
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/** Return a share with three decimals: a thousandth of a wide picture is a pixel. */
export const rounded = (share) => Number(Math.min(1, Math.max(0, share)).toFixed(3));

/** Return a name as it is compared with others: case, - and _ make no difference. */
const plain = (name) => name.toLowerCase().replace(/[-_]+/g, "_");

/** Return what keeps an area from being used, as a sentence; "" where nothing does. `others`: all areas but this one. */
export function problemOf({ kind, name, corners: all }, others) {
  const corners = withoutRepeats(all);
  const ofKind = others.filter((other) => other.kind === kind);
  if (corners.length < 3) return `Set at least three corners; there ${corners.length === 1 ? "is 1" : `are ${corners.length}`}.`;
  if (corners.length > MAX_CORNERS) return `Use at most ${MAX_CORNERS} corners; there are ${corners.length}.`;
  if (crosses(corners)) return "The sides cross each other. Move a corner, or set the corners in their order around the area.";
  if (areaOf(corners) < MIN_AREA) return "The area is too small.";
  if (!NAME.test(name)) return `Give the ${kind} a name of 1 to 32 letters (a to z), digits, - and _.`;
  const same = ofKind.find((other) => plain(other.name) === plain(name));
  if (same) return `There is a ${kind} ${same.name} already. Choose another name.`;
  if (ofKind.length >= MAX_AREAS) return `There are ${MAX_AREAS} ${kind}s already, which is the limit. Remove one first.`;
  return "";
}

/** Return the corners without those that repeat the one before, such as those of a double click. */
export function withoutRepeats(corners) {
  const equal = (one, other) => one[0] === other[0] && one[1] === other[1];
  const kept = corners.filter((corner, index) => index === 0 || !equal(corner, corners[index - 1]));
  return kept.length > 1 && equal(kept[0], kept.at(-1)) ? kept.slice(0, -1) : kept;
}

/** Return a name that no other area of the kind has. */
export function freeName(kind, areas) {
  const taken = new Set(areas.filter((one) => one.kind === kind).map((one) => plain(one.name)));
  for (let number = 1; ; number += 1) if (!taken.has(plain(`${kind}-${number}`))) return `${kind}-${number}`;
}

const turn = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
const sidesOf = (corners) => corners.map((corner, index) => [corner, corners[(index + 1) % corners.length]]);

/** Return whether two sides meet that are no neighbours, or one corner folds back upon itself. */
function crosses(corners) {
  const sides = sidesOf(corners);
  return sides.some(([a, b], first) => sides.some(([c, d], second) => {
    if (second <= first) return false;
    if (second === first + 1) return folds(b, a, d);
    if (first === 0 && second === sides.length - 1) return folds(a, b, c);
    return meet(a, b, c, d);
  }));
}

function folds(corner, before, after) {
  const ahead = (before[0] - corner[0]) * (after[0] - corner[0]) + (before[1] - corner[1]) * (after[1] - corner[1]);
  return turn(corner, before, after) === 0 && ahead > 0;
}

function meet(a, b, c, d) {
  const turns = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (turns[0] * turns[1] < 0 && turns[2] * turns[3] < 0) return true;
  const between = ([px, py], [qx, qy], [x, y]) =>
    Math.min(px, qx) <= x && x <= Math.max(px, qx) && Math.min(py, qy) <= y && y <= Math.max(py, qy);
  return [[a, b, c], [a, b, d], [c, d, a], [c, d, b]].some((end, index) => turns[index] === 0 && between(...end));
}

function areaOf(corners) {
  return Math.abs(sidesOf(corners).reduce((sum, [[ax, ay], [bx, by]]) => sum + ax * by - bx * ay, 0)) / 2;
}

/** Return at which index a further corner belongs: into the side that is nearest to it. */
export function placeFor(corners, [x, y]) {
  const distances = sidesOf(corners).map(([[ax, ay], [bx, by]]) => {
    const [dx, dy] = [bx - ax, by - ay];
    const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
    return Math.hypot(x - ax - along * dx, y - ay - along * dy);
  });
  return distances.indexOf(Math.min(...distances)) + 1;
}

/** Return a corner of the picture on the page as it lies in the camera's picture, before `rotate` and `flip`. */
export function inCamera([x, y], { rotate, flip }) {
  const across = flip === "horizontal" ? 1 - x : x;
  const down = flip === "vertical" ? 1 - y : y;
  if (rotate === 90) return [down, 1 - across];
  if (rotate === 180) return [1 - across, 1 - down];
  if (rotate === 270) return [1 - down, across];
  return [across, down];
}

/** Return the areas of a kind as the configuration has them, by name. */
export const tableOf = (kind, areas, orientation) =>
  Object.fromEntries(areas.filter((one) => one.kind === kind).map(({ name, corners }) =>
    [name, corners.map((corner) => inCamera(corner, orientation).map(rounded))]));

/** Return both tables as the configuration file has them. */
export function tomlOf(areas, orientation) {
  const table = (kind) => {
    const lines = Object.entries(tableOf(kind, areas, orientation)).map(([name, corners]) =>
      `${name} = [${corners.map((corner) => `[${corner.join(", ")}]`).join(", ")}]\n`);
    return `[${kind}s]\n${lines.join("")}`;
  };
  return KINDS.map(table).join("\n");
}
