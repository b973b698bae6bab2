// @ts-check
/** QR codes on the screen: one, or several in a loop, as large as the screen allows, black on white in any theme. */

import { qrcode } from "../vendor/qrcode-generator/qrcode.js";
import { QR_PREFIX, codesOf } from "./core.js";
import { t } from "./text.js";
import { announce, fill, h } from "./view.js";

const QUIET = 4;
const CELL_PIXELS = 6;
const SHEET_COLUMNS = 3;
const ALPHANUMERIC = /^[0-9A-Z $%*+\-./:]*$/;

/** @param {string} text */
function codeOf(text) {
  const code = qrcode(0, "M");
  code.addData(text, ALPHANUMERIC.test(text) ? "Alphanumeric" : "Byte");
  code.make();
  return code;
}

/** The dark cells of a code as one path, quiet zone counted. @param {any} code */
function pathOf(code) {
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) {
        path += `M${column + QUIET} ${row + QUIET}h1v1h-1z`;
      }
    }
  }
  return path;
}

/** A code as a drawing. @param {string} text @param {string} label What it is, for those who cannot see it. */
export function qrDrawing(text, label) {
  const code = codeOf(text);
  const size = code.getModuleCount() + 2 * QUIET;
  return h(
    "svg",
    {
      class: "qr",
      viewBox: `0 0 ${size} ${size}`,
      role: "img",
      "aria-label": label,
      "shape-rendering": "crispEdges",
    },
    h("rect", { width: size, height: size, fill: "#fff" }),
    h("path", { d: pathOf(code), fill: "#000" }),
  );
}

/** All codes on one picture, side by side. @param {string[]} texts @returns {Promise<Blob>} PNG. */
export async function qrSheet(texts) {
  const codes = texts.map(codeOf);
  const cells = Math.max(...codes.map((code) => code.getModuleCount())) + 2 * QUIET;
  const columns = Math.min(SHEET_COLUMNS, codes.length);
  const side = cells * CELL_PIXELS;
  const canvas = document.createElement("canvas");
  canvas.width = columns * side;
  canvas.height = Math.ceil(codes.length / columns) * side;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  for (const [place, code] of codes.entries()) {
    const left = (place % columns) * side + QUIET * CELL_PIXELS;
    const top = Math.floor(place / columns) * side + QUIET * CELL_PIXELS;
    for (let row = 0; row < code.getModuleCount(); row += 1) {
      for (let column = 0; column < code.getModuleCount(); column += 1) {
        if (code.isDark(row, column)) {
          pen.fillRect(left + column * CELL_PIXELS, top + row * CELL_PIXELS, CELL_PIXELS, CELL_PIXELS);
        }
      }
    }
  }
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"),
  );
}

/** Hand a file to the person. @param {Blob} blob @param {string} name */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * A panel that shows a message: its codes in a loop, with pace, pause, copy, picture and share.
 * @param {Uint8Array | string} message Bytes go as frames, a text as it is. @param {string} label
 * @param {{ link?: string, name?: string }} [options] `link` is what is shared instead of the text.
 */
export function qrPanel(message, label, { link = "", name = "tenge" } = {}) {
  const texts = typeof message === "string" ? [message] : codesOf(message);
  const frame = h("div", { class: "qr-frame", "data-frames": texts.length });
  const count = h("p", { class: "qr-count", "aria-hidden": "true" });
  const drawings = texts.map((text, place) =>
    qrDrawing(text, texts.length > 1 ? `${label} ${place + 1}/${texts.length}` : label),
  );
  let place = 0;
  const show = (/** @type {number} */ wanted) => {
    place = wanted % texts.length;
    frame.dataset.place = String(place);
    fill(frame, drawings[place]);
    fill(count, texts.length > 1 ? `${place + 1} / ${texts.length}` : "");
  };
  show(0);
  const controls = texts.length > 1 ? loopControls(() => show(place + 1), frame) : null;
  return h(
    "section",
    { class: "qr-panel" },
    frame,
    count,
    controls,
    h("div", { class: "row" }, handOver(texts, link, name)),
  );
}

/** @param {() => void} step @param {Element} frame */
function loopControls(step, frame) {
  const pace = h("input", { type: "range", min: "2", max: "12", value: "6", class: "pace", id: "pace" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, t("Pause"));
  pause.addEventListener("click", () => {
    pause.setAttribute("aria-pressed", pause.getAttribute("aria-pressed") === "true" ? "false" : "true");
  });
  const turn = () => {
    if (frame.isConnected && pause.getAttribute("aria-pressed") === "false") {
      step();
    }
    if (frame.isConnected || !started) {
      started ||= frame.isConnected;
      setTimeout(turn, 1000 / Number(pace.value));
    }
  };
  let started = false;
  setTimeout(turn, 200);
  return h("div", { class: "row" }, h("label", { for: "pace" }, t("Pace")), pace, pause);
}

/** @param {string[]} texts @param {string} link @param {string} name */
function handOver(texts, link, name) {
  const whole = link || texts.join("\n");
  const copy = h("button", { type: "button", class: "quiet copy", "data-text": whole }, t("Copy as text"));
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(whole);
    announce(t("Copied."));
    copy.textContent = t("Copied.");
  });
  const save = h("button", { type: "button", class: "quiet save" }, t("Save picture"));
  save.addEventListener("click", async () => saveFile(await qrSheet(texts), `${name}.png`));
  const share = typeof navigator.share === "function" && texts[0].startsWith(QR_PREFIX) === false;
  const hand = share && h("button", { type: "button", class: "quiet" }, t("Share"));
  if (hand) {
    hand.addEventListener("click", () =>
      navigator.share(link ? { url: link } : { text: whole }).catch(() => undefined),
    );
  }
  return [copy, save, hand];
}
