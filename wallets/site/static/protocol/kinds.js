// @ts-check
/**
 * Kinds of fields: what a place in a body may hold, and how it is refused. As the kinds of `cbdc/record.py`: E_TYPE
 * for another kind of value, E_FIELD outside the bounds, E_COUNT for too few or too many items.
 *
 * Source: DTO/1, section 5.3 ("Reading an envelope", step 6).
 */

import { MAX_LENGTH } from "./canonical.js";
import { TengeError } from "./errors.js";

/**
 * One kind of field: `load` checks a decoded value, `store` gives the value to encode.
 * @typedef {{ load: (value: any, name: string) => any, store: (value: any) => any }} Kind
 */

/** @param {any} value @returns {string} What it is, in a word. */
export const kindOf = (value) =>
  value instanceof Uint8Array ? "bytes" : Array.isArray(value) ? "list" : typeof value;
/** The refusal of another kind of value. @param {string} name @param {any} value */
export const wrongType = (name, value) => new TengeError("E_TYPE", { type: `${name}: ${kindOf(value)}` });
const same = (/** @type {any} */ value) => value;

/** A whole number from `least` to `most`. @param {number} [least] @param {number} [most] @returns {Kind} */
export function unsigned(least = 0, most = Number.MAX_SAFE_INTEGER) {
  return {
    load(value, name) {
      if (typeof value !== "number") {
        throw wrongType(name, value);
      }
      if (value < least || value > most) {
        throw new TengeError("E_FIELD", { field: name, problem: `${value} is not in ${least}..${most}` });
      }
      return value;
    },
    store: same,
  };
}

/** A byte string of one of these lengths, or of any when none is listed. @param {...number} sizes @returns {Kind} */
export function bytes(...sizes) {
  return bytesOf(sizes, MAX_LENGTH);
}

/** A byte string of at most so many bytes. @param {number} most @returns {Kind} */
export function bytesUpTo(most) {
  return bytesOf([], most);
}

/** @param {number[]} sizes @param {number} most @returns {Kind} */
function bytesOf(sizes, most) {
  return {
    load(value, name) {
      if (!(value instanceof Uint8Array)) {
        throw wrongType(name, value);
      }
      if ((sizes.length && !sizes.includes(value.length)) || value.length > most) {
        throw new TengeError("E_FIELD", { field: name, problem: `${value.length} bytes long` });
      }
      return value;
    },
    store: same,
  };
}

/** Text of at most so many bytes of UTF-8. @param {number} mostBytes @returns {Kind} */
export function text(mostBytes) {
  return {
    load(value, name) {
      if (typeof value !== "string") {
        throw wrongType(name, value);
      }
      if (new TextEncoder().encode(value).length > mostBytes) {
        throw new TengeError("E_FIELD", { field: name, problem: `longer than ${mostBytes} bytes` });
      }
      return value;
    },
    store: same,
  };
}

/**
 * An array of exactly these kinds; with names, an object.
 * @param {Kind[]} kinds
 * @param {string[]} [names]
 * @returns {Kind}
 */
export function group(kinds, names) {
  return {
    load(value, name) {
      if (!Array.isArray(value)) {
        throw wrongType(name, value);
      }
      if (value.length !== kinds.length) {
        throw new TengeError("E_FIELD", {
          field: name,
          problem: `${value.length} items, not ${kinds.length}`,
        });
      }
      const items = kinds.map((kind, place) => kind.load(value[place], `${name}[${place}]`));
      return names ? Object.fromEntries(names.map((one, place) => [one, items[place]])) : items;
    },
    store(value) {
      const items = names ? names.map((one) => value[one]) : value;
      return kinds.map((kind, place) => kind.store(items[place]));
    },
  };
}

/**
 * An array of `least` to `most` items of one kind.
 * @param {Kind} kind
 * @param {number} most
 * @param {number} [least]
 * @returns {Kind}
 */
export function items(kind, most, least = 0) {
  return {
    load(value, name) {
      if (!Array.isArray(value)) {
        throw wrongType(name, value);
      }
      if (value.length < least || value.length > most) {
        throw new TengeError("E_COUNT", { field: name, count: value.length, least, most });
      }
      return value.map((item, place) => kind.load(item, `${name}[${place}]`));
    },
    store: (value) => value.map(kind.store),
  };
}

export const HASH = bytes(32);
export const HASH_OR_NONE = bytes(0, 32);
export const NONCE = bytes(16);
export const REFERENCE = bytes(8);
export const SIGNATURE = bytes(64);
export const NUMBER = unsigned();
export const AMOUNT = unsigned(1);
export const SMALL = unsigned(0, 255);
export const ALGORITHM = unsigned(1, 255);
export const RAW_KEY = bytes(32, 33);
