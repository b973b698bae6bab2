// @ts-check
/**
 * MP-C, the one byte form of a signed value: arrays, byte strings, whole numbers to 2^53 - 1, and text in normal form
 * C, each in its shortest MessagePack form, nested at most six deep. As `cbdc/canonical.py`.
 *
 * Values are Numbers, Uint8Arrays, strings and Arrays of these.
 *
 * Source: DTO/1, section 5.3.
 */

import { sameBytes } from "./bytes.js";
import { TengeError } from "./errors.js";

export const MAX_LENGTH = 65535;
export const MAX_MESSAGE_BYTES = 1 << 20;
const MAX_TEXT_BYTES = 255;
const MAX_DEPTH = 6;
const MOST_NESTED = 1024;

/** @typedef {number | Uint8Array | string | Value[]} Value */

/**
 * The MP-C bytes of a value. Raises E_TYPE, E_RANGE, E_DEPTH, E_LENGTH or E_NONCANON.
 * @param {any} value
 * @returns {Uint8Array}
 */
export function encode(value) {
  const writer = new Writer();
  put(writer, value, 1);
  return writer.whole();
}

/** Bytes that grow. */
class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** @param {number} more */
  #room(more) {
    if (this.#length + more > this.#bytes.length) {
      const wider = new Uint8Array(2 * (this.#length + more));
      wider.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = wider;
    }
  }

  /** @param {...number} bytes */
  push(...bytes) {
    this.append(bytes);
  }

  /** @param {ArrayLike<number>} bytes */
  append(bytes) {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  whole() {
    return this.#bytes.slice(0, this.#length);
  }
}

/** @param {Writer} out @param {any} value @param {number} depth */
function put(out, value, depth) {
  if (typeof value === "number") {
    putNumber(out, value);
  } else if (value instanceof Uint8Array) {
    checkLength(value.length);
    out.append(value.length < 256 ? [0xc4, value.length] : [0xc5, value.length >> 8, value.length & 255]);
    out.append(value);
  } else if (Array.isArray(value)) {
    if (depth > MAX_DEPTH) {
      throw new TengeError("E_DEPTH", { most: MAX_DEPTH });
    }
    checkLength(value.length);
    out.append(value.length < 16 ? [0x90 | value.length] : [0xdc, value.length >> 8, value.length & 255]);
    // A hole in an array is no value; `forEach` would pass over it.
    for (let place = 0; place < value.length; place += 1) {
      put(out, value[place], depth + 1);
    }
  } else if (typeof value === "string") {
    putText(out, value);
  } else {
    throw new TengeError("E_TYPE", { type: typeof value });
  }
}

/** @param {number} length */
function checkLength(length) {
  if (length > MAX_LENGTH) {
    throw new TengeError("E_LENGTH", { length, most: MAX_LENGTH });
  }
}

/** @param {Writer} out @param {number} value */
function putNumber(out, value) {
  if (!Number.isSafeInteger(value) || value < 0) {
    const facts = { value: String(value).slice(0, 24), most: Number.MAX_SAFE_INTEGER };
    throw Number.isInteger(value)
      ? new TengeError("E_RANGE", facts)
      : new TengeError("E_TYPE", { type: "number" });
  }
  const width = value < 128 ? 0 : value < 256 ? 1 : value < 65536 ? 2 : value < 2 ** 32 ? 4 : 8;
  if (width) {
    out.push({ 1: 0xcc, 2: 0xcd, 4: 0xce, 8: 0xcf }[width] ?? 0);
  }
  for (let place = Math.max(width, 1) - 1; place >= 0; place -= 1) {
    out.push(Math.floor(value / 256 ** place) % 256);
  }
}

/** @param {Writer} out @param {string} value */
function putText(out, value) {
  const bytes = new TextEncoder().encode(value);
  if (!value.isWellFormed()) {
    throw new TengeError("E_DECODE", { size_bytes: bytes.length, detail: "not well-formed text" });
  }
  if (bytes.length > MAX_TEXT_BYTES) {
    throw new TengeError("E_LENGTH", { length: bytes.length, most: MAX_TEXT_BYTES });
  }
  if (value.normalize("NFC") !== value) {
    throw new TengeError("E_NONCANON", { size_bytes: bytes.length });
  }
  out.append(bytes.length < 32 ? [0xa0 | bytes.length] : [0xd9, bytes.length]);
  out.append(bytes);
}

/**
 * The value whose MP-C form is exactly `data`. Raises E_SIZE before any parsing, E_DECODE for what is no MessagePack,
 * the errors of `encode`, and E_NONCANON when the value has another, shorter form.
 * @param {Uint8Array} data
 * @param {number} [limitBytes]
 * @returns {any}
 */
export function decode(data, limitBytes = MAX_MESSAGE_BYTES) {
  if (data.length > limitBytes) {
    throw new TengeError("E_SIZE", { size_bytes: data.length, limit_bytes: limitBytes });
  }
  const reader = new Reader(data);
  const value = reader.value(0);
  if (reader.at !== data.length) {
    throw reader.broken("bytes are left over");
  }
  if (!sameBytes(encode(value), data)) {
    throw new TengeError("E_NONCANON", { size_bytes: data.length });
  }
  return value;
}

/**
 * Like `decode`, for bytes that must hold an array; E_TYPE otherwise.
 * @param {Uint8Array} data
 * @param {number} [limitBytes]
 */
export function decodeArray(data, limitBytes = MAX_MESSAGE_BYTES) {
  const value = decode(data, limitBytes);
  if (!Array.isArray(value)) {
    throw new TengeError("E_TYPE", { type: typeof value });
  }
  return value;
}

/** What MessagePack has and MP-C has not. `map` for a map, which no other map has for a key. */
class Foreign {
  /** @param {boolean} [map] */
  constructor(map = false) {
    this.map = map;
  }
}

/**
 * The heads of MessagePack: what follows, and in how many bytes (of an extension of fixed size: the size and four).
 * @type {Record<number, [string, number]>}
 */
const HEADS = {
  0xc0: ["other", 0],
  0xc2: ["other", 0],
  0xc3: ["other", 0],
  0xc4: ["bytes", 1],
  0xc5: ["bytes", 2],
  0xc6: ["bytes", 4],
  0xc7: ["extension", 1],
  0xc8: ["extension", 2],
  0xc9: ["extension", 4],
  0xca: ["other", 4],
  0xcb: ["other", 8],
  0xcc: ["number", 1],
  0xcd: ["number", 2],
  0xce: ["number", 4],
  0xcf: ["number", 8],
  0xd0: ["signed", 1],
  0xd1: ["signed", 2],
  0xd2: ["signed", 4],
  0xd3: ["signed", 8],
  0xd4: ["extension", 5],
  0xd5: ["extension", 6],
  0xd6: ["extension", 8],
  0xd7: ["extension", 12],
  0xd8: ["extension", 20],
  0xd9: ["text", 1],
  0xda: ["text", 2],
  0xdb: ["text", 4],
  0xdc: ["list", 2],
  0xdd: ["list", 4],
  0xde: ["map", 2],
  0xdf: ["map", 4],
};

/** Whether the nanoseconds of a timestamp are below a second. @param {Uint8Array} data */
function lawfulMoment(data) {
  const first = data[0] * 2 ** 24 + data[1] * 65536 + data[2] * 256 + data[3];
  return data.length === 4 || (data.length === 8 ? Math.floor(first / 4) : first) < 1_000_000_000;
}

class Reader {
  /** @param {Uint8Array} data */
  constructor(data) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = 0;
  }

  /** @param {string} detail */
  broken(detail) {
    return new TengeError("E_DECODE", { size_bytes: this.data.length, detail });
  }

  /** @param {number} width */
  number(width) {
    if (this.at + width > this.data.length) {
      throw this.broken("it is cut off");
    }
    let value = 0;
    for (let place = 0; place < width; place += 1) {
      value = value * 256 + this.data[this.at + place];
    }
    this.at += width;
    return value;
  }

  /** @param {number} length */
  bytes(length) {
    if (this.at + length > this.data.length) {
      throw this.broken("it is cut off");
    }
    this.at += length;
    return this.data.slice(this.at - length, this.at);
  }

  /** A whole number in a signed form; every one below zero is -1, for each is out of range. @param {number} width */
  signed(width) {
    const negative = this.data[this.at] >= 0x80;
    const value = this.number(width);
    return negative ? -1 : value;
  }

  /** @param {number} depth @returns {any} */
  value(depth) {
    const head = this.number(1);
    if (head < 0x80) {
      return head;
    }
    if (head < 0x90) {
      return this.map(head & 15, depth);
    }
    if (head < 0xa0) {
      return this.items(head & 15, depth);
    }
    if (head < 0xc0) {
      return this.text(head & 31);
    }
    if (head >= 0xe0) {
      return head - 256;
    }
    const [kind, width] = HEADS[head] ?? ["none", 0];
    switch (kind) {
      case "number":
        return this.number(width);
      case "signed":
        return this.signed(width);
      case "bytes":
        return this.bytes(this.number(width));
      case "text":
        return this.text(this.number(width));
      case "list":
        return this.items(this.number(width), depth);
      case "map":
        return this.map(this.number(width), depth);
      case "extension":
        return this.extension(width > 4 ? width - 4 : this.number(width));
      case "other":
        this.bytes(width);
        return new Foreign();
      default:
        throw this.broken("an unknown head");
    }
  }

  /**
   * A map exists in MessagePack, not in MP-C: it is read to its end and then refused.
   * @param {number} length
   * @param {number} depth
   */
  map(length, depth) {
    this.nest(length, depth);
    for (let place = 0; place < length; place += 1) {
      const key = this.value(depth + 1);
      if (Array.isArray(key) || (key instanceof Foreign && key.map)) {
        throw this.broken("a key that cannot be one");
      }
      this.value(depth + 1);
    }
    return new Foreign(true);
  }

  /** @param {number} length @param {number} depth */
  nest(length, depth) {
    if (depth >= MOST_NESTED) {
      throw this.broken("it nests too deep");
    }
    if (length > this.data.length - this.at) {
      throw this.broken("it is cut off");
    }
  }

  /** @param {number} length */
  extension(length) {
    const type = this.number(1);
    const data = this.bytes(length);
    const timestamp = type === 255 && [4, 8, 12].includes(data.length) && lawfulMoment(data);
    if (type >= 128 && !timestamp) {
      throw this.broken("a reserved extension");
    }
    return new Foreign();
  }

  /** @param {number} length @param {number} depth */
  items(length, depth) {
    this.nest(length, depth);
    const items = [];
    for (let place = 0; place < length; place += 1) {
      items.push(this.value(depth + 1));
    }
    return items;
  }

  /** @param {number} length */
  text(length) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes(length));
    } catch (error) {
      throw error instanceof TengeError ? error : this.broken("no text");
    }
  }
}
