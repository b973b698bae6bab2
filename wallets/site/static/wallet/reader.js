// @ts-check
/**
 * Reading QR codes: from the camera, from a picture file, from text. The reader itself (zxing) is loaded after the
 * first paint, and kept for life without a network.
 */

import { TengeError } from "./core.js";

const FOLDER = new URL("../vendor/zxing-wasm/", import.meta.url);
const OPTIONS = Object.freeze({ formats: ["QRCode"], tryHarder: true, maxNumberOfSymbols: 64 });
const CAMERA_OPTIONS = Object.freeze({ formats: ["QRCode"], tryHarder: false, maxNumberOfSymbols: 4 });
const LOOKS_EVERY_MILLISECONDS = 90;
const MOST_PIXELS = 1280;

/** @type {Promise<any> | null} */
let loading = null;

/** The reader, loaded once. */
export function loadReader() {
  loading ??= import("../vendor/zxing-wasm/reader/index.js")
    .then(async (library) => {
      const locateFile = (/** @type {string} */ path) => new URL(`reader/${path}`, FOLDER).href;
      await library.prepareZXingModule({ overrides: { locateFile }, fireImmediately: true });
      return library;
    })
    .catch((error) => {
      loading = null;
      throw new TengeError("E_WALLET_READER", { detail: error instanceof Error ? error.name : "" });
    });
  return loading;
}

/** The texts of every code on a picture; E_WALLET_PICTURE where there is none. @param {Blob} picture */
export async function readPicture(picture) {
  const library = await loadReader();
  let found = [];
  try {
    found = await library.readBarcodes(picture, OPTIONS);
  } catch {
    // Not a picture at all: the same as one without codes.
  }
  const texts = found.filter((/** @type {any} */ one) => one.text).map((/** @type {any} */ one) => one.text);
  if (!texts.length) {
    throw new TengeError("E_WALLET_PICTURE");
  }
  return texts;
}

/**
 * Look through the camera until `onText` says that it is enough (by giving true) or `stop` is called.
 *
 * Raises E_WALLET_CAMERA when there is none or it is not allowed.
 * @param {HTMLVideoElement} video @param {(text: string) => boolean | Promise<boolean>} onText
 * @returns {Promise<() => void>} stop
 */
export async function watchCamera(video, onText) {
  const library = await loadReader();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment" },
      audio: false,
    });
  } catch (error) {
    throw new TengeError("E_WALLET_CAMERA", { detail: error instanceof Error ? error.name : "none" });
  }
  let stopped = false;
  const stop = () => {
    stopped = true;
    stream.getTracks().forEach((track) => track.stop());
  };
  video.srcObject = stream;
  await video.play();
  look(library, video, onText, () => stopped || !video.isConnected, stop);
  return stop;
}

/**
 * @param {any} library @param {HTMLVideoElement} video @param {(text: string) => boolean | Promise<boolean>} onText
 * @param {() => boolean} isOver @param {() => void} stop
 */
async function look(library, video, onText, isOver, stop) {
  const canvas = document.createElement("canvas");
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  while (!isOver()) {
    const scale = Math.min(1, MOST_PIXELS / Math.max(video.videoWidth, video.videoHeight, 1));
    canvas.width = Math.max(1, Math.floor(video.videoWidth * scale));
    canvas.height = Math.max(1, Math.floor(video.videoHeight * scale));
    pen.drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = pen.getImageData(0, 0, canvas.width, canvas.height);
    for (const { text } of await library.readBarcodes(picture, CAMERA_OPTIONS)) {
      if (text && (await onText(text))) {
        stop();
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOKS_EVERY_MILLISECONDS));
  }
  stop();
}
