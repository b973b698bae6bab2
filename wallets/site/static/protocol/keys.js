// @ts-check
/**
 * Keys and signatures with one acceptance rule, as `cbdc/keys.py`: Ed25519 (1) with canonical points of no small
 * order and S below the order, ES256 (2) with compressed points and s in the lower half. The arithmetic is
 * WebCrypto's.
 *
 * Source: DTO/1, sections 5.2 and 5.3.
 */

import { ascii, hex, join, sha256 } from "./bytes.js";
import { TengeError } from "./errors.js";

export const ED25519 = 1;
export const ES256 = 2;
const KEY_BYTES = Object.freeze({ 1: 32, 2: 33 });
const KEY_ID_DOMAIN = ascii("kzt-dt/offline/v1\0key\0");
const ECDSA = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

const FIELD = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const P256_FIELD = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const P256_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const P256_HALF = P256_ORDER / 2n;
const SMALL_Y = new Set([
  0n,
  1n,
  FIELD - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  55188659117513257062467267217118295137698188065244968500265048394206261417927n,
]);

/** @param {bigint} base @param {bigint} exponent @param {bigint} modulus */
function power(base, exponent, modulus) {
  let result = 1n;
  let square = base % modulus;
  for (let left = exponent; left; left >>= 1n) {
    if (left & 1n) {
      result = (result * square) % modulus;
    }
    square = (square * square) % modulus;
  }
  return result;
}

/** @param {Uint8Array} bytes Big-endian. */
const big = (bytes) => BigInt(`0x${hex(bytes) || "0"}`);
/** @param {Uint8Array} bytes Little-endian. */
const little = (bytes) => big(Uint8Array.from(bytes).reverse());

/** The key id, 32 bytes. @param {number} algorithm @param {Uint8Array} raw */
export function keyId(algorithm, raw) {
  return sha256(join(KEY_ID_DOMAIN, Uint8Array.of(algorithm), raw));
}

/** Whether an encoded Ed25519 point has small order or another form than the shortest. @param {Uint8Array} point */
function weak(point) {
  const y = little(point) & (2n ** 255n - 1n);
  return y >= FIELD || SMALL_Y.has(y);
}

/** @param {Uint8Array} raw */
function offEdwards(raw) {
  const y = little(raw) & (2n ** 255n - 1n);
  const d = (-121665n * power(121666n, FIELD - 2n, FIELD)) % FIELD;
  const square =
    (((y * y - 1n) * power(((d * y * y + 1n) % FIELD) + FIELD, FIELD - 2n, FIELD)) % FIELD) + FIELD;
  const root = power(square % FIELD, (FIELD - 1n) / 2n, FIELD);
  return root !== 0n && root !== 1n;
}

/** The uncompressed point, or null when x is on no point. @param {Uint8Array} raw */
function expanded(raw) {
  const x = big(raw.subarray(1));
  const square = (((x * x * x - 3n * x + P256_B) % P256_FIELD) + P256_FIELD) % P256_FIELD;
  const root = power(square, (P256_FIELD + 1n) / 4n, P256_FIELD);
  if (x >= P256_FIELD || (root * root) % P256_FIELD !== square || (raw[0] !== 2 && raw[0] !== 3)) {
    return null;
  }
  const y = (root & 1n) === BigInt(raw[0] & 1) ? root : P256_FIELD - root;
  const digits = y.toString(16).padStart(64, "0");
  const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return join(Uint8Array.of(4), raw.subarray(1), bytes);
}

/**
 * A public key that can be used; made by `publicKey`.
 * @typedef {object} PublicKey
 * @property {number} algorithm
 * @property {Uint8Array} raw
 * @property {Uint8Array} kid
 * @property {Promise<CryptoKey>} handle
 */

/** @type {Map<string, PublicKey>} */
const usable = new Map();
const USABLE_MOST = 4096;

/**
 * The public key in `raw`; E_KEY for an unknown algorithm, a wrong length, a weak point, or one off the curve.
 * @param {number} algorithm @param {Uint8Array} raw
 * @returns {PublicKey}
 */
export function publicKey(algorithm, raw) {
  // With a stroke between them: algorithm 203 and 32 bytes are not algorithm 2 and the same bytes after 03.
  const name = `${algorithm}/${hex(raw)}`;
  let found = usable.get(name);
  if (!found) {
    const refusal = new TengeError("E_KEY", { algorithm, length: raw.length });
    if (KEY_BYTES[/** @type {1} */ (algorithm)] !== raw.length) {
      throw refusal;
    }
    let handle;
    if (algorithm === ED25519) {
      if (weak(raw) || offEdwards(raw)) {
        throw refusal;
      }
      handle = crypto.subtle.importKey("raw", /** @type {BufferSource} */ (raw), "Ed25519", false, [
        "verify",
      ]);
    } else {
      const point = expanded(raw);
      if (!point) {
        throw refusal;
      }
      handle = crypto.subtle.importKey("raw", /** @type {BufferSource} */ (point), ECDSA, false, ["verify"]);
    }
    found = { algorithm, raw: raw.slice(), kid: keyId(algorithm, raw), handle };
    if (usable.size >= USABLE_MOST) {
      usable.clear();
    }
    usable.set(name, found);
  }
  return found;
}

/** Remember no key any more: whoever measures a first meeting asks for the whole work. */
export function forgetKeys() {
  usable.clear();
}

/** @param {Uint8Array} signature */
function lawfulEd25519(signature) {
  return !weak(signature.subarray(0, 32)) && little(signature.subarray(32)) < ORDER;
}

/** @param {Uint8Array} signature */
function lawfulEs256(signature) {
  const r = big(signature.subarray(0, 32));
  const s = big(signature.subarray(32));
  return r > 0n && r < P256_ORDER && s > 0n && s <= P256_HALF;
}

/**
 * Return if `signature` is this key's over `message`; E_SIG otherwise.
 * @param {PublicKey} key @param {Uint8Array} signature @param {Uint8Array} message
 */
export async function verify(key, signature, message) {
  const ed25519 = key.algorithm === ED25519;
  const lawful = signature.length === 64 && (ed25519 ? lawfulEd25519(signature) : lawfulEs256(signature));
  const how = ed25519 ? "Ed25519" : SIGNING;
  const given = /** @type {BufferSource} */ (signature);
  if (
    !lawful ||
    !(await crypto.subtle.verify(how, await key.handle, given, /** @type {BufferSource} */ (message)))
  ) {
    throw new TengeError("E_SIG", { kid: hex(key.kid) });
  }
}

/**
 * A 64-byte signature by a CryptoKey, in the one form that is accepted.
 * @param {CryptoKey} privateKey @param {Uint8Array} message
 * @returns {Promise<Uint8Array>}
 */
export async function signMessage(privateKey, message) {
  const data = /** @type {BufferSource} */ (message);
  if (privateKey.algorithm.name === "Ed25519") {
    return new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, data));
  }
  const signature = new Uint8Array(await crypto.subtle.sign(SIGNING, privateKey, data));
  const s = big(signature.subarray(32));
  if (s > P256_HALF) {
    const digits = (P256_ORDER - s).toString(16).padStart(64, "0");
    signature.set(
      Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)),
      32,
    );
  }
  return signature;
}

/**
 * A new key that signs and cannot be read out, in the form that `signRecord` takes.
 * @param {number} [algorithm] 1 Ed25519, 2 ES256.
 * @returns {Promise<{ algorithm: number, raw: Uint8Array, kid: Uint8Array, privateKey: CryptoKey }>}
 */
export async function makeKey(algorithm = ES256) {
  const wanted = algorithm === ED25519 ? { name: "Ed25519" } : ECDSA;
  const made = await crypto.subtle.generateKey(wanted, false, ["sign", "verify"]);
  const pair = /** @type {CryptoKeyPair} */ (made);
  const raw = await rawOf(algorithm, pair.publicKey);
  return { algorithm, raw, kid: keyId(algorithm, raw), privateKey: pair.privateKey };
}

/** The raw bytes of a CryptoKey as certificates carry them. @param {number} algorithm @param {CryptoKey} key */
export async function rawOf(algorithm, key) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", key));
  return algorithm === ED25519 ? raw : join(Uint8Array.of(2 + (raw[64] & 1)), raw.subarray(1, 33));
}
