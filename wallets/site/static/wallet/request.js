// @ts-check
/**
 * A payment request: what a payee shows and a payer reads, as one line of text. As `wallets/request.py`.
 *
 *     "TENGE1:" || Base32 of (payload || first 4 bytes of SHA-256(domain || payload))
 *     payload = canonical [1, network (8), payee's key id (32), amount in tiyn, memo, expires]
 *
 * An amount of 0 lets the payer choose it; `expires` 0 never expires. It is not signed and moves no money.
 */

import { TengeError, ascii, decodeArray, encode, hex, join, sameBytes, sha256 } from "./core.js";

export const REQUEST_TEXT = /^TENGE[1-9][0-9]{0,2}:[A-Z2-7]+$/i;
const DOMAIN = ascii("kzt-dt/request/v1\0");
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const MAX_CHARACTERS = 512;
const MAX_MEMO_BYTES = 140;

/** @param {Uint8Array} bytes */
function base32(bytes) {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? [])
    .map((five) => LETTERS[Number.parseInt(five.padEnd(5, "0"), 2)])
    .join("");
}

/** @param {string} text */
function unbase32(text) {
  const bits = [...text].map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2));
}

/** @param {Uint8Array} payload */
const checksum = (payload) => sha256(join(DOMAIN, payload)).slice(0, 4);

/** One line of visible letters, as a memo may be. @param {string} text */
export function memoLine(text) {
  let line = text
    .normalize("NFC")
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
  while (new TextEncoder().encode(line).length > MAX_MEMO_BYTES) {
    line = [...line].slice(0, -1).join("").trim();
  }
  return line;
}

/**
 * The request as one line.
 * @param {{ network: Uint8Array, payee: Uint8Array, amountTiyn: number, memo: string, expires: number }} request
 */
export function requestText({ network, payee, amountTiyn, memo, expires }) {
  const payload = encode([1, network, payee, amountTiyn, memoLine(memo), expires]);
  return `TENGE1:${base32(join(payload, checksum(payload)))}`;
}

/**
 * The request in a text. Raises E_REQUEST_TEXT, E_VERSION, E_REQUEST_CHECKSUM, E_FIELD.
 * @param {string} text
 * @returns {{ network: Uint8Array, payee: Uint8Array, amountTiyn: number, memo: string, expires: number }}
 */
export function readRequestText(text) {
  const line = text.trim();
  if (line.length > MAX_CHARACTERS || !REQUEST_TEXT.test(line)) {
    throw new TengeError("E_REQUEST_TEXT", { text: line.slice(0, 16) });
  }
  const [head, code] = line.toUpperCase().split(":");
  if (head !== "TENGE1") {
    throw new TengeError("E_VERSION", { version: head.slice(5), expected: 1 });
  }
  const whole = unbase32(code);
  const payload = whole.slice(0, -4);
  if (!sameBytes(checksum(payload), whole.slice(-4))) {
    throw new TengeError("E_REQUEST_CHECKSUM");
  }
  const [version, network, payee, amountTiyn, memo, expires] = decodeArray(payload);
  if (version !== 1 || payee?.length !== 32 || network?.length !== 8 || typeof amountTiyn !== "number") {
    throw new TengeError("E_FIELD", { field: "request", problem: "it has other fields" });
  }
  const request = { network, payee, amountTiyn, memo: String(memo), expires: Number(expires) };
  if (requestText(request) !== line.toUpperCase()) {
    throw new TengeError("E_REQUEST_TEXT", { text: line.slice(0, 16) });
  }
  return request;
}

/**
 * Return if a wallet of `network` may pay it now; E_REQUEST_NETWORK, E_REQUEST_EXPIRED.
 * @param {{ network: Uint8Array, expires: number }} request @param {Uint8Array} network @param {number} now
 */
export function checkRequest(request, network, now) {
  if (!sameBytes(request.network, network)) {
    throw new TengeError("E_REQUEST_NETWORK", { network: hex(request.network), own: hex(network) });
  }
  if (request.expires && now > request.expires) {
    throw new TengeError("E_REQUEST_EXPIRED", { expires: request.expires, now });
  }
}
