// Records as the sensor packs them: two lengths (uint32, big-endian), JSON, and the pictures that it names.

const decoder = new TextDecoder();

/** Take whole records off the beginning of some bytes; returns [records, rest]. */
export function unpack(bytes) {
  const found = [];
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (bytes.length - at >= 8) {
    const ofText = view.getUint32(at);
    const end = at + 8 + ofText + view.getUint32(at + 4);
    if (bytes.length < end) break;
    const content = JSON.parse(decoder.decode(bytes.subarray(at + 8, at + 8 + ofText)));
    let start = at + 8 + ofText;
    content.pictures = content.pictures.map((length) => bytes.slice(start, (start += length)));
    found.push(content);
    at = end;
  }
  return [found, bytes.slice(at)];
}

const SILENCE_MS = 4000; // the sensor says something every second
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 10000;

/**
 * Follow the stream for ever: `take` gets each record, and is waited for, so that a slow page loses pictures
 * rather than falls behind; `lost` gets a sentence whenever there is no connection.
 */
export async function follow(take, lost) {
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    await visible();
    const abort = new AbortController();
    let timer = 0;
    const listen = () => {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    // A page in the background asks for nothing, so that nothing is encoded for it.
    const hide = () => document.hidden && abort.abort();
    document.addEventListener("visibilitychange", hide);
    let why = "No connection to the sensor.";
    try {
      listen();
      const answer = await fetch("stream", { signal: abort.signal });
      if (answer.status === 401) location.assign("/login");
      if (!answer.ok) throw new Error(await answer.text());
      const reader = answer.body.getReader();
      let rest = new Uint8Array();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        listen();
        const joined = new Uint8Array(rest.length + value.length);
        joined.set(rest);
        joined.set(value, rest.length);
        const [records, left] = unpack(joined);
        rest = left;
        for (const record of records) {
          pause = FIRST_PAUSE_MS;
          if (record.bye) why = "The sensor was stopped.";
          else await take(record);
        }
      }
    } catch (error) {
      if (error instanceof Error && error.message && error.name === "Error") why = error.message.trim();
    } finally {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", hide);
    }
    if (!document.hidden) lost(why);
    await new Promise((resume) => setTimeout(resume, document.hidden ? 0 : pause));
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resume) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resume();
    };
    document.addEventListener("visibilitychange", look);
  });
}
