// @ts-check
/**
 * Messages in pieces: frames for QR codes, the same bytes as text to paste, and packets of a link that keeps order. As
 * `offline/link.py`; nothing here believes a byte.
 *
 *     frame   D7 01 || message id (4) || index (1) || total (1) || payload || CRC-32 (4)
 *     QR      "DT1:" and Base45 of a frame                        text   "DT1." and base64url of the whole message
 *
 * The message id is the first 4 bytes of SHA-256(message). A file holds the message and nothing else. The text form is
 * this site's own, not the protocol's: it begins with another sign than a QR code's, so neither is taken for the other.
 *
 * Source: DTO/1, section 5.15; RFC 9285 (Base45).
 */

import { base64url, hex, join, sameBytes, sha256, unbase64url } from "./bytes.js";
import { TengeError } from "./errors.js";

export const QR_PREFIX = "DT1:";
export const TEXT_PREFIX = "DT1.";
export const QR_PAYLOAD_BYTES = 640;
export const MAX_FRAMES = 64;
const MAX_OPEN = 4;
const ASSEMBLY_SECONDS = 120;
const ID_BYTES = 4;
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

/** CRC-32 (ISO-HDLC) as 4 bytes, big-endian. @param {Uint8Array} bytes @returns {Uint8Array} */
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

/** The four bytes that name a message in its frames. @param {Uint8Array} message */
export function messageId(message) {
  return sha256(message).slice(0, ID_BYTES);
}

/**
 * The frames of a message, in order; E_FRAME when it is empty or needs more than 64.
 * @param {Uint8Array} message @param {number} [payloadBytes]
 * @returns {Uint8Array[]}
 */
export function framesOf(message, payloadBytes = QR_PAYLOAD_BYTES) {
  const total = Math.ceil(message.length / payloadBytes);
  if (total < 1 || total > MAX_FRAMES) {
    throw broken(`${message.length} bytes do not fit into 1 to ${MAX_FRAMES} frames`);
  }
  const id = messageId(message);
  return Array.from({ length: total }, (_, index) => {
    const payload = message.subarray(index * payloadBytes, (index + 1) * payloadBytes);
    const body = join(Uint8Array.of(0xd7, 1), id, Uint8Array.of(index, total), payload);
    return join(body, crcOf(body));
  });
}

/**
 * One frame, opened; E_FRAME when its head, its place or its CRC is wrong.
 * @param {Uint8Array} data
 * @returns {{ id: string, index: number, total: number, payload: Uint8Array }} `id` in hexadecimal.
 */
export function openFrame(data) {
  if (data.length <= HEAD_BYTES + CRC_BYTES || data[0] !== 0xd7 || data[1] !== 1) {
    throw broken("this is no frame of this protocol");
  }
  const body = data.slice(0, -CRC_BYTES);
  if (!sameBytes(crcOf(body), data.slice(-CRC_BYTES))) {
    throw broken("a frame was damaged on the way");
  }
  const [index, total] = [body[6], body[7]];
  if (total < 1 || total > MAX_FRAMES || index >= total) {
    throw broken(`frame ${index} of ${total}`);
  }
  return { id: hex(body.slice(2, 6)), index, total, payload: body.slice(HEAD_BYTES) };
}

/**
 * Puts frames together: at most four messages at a time, each for two minutes from its first frame. A frame that
 * contradicts one that is held spoils its message, for one of the two is a lie.
 */
export class Assembler {
  /** @type {Map<string, { total: number, started: number, parts: Map<number, Uint8Array> }>} */
  #open = new Map();
  #limitBytes;

  /** @param {number} limitBytes The most that is kept of one message. */
  constructor(limitBytes) {
    this.#limitBytes = limitBytes;
  }

  /** How far the message that is nearest to its end has come: parts held, parts in all (0 of 0 when none is open). */
  get progress() {
    const all = [...this.#open.values()].map(({ parts, total }) => ({ held: parts.size, total }));
    return (
      all.sort((one, other) => other.held / other.total - one.held / one.total)[0] ?? { held: 0, total: 0 }
    );
  }

  /**
   * The whole message if this frame completes one, else null; E_FRAME, E_SIZE. After a refusal go on with the next.
   * @param {Uint8Array} data @param {number} nowSeconds
   * @returns {Uint8Array | null}
   */
  take(data, nowSeconds) {
    for (const [id, { started }] of this.#open) {
      if (nowSeconds - started > ASSEMBLY_SECONDS) {
        this.#open.delete(id);
      }
    }
    const frame = openFrame(data);
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
    for (const oldest of this.#open.keys()) {
      if (this.#open.size < MAX_OPEN) {
        break;
      }
      this.#open.delete(oldest);
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
    if (hex(messageId(message)) !== id) {
      throw broken("the assembled message has another hash");
    }
    return message;
  }
}

// --- QR ---

/** Two bytes as three letters, a last single one as two. @param {Uint8Array} bytes @returns {string} */
export function base45(bytes) {
  let letters = "";
  for (let place = 0; place < bytes.length; place += 2) {
    const pair = place + 1 < bytes.length;
    let value = pair ? bytes[place] * 256 + bytes[place + 1] : bytes[place];
    for (let count = pair ? 3 : 2; count; count -= 1) {
      letters += LETTERS[value % 45];
      value = Math.floor(value / 45);
    }
  }
  return letters;
}

/**
 * The bytes of a Base45 text; E_FRAME for a strange letter, a wrong length, or a group that is too large.
 * @param {string} letters
 * @returns {Uint8Array}
 */
export function unbase45(letters) {
  const bytes = [];
  for (let place = 0; place < letters.length; place += 3) {
    const values = letters
      .slice(place, place + 3)
      .split("")
      .map((letter) => LETTERS.indexOf(letter));
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
 * @param {Uint8Array} message @param {number} [payloadBytes] Fewer make coarser codes that more cameras can read.
 * @returns {string[]}
 */
export function qrTexts(message, payloadBytes = QR_PAYLOAD_BYTES) {
  return framesOf(message, payloadBytes).map((frame) => QR_PREFIX + base45(frame));
}

/** The frame in one QR text; E_FRAME when it is none of ours. @param {string} qrText @returns {Uint8Array} */
export function openQr(qrText) {
  if (!qrText.startsWith(QR_PREFIX)) {
    throw broken(`the QR text does not begin with ${QR_PREFIX}`);
  }
  return unbase45(qrText.slice(QR_PREFIX.length));
}

// --- text to paste ---

/** A whole message as one text, for pasting. @param {Uint8Array} message @returns {string} */
export function pastedText(message) {
  return TEXT_PREFIX + base64url(message);
}

/**
 * The message in a pasted text, or in the texts of all its QR codes, one a line and in any order. Spaces before a line
 * are passed over; at its end they are letters of Base45. E_FRAME, E_SIZE.
 * @param {string} pasted @param {number} limitBytes
 * @returns {Uint8Array}
 */
export function openPasted(pasted, limitBytes) {
  const lines = pasted
    .split(/[\r\n]+/)
    .map((line) => line.trimStart())
    .filter(Boolean);
  if (lines.length && lines.every((line) => line.startsWith(QR_PREFIX))) {
    const assembler = new Assembler(limitBytes);
    for (const line of lines) {
      const whole = assembler.take(openQr(line), 0);
      if (whole) {
        return whole;
      }
    }
    throw broken("a part of the message is missing");
  }
  const whole = lines.map((line) => line.trimEnd()).join("");
  if (!whole.startsWith(TEXT_PREFIX)) {
    throw broken(`the text does not begin with ${TEXT_PREFIX} or ${QR_PREFIX}`);
  }
  if (whole.length - TEXT_PREFIX.length > Math.ceil((limitBytes * 4) / 3)) {
    throw new TengeError("E_SIZE", {
      size_bytes: Math.floor((whole.length * 3) / 4),
      limit_bytes: limitBytes,
    });
  }
  try {
    return unbase64url(whole.slice(TEXT_PREFIX.length));
  } catch (error) {
    throw error instanceof RangeError ? broken("the text is damaged") : error;
  }
}

// --- a link that keeps order ---

/** Puts the packets of a link together in the order they come: length (4) || message id (4) || message. */
export class PacketReceiver {
  /** @type {Uint8Array} */
  #stream = new Uint8Array();
  #limitBytes;

  /** @param {number} limitBytes */
  constructor(limitBytes) {
    this.#limitBytes = limitBytes;
  }

  /**
   * The whole message with its last packet, null before; E_SIZE or E_FRAME, and the link starts anew.
   * @param {Uint8Array} packet
   * @returns {Uint8Array | null}
   */
  take(packet) {
    const stream = join(this.#stream, packet);
    this.#stream = stream;
    if (stream.length < HEAD_BYTES) {
      return null;
    }
    const length = new DataView(stream.buffer, stream.byteOffset).getUint32(0);
    if (length > this.#limitBytes) {
      this.#stream = new Uint8Array();
      throw new TengeError("E_SIZE", { size_bytes: length, limit_bytes: this.#limitBytes });
    }
    if (stream.length < HEAD_BYTES + length) {
      return null;
    }
    this.#stream = new Uint8Array();
    const message = stream.slice(HEAD_BYTES);
    if (message.length !== length || !sameBytes(messageId(message), stream.slice(4, HEAD_BYTES))) {
      throw broken("the received message has another hash");
    }
    return message;
  }
}
