// @ts-check
/**
 * The key of a device: made by the browser, kept in IndexedDB as a handle that gives signatures and never the key.
 *
 * "Not extractable" keeps the key from scripts, not from somebody who copies the browser's profile folder or opens
 * the browser's memory. That is what tier SW means.
 */

import { kidOf, publicKeyOf } from "./wire.js";

const ALGORITHMS = Object.freeze({
  1: { name: "Ed25519" },
  2: { name: "ECDSA", namedCurve: "P-256" },
});

/**
 * A key as the store keeps it.
 * @typedef {object} DeviceKey
 * @property {number} algorithm 1 Ed25519, 2 ES256.
 * @property {Uint8Array} raw The public key as certificates carry it.
 * @property {Uint8Array} kid 32 bytes.
 * @property {CryptoKey} privateKey
 */

/**
 * Make a key, or take the caller's.
 * @param {{ algorithm?: number, keyPair?: CryptoKeyPair }} options
 * @returns {Promise<DeviceKey>}
 */
export async function makeKey({ algorithm = 2, keyPair }) {
  const wanted = ALGORITHMS[/** @type {1 | 2} */ (algorithm)];
  const pair = keyPair ?? (await crypto.subtle.generateKey(wanted, false, ["sign", "verify"]));
  const { privateKey, publicKey } = /** @type {CryptoKeyPair} */ (pair);
  const number = privateKey.algorithm.name === "Ed25519" ? 1 : 2;
  const raw = await publicKeyOf(number, publicKey);
  return { algorithm: number, raw, kid: await kidOf(number, raw), privateKey };
}
