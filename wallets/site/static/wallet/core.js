// @ts-check
/**
 * The one place where the online half of the wallet meets the protocol code: what it uses of it, under one roof.
 */

export { ascii, hex, join, sameBytes, sha256, unhex } from "../protocol/bytes.js";
export { decode, decodeArray, encode } from "../protocol/canonical.js";
export { TengeError } from "../protocol/errors.js";
export { keyId, rawOf, signMessage, verify } from "../protocol/keys.js";
export { openAuthority } from "../protocol/trust.js";

/** A few random bytes. @param {number} count @returns {Uint8Array} */
export function randomBytes(count) {
  return crypto.getRandomValues(new Uint8Array(count));
}
