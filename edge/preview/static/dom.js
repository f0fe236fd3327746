// Small helpers: everything on the page is made by element names and text, never by markup in strings.

export const byId = (id) => document.getElementById(id);

/** Make an element with a class, text and children. */
export function make(name, className = "", ...content) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** Set text only where it differs: screen readers and layout notice every change. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

const known = new Set(["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]);
const others = ["sad", "surprise", "fear", "happy", "disgust", "angry"];

/** Give an element the colour of a label; labels of other models share the palette. */
export function tone(element, label, labels = []) {
  const name = known.has(label) ? label : label === "unknown" ? label : others[Math.max(0, labels.indexOf(label)) % others.length];
  element.style.setProperty("--tone", `var(--${name})`);
}

/** Keep one child per key, in the order of the keys; returns the children by key. */
export function keyed(parent, keys, create) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  for (const [key, child] of there) if (!keys.includes(key)) child.remove();
  keys.forEach((key, place) => {
    let child = there.get(key);
    if (!child) {
      child = create(key);
      child.dataset.key = key;
      there.set(key, child);
    }
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  return there;
}

/** Draw an encoded picture into a canvas of its size. */
export async function draw(canvas, bytes, type) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type }));
  if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
  if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
