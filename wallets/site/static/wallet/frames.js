// @ts-check
/**
 * A message as QR codes: frames of a few hundred bytes, each with its place and a checksum, in any order and as often
 * as they come. As `offline/link.py`.
 *
 *     frame = D7 01 || message id (4) || index (1) || total (1) || payload || CRC-32 (4)      text = "DT1:" + Base45
 *
 * Source: DTO/1, section 5.15.
 */

import { TengeError, hex, join, sameBytes, sha256 } from "./core.js";

export const PREFIX = "DT1:";
export const PAYLOAD_BYTES = 300;
const MAX_FRAMES = 64;
const MAX_OPEN = 4;
const ASSEMBLY_SECONDS = 120;
const LIMIT_BYTES = 24 * 1024;
const HEAD_BYTES = 8;
const CRC_BYTES = 4;
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return value;
});

/** CRC-32 (ISO-HDLC), big-endian. @param {Uint8Array} bytes */
function crcOf(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value = (value >>> 8) ^ TABLE[(value ^ byte) & 255];
  }
  const whole = ~value >>> 0;
  return Uint8Array.of(whole >>> 24, (whole >>> 16) & 255, (whole >>> 8) & 255, whole & 255);
}

/** @param {string} problem */
const broken = (problem) => new TengeError("E_FRAME", { problem });

/** Two bytes as three letters, a last one as two (RFC 9285). @param {Uint8Array} bytes @returns {string} */
export function base45(bytes) {
  let text = "";
  for (let place = 0; place < bytes.length; place += 2) {
    const pair = place + 1 < bytes.length;
    let value = pair ? bytes[place] * 256 + bytes[place + 1] : bytes[place];
    for (let count = pair ? 3 : 2; count; count -= 1) {
      text += LETTERS[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return text;
}

/** The bytes of a Base45 text; E_FRAME. @param {string} text @returns {Uint8Array} */
export function unbase45(text) {
  const bytes = [];
  for (let place = 0; place < text.length; place += 3) {
    const values = [...text.slice(place, place + 3)].map((letter) => LETTERS.indexOf(letter));
    const number = values.reduce((sum, value, power) => sum + value * 45 ** power, 0);
    const size = values.length - 1;
    if (size < 1 || values.includes(-1) || number >= 256 ** size) {
      throw broken("the QR text is no Base45");
    }
    bytes.push(...(size === 2 ? [number >> 8, number & 255] : [number]));
  }
  return Uint8Array.from(bytes);
}

/**
 * The texts of the QR codes that carry a message, to be shown in a loop; E_FRAME when it is empty or too long.
 * @param {Uint8Array} message @param {number} [payloadBytes]
 * @returns {string[]}
 */
export function textsOf(message, payloadBytes = PAYLOAD_BYTES) {
  const total = Math.ceil(message.length / payloadBytes);
  if (total < 1 || total > MAX_FRAMES) {
    throw broken(`${message.length} bytes do not fit into 1 to ${MAX_FRAMES} frames`);
  }
  const id = sha256(message).slice(0, 4);
  return Array.from({ length: total }, (_, index) => {
    const payload = message.slice(index * payloadBytes, (index + 1) * payloadBytes);
    const body = join(Uint8Array.of(0xd7, 1), id, Uint8Array.of(index, total), payload);
    return PREFIX + base45(join(body, crcOf(body)));
  });
}

/** @param {string} text */
function openFrame(text) {
  if (!text.startsWith(PREFIX)) {
    throw broken(`the QR text does not begin with ${PREFIX}`);
  }
  const bytes = unbase45(text.slice(PREFIX.length));
  if (bytes.length <= HEAD_BYTES + CRC_BYTES || bytes[0] !== 0xd7 || bytes[1] !== 1) {
    throw broken("this is no frame of this protocol");
  }
  const body = bytes.slice(0, -CRC_BYTES);
  if (!sameBytes(crcOf(body), bytes.slice(-CRC_BYTES))) {
    throw broken("a frame was damaged on the way");
  }
  const [index, total] = [body[6], body[7]];
  if (total < 1 || total > MAX_FRAMES || index >= total) {
    throw broken(`frame ${index} of ${total}`);
  }
  return { id: hex(body.slice(2, 6)), index, total, payload: body.slice(HEAD_BYTES) };
}

/**
 * Puts frames together: at most four messages at a time, each for two minutes. A frame that contradicts one that is
 * held spoils its message, for one of the two is a lie.
 */
export class Assembler {
  /** @type {Map<string, { total: number, started: number, parts: Map<number, Uint8Array> }>} */
  #open = new Map();
  #limitBytes;

  /** @param {number} [limitBytes] */
  constructor(limitBytes = LIMIT_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** How far the message that is nearest to its end has come: parts held, parts in all. */
  get progress() {
    const all = [...this.#open.values()].map(({ parts, total }) => ({ held: parts.size, total }));
    return all.sort((one, other) => other.held / other.total - one.held / one.total)[0] ?? { held: 0, total: 0 };
  }

  /**
   * The whole message if this text completes one, else null; E_FRAME, E_SIZE.
   * @param {string} text @param {number} [nowSeconds]
   * @returns {Uint8Array | null}
   */
  take(text, nowSeconds = Math.floor(Date.now() / 1000)) {
    for (const [id, { started }] of this.#open) {
      if (nowSeconds - started > ASSEMBLY_SECONDS) {
        this.#open.delete(id);
      }
    }
    const frame = openFrame(text);
    const assembly = this.#open.get(frame.id) ?? this.#begin(frame, nowSeconds);
    const held = assembly.parts.get(frame.index) ?? frame.payload;
    if (assembly.total !== frame.total || !sameBytes(held, frame.payload)) {
      this.#open.delete(frame.id);
      throw broken("two frames for one place differ");
    }
    assembly.parts.set(frame.index, frame.payload);
    const size = [...assembly.parts.values()].reduce((sum, part) => sum + part.length, 0);
    if (size > this.#limitBytes) {
      this.#open.delete(frame.id);
      throw new TengeError("E_SIZE", { size_bytes: size, limit_bytes: this.#limitBytes });
    }
    return assembly.parts.size < assembly.total ? null : this.#whole(frame.id, assembly);
  }

  /** @param {{ id: string, total: number }} frame @param {number} nowSeconds */
  #begin({ id, total }, nowSeconds) {
    while (this.#open.size >= MAX_OPEN) {
      this.#open.delete([...this.#open.keys()][0]);
    }
    const assembly = { total, started: nowSeconds, parts: new Map() };
    this.#open.set(id, assembly);
    return assembly;
  }

  /** @param {string} id @param {{ total: number, parts: Map<number, Uint8Array> }} assembly */
  #whole(id, { total, parts }) {
    this.#open.delete(id);
    const pieces = Array.from({ length: total }, (_, index) => parts.get(index) ?? new Uint8Array());
    const message = join(...pieces);
    if (hex(sha256(message).slice(0, 4)) !== id) {
      throw broken("the assembled message has another hash");
    }
    return message;
  }
}
