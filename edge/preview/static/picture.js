// Pictures on demand: sends a picture to the sensor, and shows the faces with the crops that the network received.

import { byId, decode, draw, make, setText } from "./dom.js";
import { faceCard, faceOf, faceText, fillCard, layBoxes } from "./faces.js";
import { Labels } from "./labels.js";
import { unpack } from "./records.js";

const REDUCED_PX = 2400; // longer side of a picture that the browser makes smaller

export class Picture {
  constructor() {
    this.labels = new Labels();
    this.limitBytes = Infinity;
    this.busy = false;
    const zone = byId("drop");
    for (const id of ["choose", "photo"]) {
      byId(id).addEventListener("change", ({ target }) => {
        if (target.files[0]) this.send(target.files[0]);
        target.value = "";
      });
    }
    byId("current").addEventListener("click", () => this.inspect(() => post("picture/current", null, "image/jpeg")));
    addEventListener("paste", (event) => event.clipboardData?.files[0] && this.send(event.clipboardData.files[0]));
    // On the whole page: a picture dropped outside the field must not replace the page.
    addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
    addEventListener("dragleave", (event) => event.relatedTarget || zone.classList.remove("over"));
    addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      if (event.dataTransfer.files[0]) this.send(event.dataTransfer.files[0]);
    });
  }

  send(file) {
    return this.inspect(async () => {
      let answer = null;
      if (file.size <= this.limitBytes) answer = await post("picture", file, file.type || "application/octet-stream");
      // Too large, or a format that only the browser supports: the browser makes a smaller JPEG of it.
      if (!answer || answer.status === 413 || answer.status === 415) {
        const smaller = await reducedJpeg(file);
        if (smaller) answer = await post("picture", smaller, smaller.type);
      }
      if (!answer) throw new Error(`Not read: the file has more than ${this.limitBytes / 1e6} MB, and this browser cannot make it smaller.`);
      return answer;
    });
  }

  async inspect(request) {
    if (this.busy) return;
    this.busy = true;
    byId("drop").classList.add("busy");
    this.showMessage("The sensor reads the picture …");
    try {
      const answer = await request();
      if (answer.status === 401) location.assign("/login");
      if (!answer.ok) throw new Error(await refusal(answer));
      const [[content]] = unpack(new Uint8Array(await answer.arrayBuffer()));
      await this.show(content);
    } catch (error) {
      byId("answer").hidden = true;
      this.showMessage(error instanceof TypeError ? "Not read: no connection to the sensor." : error.message, true);
    } finally {
      this.busy = false;
      byId("drop").classList.remove("busy");
    }
  }

  showMessage(text, bad = false) {
    byId("picture-text").classList.toggle("bad", bad);
    setText(byId("picture-text"), text);
  }

  async show({ width, height, faces, doubted, spent_ms: spent, sentence, crop, pictures }) {
    byId("answer").hidden = false;
    byId("answer").classList.toggle("many", faces.length > 1);
    draw(byId("answer-picture"), await decode(pictures[0], "image/jpeg"));
    const place = ({ x, y, width: across, height: down }) => [x, y, across, down];
    layBoxes(byId("answer-boxes"), [
      ...doubted.map((box, number) => ({ key: `d${number}`, box: place(box), text: "no face", rejected: true })),
      ...faces.map((face) => ({
        key: face.track, box: place(face.box), label: face.emotion,
        text: `${face.track}: ${faceText(faceOf(face), this.labels)}`,
      })),
    ], this.labels);
    const cards = await Promise.all(faces.map(async (face, number) => {
      const cropCanvas = make("canvas");
      cropCanvas.setAttribute("role", "img");
      cropCanvas.setAttribute("aria-label", `Face ${face.track} as the network received it`);
      draw(cropCanvas, await decode(pictures[number + 1], "image/png"));
      const note = make("p", "muted", `as the network received it, ${crop.width} × ${crop.height} pixels`);
      const card = faceCard(`Face ${face.track}`, this.labels, make("div", "crop", cropCanvas, note));
      const smoothed = this.labels.names.map((label) => face.probabilities[label]);
      fillCard(card, this.labels, { ...faceOf(face), smoothed, raw: null });
      return card;
    }));
    byId("answer-faces").replaceChildren(...cards);
    this.showMessage(`${sentence} ${width} × ${height} pixels, read in ${Math.round(spent)} ms.`);
  }
}

/** Return the sentence of a refusal; a proxy in front of the sensor gives none. */
async function refusal(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `Not read: the proxy in front of the sensor answered with status ${answer.status}${answer.status === 413 ? ", too large" : ""}.`;
  }
}

function post(path, body, type) {
  return fetch(path, { method: "POST", body, headers: { "Content-Type": type } });
}

async function reducedJpeg(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const factor = Math.min(1, REDUCED_PX / Math.max(bitmap.width, bitmap.height));
    const canvas = make("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * factor));
    canvas.height = Math.max(1, Math.round(bitmap.height * factor));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return await new Promise((give) => canvas.toBlob(give, "image/jpeg", 0.92));
  } catch {
    return null;
  }
}
