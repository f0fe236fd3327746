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

/** Return the width of a text in pixels, in the font of an element. */
export function textWidth(text, { fontWeight, fontSize, fontFamily }) {
  ruler.font = `${fontWeight} ${fontSize} ${fontFamily}`;
  return ruler.measureText(text).width;
}
const ruler = document.createElement("canvas").getContext("2d");

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

/** Decode a picture. */
export const decode = (bytes, type) => createImageBitmap(new Blob([bytes], { type }));

/** Draw a decoded picture into a canvas, which takes its size; the picture is released. */
export function draw(canvas, bitmap) {
  if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
  if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}
