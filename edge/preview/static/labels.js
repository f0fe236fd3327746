// Labels of the model in use: their colours, and the groups that the configuration makes of them.

const OWN_COLOUR = new Set(["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "unknown"]);
const SHARED = ["sad", "surprise", "fear", "happy", "disgust", "angry"]; // colours for labels of other models
const GOLDEN_ANGLE = 137.5; // degrees between two hues; never repeats, and neighbours stay far apart

export class Labels {
  /** `names`: in the order of the probabilities. `groups`: names by configured group. */
  constructor(names = [], groups = {}) {
    this.names = names;
    this.groups = Object.entries(groups).filter(([, members]) => members.length);
    this.groupByLabel = new Map(this.groups.flatMap(([group, members]) => members.map((label) => [label, group])));
    this.tones = tonesOf(names);
  }

  /** Return the configured group of a label, "" where there is none. */
  groupOf(label) {
    return this.groupByLabel.get(label) ?? "";
  }

  /** Return rows of a list of all labels: { name, indices, kind } with kind "group", "member" or "label". */
  rows() {
    const index = (label) => this.names.indexOf(label);
    const rows = [];
    for (const [group, members] of this.groups) {
      rows.push({ name: group, indices: members.map(index), kind: "group" });
      rows.push(...members.map((label) => ({ name: label, indices: [index(label)], kind: "member" })));
    }
    const rest = this.names.filter((label) => !this.groupOf(label));
    return [...rows, ...rest.map((label) => ({ name: label, indices: [index(label)], kind: "label" }))];
  }

  /** Give an element the colour of a label. */
  paint(element, label) {
    element.style.setProperty("--tone", this.tones.get(label) ?? "var(--unknown)");
  }
}

function tonesOf(names) {
  const free = SHARED.filter((colour) => !names.includes(colour));
  let further = 0;
  const tone = (label) => {
    if (OWN_COLOUR.has(label)) return `var(--${label})`;
    if (free.length) return `var(--${free.shift()})`;
    further += 1;
    return `oklch(var(--lightness) 0.11 ${(further * GOLDEN_ANGLE) % 360})`;
  };
  return new Map(names.map((label) => [label, tone(label)]));
}
