// @ts-check
/**
 * Containers: BUNDLE, BATCH, OFFER, and the messages that two devices say to each other. Each is unsigned, because
 * every part of it is signed. As `offline/bundle.py`, `offline/batch.py` and `offline/messages.py`.
 *
 * Source: DTO/1, sections 5.4, 5.5 and 5.9.
 */

import { hex, unhex } from "./bytes.js";
import { MAX_MESSAGE_BYTES, decode, decodeArray, encode } from "./canonical.js";
import { TengeError } from "./errors.js";
import { envelopeItems, items, bytes, openPart, unsigned } from "./records.js";

const VERSION = 1;
const RECEIPT = 7;
const REQUEST = 32;
const HELLO = 33;
const OFFER = 34;
const DRAFT = 35;
const COMMIT = 36;
const LISTS = 37;
const LISTS_BYTES = 1024;
const MAX_LISTS = 64;
const MESSAGE_BYTES = 1 << 19;
/** @type {Readonly<Record<number, number>>} */
const SIZES = Object.freeze({ [VERSION]: 3, [RECEIPT]: 3, 32: 3, 33: 8, 34: 5, 35: 4, 36: 2 });
const ANYTHING = { load: (/** @type {any} */ value) => value, store: (/** @type {any} */ value) => value };
const NONCE = bytes(16);
const NUMBER = unsigned();

/** @param {any} value @param {string} name @param {number} least @param {number} most @returns {any[]} */
function list(value, name, least, most) {
  return items(ANYTHING, most, least).load(value, name);
}

/** @param {string} name @param {any[]} values @param {number} size */
function sized(name, values, size) {
  if (values.length !== size) {
    throw new TengeError("E_FIELD", { field: name, problem: `${values.length} items, not ${size}` });
  }
}

/**
 * V0 to V2. Raises E_SIZE, the decoding errors, E_VERSION, E_COUNT, E_OBJTYPE, E_FIELD, E_TYPE.
 * @param {Uint8Array} data @param {Uint8Array} network @param {number} limitBytes
 * @returns {{ certificates: any[], tokens: { note: any, transfers: any[] }[] }}
 */
export function openBundle(data, network, limitBytes) {
  const values = decodeArray(data, limitBytes);
  sized("bundle", values, 3);
  if (values[0] !== VERSION) {
    throw new TengeError("E_VERSION", { version: String(values[0]).slice(0, 20), expected: VERSION });
  }
  const certificates = list(values[1], "certificates", 0, 24);
  const tokens = list(values[2], "tokens", 1, 8);
  return {
    certificates: certificates.map((item) => openPart("DEVCERT", item, network)),
    tokens: tokens.map((item) => {
      const pair = list(item, "token", 2, 2);
      const transfers = list(pair[1], "transfers", 0, 12);
      return {
        note: openPart("NOTE", pair[0], network),
        transfers: transfers.map((one) => openPart("TRANSFER", one, network)),
      };
    }),
  };
}

/** @param {{ certificates: any[], tokens: { note: any, transfers: any[] }[] }} bundle @returns {Uint8Array} */
export function encodeBundle({ certificates, tokens }) {
  const lines = tokens.map(({ note, transfers }) => [envelopeItems(note), transfers.map(envelopeItems)]);
  return encode([VERSION, certificates.map(envelopeItems), lines]);
}

/**
 * `[bundles, objects, SYNC_REQ bytes or nothing]`: what the id of a batch is the hash of.
 * @param {Uint8Array[]} bundles @param {Uint8Array[]} objects Envelopes. @param {Uint8Array | null} request
 */
export function encodeBatchContent(bundles, objects, request) {
  return encode([bundles, objects.map((item) => decode(item)), request ?? new Uint8Array()]);
}

/**
 * @param {Uint8Array} batchId
 * @param {Uint8Array[]} bundles
 * @param {Uint8Array[]} objects
 * @param {Uint8Array | null} request
 */
export function encodeBatch(batchId, bundles, objects, request) {
  const requests = request ? [decode(request)] : [];
  return encode([VERSION, batchId, bundles, objects.map((item) => decode(item)), requests]);
}

/**
 * A batch: its container is judged, and the structure of its sync request; bundles and objects are not looked into.
 *
 * Raises E_SIZE, the decoding errors, E_VERSION, E_FIELD, E_TYPE or E_COUNT.
 * @param {Uint8Array} data @param {Uint8Array} network
 * @returns {{ batchId: Uint8Array, bundles: Uint8Array[], objects: any[], request: any }} `objects` as decoded.
 */
export function openBatch(data, network) {
  const values = decodeArray(data);
  sized("batch", values, 5);
  if (values[0] !== VERSION) {
    throw new TengeError("E_VERSION", { version: String(values[0]).slice(0, 20), expected: VERSION });
  }
  const requests = list(values[4], "sync request", 0, 1);
  return {
    batchId: NONCE.load(values[1], "batch id"),
    bundles: items(bytes(), 1024).load(values[2], "bundles"),
    objects: list(values[3], "objects", 0, 4096),
    request: requests.length ? openPart("SYNC_REQ", requests[0], network) : null,
  };
}

/**
 * An OFFER's bytes: a bundle, and outpoints as 66 hexadecimal digits.
 * @param {Uint8Array} bundle
 * @param {string[]} picks
 */
export function encodeOffer(bundle, picks) {
  return encode([
    bundle,
    picks.map((pick) => [unhex(pick.slice(0, 64)), Number.parseInt(pick.slice(64), 16)]),
  ]);
}

/** @param {Uint8Array} data @returns {{ bundle: Uint8Array, picks: string[] }} */
export function openOffer(data) {
  const values = decodeArray(data);
  if (values.length !== 2 || !(values[0] instanceof Uint8Array) || !Array.isArray(values[1])) {
    throw new TengeError("E_FIELD", { field: "offer", problem: "not a bundle and a list of outpoints" });
  }
  const picks = values[1].map((pick) => {
    const fits = Array.isArray(pick) && pick.length === 2 && pick[0] instanceof Uint8Array;
    if (!fits || typeof pick[1] !== "number") {
      throw new TengeError("E_FIELD", { field: "offer", problem: "an outpoint is not a hash and a number" });
    }
    return hex(pick[0]) + pick[1].toString(16).padStart(2, "0");
  });
  return { bundle: values[0], picks };
}

/** @param {any} invoice @param {any} payee Signed. */
export function encodeRequest(invoice, payee) {
  return encode([REQUEST, envelopeItems(invoice), envelopeItems(payee)]);
}

/** @param {any[]} transfers Signed. */
export function encodeCommit(transfers) {
  return encode([COMMIT, transfers.map(envelopeItems)]);
}

/**
 * @param {{ session: Uint8Array, payee: Uint8Array, amountTiyn: number, purpose: number, maxParts: number,
 *   maxBytes: number, trustSequence: number }} hello `payee` is the certificate's envelope.
 */
export function encodeHello({ session, payee, amountTiyn, purpose, maxParts, maxBytes, trustSequence }) {
  return encode([HELLO, session, decode(payee), amountTiyn, purpose, maxParts, maxBytes, trustSequence]);
}

/** @param {{ session: Uint8Array, offer: Uint8Array, trustSequence: number, chain: Uint8Array[] }} message */
export function encodeOfferMessage({ session, offer, trustSequence, chain }) {
  return encode([OFFER, session, offer, trustSequence, chain.map((item) => decode(item))]);
}

/** @param {{ session: Uint8Array, invoice: Uint8Array, chain: Uint8Array[] }} message */
export function encodeDraft({ session, invoice, chain }) {
  return encode([DRAFT, session, decode(invoice), chain.map((item) => decode(item))]);
}

/**
 * The message in `data`, by `type`; only structure is checked. A BUNDLE is not looked into.
 *
 * Raises E_SIZE, the decoding errors, E_OBJTYPE, E_FIELD, E_TYPE, E_COUNT.
 * @param {Uint8Array} data @param {Uint8Array} network @param {number} [limitBytes]
 * @returns {any}
 */
export function openMessage(data, network, limitBytes = MESSAGE_BYTES) {
  const values = decodeArray(data, limitBytes);
  const kind = values[0];
  const size = typeof kind === "number" ? SIZES[kind] : undefined;
  if (!size) {
    throw new TengeError("E_OBJTYPE", {
      type: String(kind).slice(0, 20),
      expected: "a message between devices",
    });
  }
  sized("message", values, size);
  if (kind === VERSION) {
    return { type: "BUNDLE" };
  }
  if (kind === RECEIPT) {
    return { type: "RECEIPT", receipt: openPart("RECEIPT", values, network) };
  }
  if (kind === REQUEST) {
    const invoice = openPart("INVOICE", values[1], network);
    return { type: "REQUEST", invoice, payee: openPart("DEVCERT", values[2], network) };
  }
  if (kind === COMMIT) {
    const transfers = list(values[1], "transfers", 1, 8);
    return { type: "COMMIT", transfers: transfers.map((item) => openPart("TRANSFER", item, network)) };
  }
  return openTalk(kind, values, network);
}

/** @param {number} kind @param {any[]} values @param {Uint8Array} network */
function openTalk(kind, values, network) {
  const session = NONCE.load(values[1], "session");
  if (kind === HELLO) {
    const [purpose, parts, maxBytes, trustSequence] = values
      .slice(4)
      .map((value) => NUMBER.load(value, "hello"));
    const payee = openPart("DEVCERT", values[2], network);
    const amountTiyn = unsigned(1).load(values[3], "amount");
    const maxParts = unsigned(1, 8).load(parts, "parts");
    return { type: "HELLO", session, payee, amountTiyn, purpose, maxParts, maxBytes, trustSequence };
  }
  if (kind === DRAFT) {
    const invoice = openPart("INVOICE", values[2], network);
    return { type: "DRAFT", session, invoice, ...chainOf(values[3], network) };
  }
  const offer = bytes().load(values[2], "offer");
  const trustSequence = NUMBER.load(values[3], "trust sequence");
  return { type: "OFFER", session, offer, trustSequence, ...chainOf(values[4], network) };
}

/**
 * The message that passes TRUST lists on by QR code; E_TRUST_QR when it has more than 1,024 bytes.
 * @param {any[]} chain Signed lists, oldest first. @returns {Uint8Array}
 */
export function encodeLists(chain) {
  const data = encode([LISTS, chain.map(envelopeItems)]);
  checkListsLength(data);
  return data;
}

/** @param {Uint8Array} data */
function checkListsLength(data) {
  if (data.length > LISTS_BYTES) {
    throw new TengeError("E_TRUST_QR", { bytes: data.length, limit_bytes: LISTS_BYTES });
  }
}

/**
 * A view that has caught up with the lists of a message; the view itself when they are not newer.
 *
 * Raises E_TRUST_QR, the decoding errors, E_FIELD for another message, and what `TrustView.adopt` raises.
 * @param {Uint8Array} data @param {import("./trust.js").TrustView} trust
 * @returns {Promise<import("./trust.js").TrustView>}
 */
export async function takeLists(data, trust) {
  checkListsLength(data);
  const values = decodeArray(data);
  const [kind, lists] = values;
  if (values.length !== 2 || kind !== LISTS || !Array.isArray(lists) || lists.length > MAX_LISTS) {
    throw new TengeError("E_FIELD", { field: "trust lists", problem: "not a message of lists" });
  }
  const chain = lists.map((item) => openPart("TRUST", item, trust.network));
  return chain.length && chain[chain.length - 1].record.sequence > trust.sequence
    ? trust.adoptAll(chain)
    : trust;
}

/** The lists as envelopes, and the number of the last. @param {any} value @param {Uint8Array} network */
function chainOf(value, network) {
  const parts = list(value, "trust chain", 0, 64);
  const opened = parts.map((item) => openPart("TRUST", item, network));
  return { chain: parts.map((item) => encode(item)), chainSequence: opened.at(-1)?.record.sequence ?? 0 };
}

export { MAX_MESSAGE_BYTES };
