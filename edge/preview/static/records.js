// Reads the stream of records: two lengths (uint32, big-endian), JSON, and the pictures whose lengths it lists.

const decoder = new TextDecoder();

/** Split complete records off the beginning of the bytes; returns [records, rest]. */
export function unpack(bytes) {
  const records = [];
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (bytes.length - at >= 8) {
    const textLength = view.getUint32(at);
    const end = at + 8 + textLength + view.getUint32(at + 4);
    if (bytes.length < end) break;
    const content = JSON.parse(decoder.decode(bytes.subarray(at + 8, at + 8 + textLength)));
    let start = at + 8 + textLength;
    content.pictures = content.pictures.map((length) => bytes.slice(start, (start += length)));
    records.push(content);
    at = end;
  }
  return [records, bytes.slice(at)];
}

const TIMEOUT_MS = 4000; // without a record the connection is lost: the sensor sends one every second
const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 10000;

/**
 * Read the stream, and reconnect without end. `onRecord` gets each record and is awaited, so that a slow page loses
 * pictures and does not lag behind. `onLost` gets a sentence whenever the connection is lost, and "" where the page was
 * in the background: what it shows is old then.
 */
export async function followStream(onRecord, onLost) {
  let delay = FIRST_DELAY_MS;
  for (;;) {
    await visible();
    const abort = new AbortController();
    let timer = 0;
    const restartTimeout = () => {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    };
    // A page in the background closes the stream, so that nothing is encoded for it.
    const hide = () => document.hidden && abort.abort();
    document.addEventListener("visibilitychange", hide);
    let reason = "No connection to the sensor.";
    try {
      restartTimeout();
      const answer = await fetch("stream", { signal: abort.signal });
      if (answer.status === 401) location.assign("/login");
      if (!answer.ok) throw new Error(await answer.text());
      const reader = answer.body.getReader();
      let rest = new Uint8Array();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        restartTimeout();
        const joined = new Uint8Array(rest.length + value.length);
        joined.set(rest);
        joined.set(value, rest.length);
        const [records, left] = unpack(joined);
        rest = left;
        for (const record of records) {
          delay = FIRST_DELAY_MS;
          if (record.bye) reason = "The sensor was stopped.";
          else await onRecord(record);
        }
      }
    } catch (error) {
      if (error instanceof Error && error.message && error.name === "Error") reason = error.message.trim();
    } finally {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", hide);
    }
    onLost(document.hidden ? "" : reason);
    await new Promise((resume) => setTimeout(resume, document.hidden ? 0 : delay));
    delay = Math.min(2 * delay, MAX_DELAY_MS);
  }
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resume) => {
    const check = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", check);
      resume();
    };
    document.addEventListener("visibilitychange", check);
  });
}
