// @ts-check
/** What was scanned, picked or typed: a request, a link, a phone number, a key, an invitation, an offline message. */

import { Collector, QR_PREFIX, TengeError, decodeArray } from "./core.js";
import { normalNumber } from "./aliases.js";
import { readWish } from "./consent.js";
import { REQUEST_TEXT, readRequestText } from "./request.js";

const MESSAGES = Object.freeze({ 1: "payment", 7: "receipt", 32: "invoice" });

/**
 * @typedef {{ kind: "request", text: string, request: any } | { kind: "phone", number: string }
 *   | { kind: "key", kid: string } | { kind: "join", code: string, bankId: number }
 *   | { kind: "consent", wish: import("./consent.js").Wish }
 *   | { kind: "payment" | "receipt" | "invoice", message: Uint8Array }} Found
 */

/** Collects what comes in pieces. */
export class Recogniser {
  #collector = new Collector();

  /** How many parts of a message are there, and of how many. */
  get progress() {
    return this.#collector.progress;
  }

  /**
   * What a text is; null while parts of a message are missing. Raises E_WALLET_TEXT, E_FRAME, E_REQUEST_TEXT ...
   * @param {string} text
   * @returns {Found | null}
   */
  take(text) {
    const line = text.trim();
    if (line.startsWith(QR_PREFIX)) {
      return this.#frames(line.split(/\r?\n/).map((one) => one.trimStart()));
    }
    return recognise(line);
  }

  /** @param {string[]} lines @returns {Found | null} */
  #frames(lines) {
    for (const line of lines.filter(Boolean)) {
      const message = this.#collector.take(line);
      if (message) {
        return messageOf(message);
      }
    }
    return null;
  }
}

/** @param {Uint8Array} message @returns {Found} */
function messageOf(message) {
  const [kind] = decodeArray(message);
  const name = /** @type {Record<number, any>} */ (MESSAGES)[/** @type {number} */ (kind)];
  if (!name) {
    throw new TengeError("E_SESSION", { problem: "it is no message of a payment" });
  }
  return { kind: name, message };
}

/** @param {string} line @returns {Found} */
function recognise(line) {
  const link = line.includes("#") ? new URLSearchParams(line.slice(line.indexOf("#") + 1)) : null;
  if (link?.has("pay")) {
    return recognise(link.get("pay") ?? "");
  }
  if (link?.has("consent")) {
    return { kind: "consent", wish: readWish(link) };
  }
  if (link?.has("join")) {
    return { kind: "join", code: link.get("join") ?? "", bankId: Number(link.get("bank") ?? 1) };
  }
  if (REQUEST_TEXT.test(line) || line.toUpperCase().startsWith("TENGE")) {
    return { kind: "request", text: line.toUpperCase(), request: readRequestText(line) };
  }
  if (/^[0-9a-f]{64}$/i.test(line)) {
    return { kind: "key", kid: line.toLowerCase() };
  }
  if (/^[+\d][\d\s()-]{6,}$/.test(line)) {
    return { kind: "phone", number: normalNumber(line) };
  }
  throw new TengeError("E_WALLET_TEXT", { text: line.slice(0, 16) });
}
