// Helpers for elements: the page is built of element names and text, never of markup in strings.

export const byId = (id) => document.getElementById(id);

/** Return a new element with a class, text and children. */
export function make(name, className = "", ...content) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** Set the text of an element if it differs: screen readers and layout react to every change. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

const known = new Set(["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]);
const others = ["sad", "surprise", "fear", "happy", "disgust", "angry"];

/** Give an element the colour of a label; labels of other models share the palette. */
export function setTone(element, label, labels = []) {
  const name = known.has(label) ? label : label === "unknown" ? label : others[Math.max(0, labels.indexOf(label)) % others.length];
  element.style.setProperty("--tone", `var(--${name})`);
}

/** Create, order and remove children so that there is one per key; returns the children by key. */
export function keyed(parent, keys, create) {
  const children = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  for (const [key, child] of children) if (!keys.includes(key)) child.remove();
  keys.forEach((key, index) => {
    let child = children.get(key);
    if (!child) {
      child = create(key);
      child.dataset.key = key;
      children.set(key, child);
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  return children;
}

/** Decode a picture and draw it into a canvas, which takes its size. */
export async function draw(canvas, bytes, type) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type }));
  if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
  if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
