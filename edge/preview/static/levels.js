// What the levels of the latency budget mean to a visitor: how much work a frame may cost, and what less of it costs.

const MEANINGS = {
  full: "every frame gets all of the work",
  seldom: "the whole picture is searched half as often, so that a new face is found later",
  coarse: "the whole picture is searched half as often and in larger steps of size, so that a small or turned face is found later or not at all",
  "one-face": "the search is the coarsest, and one face is classified per frame, so that several faces take turns",
};

/** Return how much work a frame gets, in two or three words. */
export function workText(index, levels) {
  return index === 0 ? "full" : `reduced, step ${index} of ${levels.length - 1}`;
}

/** Return what the level in force means, and the reason for it, in sentences. `budget`: as in a health message. */
export function levelSentence(budget, limit) {
  const { level, level_index: index, levels, state, steps } = budget;
  const meaning = MEANINGS[level] ?? `the level is “${level}”`;
  if (index > 0) {
    const reason = steps.at(-1)?.to_level === level ? ` Reason: ${steps.at(-1).detail}.` : "";
    const name = level in MEANINGS ? ` (level “${level}”)` : "";
    return `Less work per frame to keep within ${limit}, step ${index} of ${levels.length - 1}${name}: ${meaning}.${reason}`;
  }
  if (state === "fixed") return "A file is played as fast as possible: every frame gets all of the work, however long it takes.";
  if (state === "measuring") return "The sensor measures how much work a frame may get.";
  return `Full work: ${meaning}, because frames keep within ${limit}.`;
}
