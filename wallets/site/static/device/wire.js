// @ts-check
/**
 * The one place where the device meets the protocol code: what it uses of it, under the names it uses.
 *
 * Signed objects are `{ type, record, body, signature, oid }`; types are named by text ("INVOICE"). What was opened
 * once is remembered by its bytes as long as somebody holds them.
 */

import { ascii, hex, join, sha256 } from "../protocol/bytes.js";
import { encode } from "../protocol/canonical.js";
import * as containers from "../protocol/containers.js";
import { keyId, rawOf } from "../protocol/keys.js";
import { DOMAIN, openEnvelope } from "../protocol/records.js";
import { TrustView, openAuthority } from "../protocol/trust.js";

export { hex, sameBytes, sha256, unhex } from "../protocol/bytes.js";
export {
  checkAlive,
  checkCertificate,
  checkInvoice,
  checkNote,
  checkPurpose,
  checkPurposeLimits,
  checkReceipt,
  checkStanding,
} from "../protocol/checks.js";
export {
  encodeBatch as bytesOfBatch,
  encodeBatchContent as bytesOfBatchContent,
  encodeBundle as bytesOfBundle,
  encodeCommit as bytesOfCommit,
  encodeDraft as bytesOfDraft,
  encodeHello as bytesOfHello,
  encodeLists as bytesOfLists,
  encodeOffer as bytesOfOffer,
  encodeOfferMessage as bytesOfOfferMessage,
  encodeRequest as bytesOfRequest,
  openBundle,
  openMessage,
  openOffer,
  takeLists,
} from "../protocol/containers.js";
export { TengeError } from "../protocol/errors.js";
export {
  PAY,
  REDEEM,
  encodeSigned as envelopeOf,
  genesisLink,
  signRecord,
  verifySigned,
} from "../protocol/records.js";
export { BANK_CA, PARAMETERS, SETTLE } from "../protocol/trust.js";
export { verifyCommit, verifyOffer, verifyPayment } from "../protocol/verify.js";

/** @type {WeakMap<Uint8Array, any>} */
const openedObjects = new WeakMap();
/** @type {WeakMap<Uint8Array, any>} */
const openedBundles = new WeakMap();

/**
 * The signed object in an envelope's bytes; structure checked only.
 * @param {string} name @param {Uint8Array} bytes @param {Uint8Array} network
 * @returns {any}
 */
export function openSigned(name, bytes, network) {
  const found = openedObjects.get(bytes);
  if (found && found.name === name) {
    return found.signed;
  }
  const signed = openEnvelope(name, bytes, network);
  openedObjects.set(bytes, { name, signed });
  return signed;
}

/**
 * A bundle that this device keeps: it was judged when it came.
 * @param {Uint8Array} bytes @param {Uint8Array} network
 * @returns {{ certificates: any[], tokens: any[] }}
 */
export function openBundleKept(bytes, network) {
  let found = openedBundles.get(bytes);
  if (!found) {
    found = containers.openBundle(bytes, network, bytes.length);
    openedBundles.set(bytes, found);
  }
  return found;
}

/**
 * An outpoint as rows are named by it: 66 hexadecimal digits.
 * @param {Uint8Array} previous
 * @param {number} position
 */
export function outpointKey(previous, position) {
  return hex(previous) + position.toString(16).padStart(2, "0");
}

/** SHA-256 over a domain and the transfers' ids in order: what a receipt names. @param {any[]} transfers Signed. */
export function paymentRoot(transfers) {
  return sha256(join(DOMAIN, ascii("payment\0"), ...transfers.map(({ oid }) => oid)));
}

/** What an invoice made for this OFFER names. @param {Uint8Array} offer */
export function hashOfOffer(offer) {
  return sha256(join(DOMAIN, ascii("offer\0"), offer));
}

/** SHA-256 of the canonical form of values, as a text. @param {any} values */
export function hashOf(values) {
  return hex(sha256(encode(values)));
}

/** SHA-256, as a text. @param {Uint8Array} bytes */
export function hashHex(bytes) {
  return hex(sha256(bytes));
}

/** The key id of a public key. @param {number} algorithm @param {Uint8Array} raw */
export function kidOf(algorithm, raw) {
  return keyId(algorithm, raw);
}

/** The raw bytes of a CryptoKey as certificates carry them. @param {number} algorithm @param {CryptoKey} key */
export function publicKeyOf(algorithm, key) {
  return rawOf(algorithm, key);
}

/**
 * What is believed from ROOT, its AUTHs and a chain of TRUST lists (all envelopes), everything verified.
 * @param {Uint8Array} root @param {Uint8Array[]} auths @param {Uint8Array[]} chain
 * @returns {Promise<any>} A trust view.
 */
export async function openTrust(root, auths, chain) {
  const authority = await openAuthority(root, auths);
  const lists = chain.map((item) => openSigned("TRUST", item, authority.network));
  return new TrustView(authority).adoptAll(lists);
}

/**
 * The chain adopted, all or none; the same view when it is not newer.
 * @param {any} trust
 * @param {any[]} lists Signed.
 */
export function adoptChain(trust, lists) {
  return trust.adoptAll(lists);
}
