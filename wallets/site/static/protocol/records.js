// @ts-check
/**
 * Records: typed bodies with a fixed field order, and the envelope in which one signature travels. As
 * `cbdc/record.py` and `offline/records.py`; the field names are those of the protocol in camel case.
 *
 * A signed object is `{ type, record, body, signature, oid }`. Certificates and AUTHs also have `record.kid`.
 *
 * A type is given by its name ("INVOICE") or by a `Schema` of another module (`online.js`). Which of the two domains an
 * object belongs to follows from its number: 1 to 63 are offline, 64 and above are the online ledger's.
 *
 * Source: DTO/1, sections 5.3 and 5.4.
 */

import { ascii, join, sha256 } from "./bytes.js";
import { MAX_LENGTH, decode, decodeArray, encode } from "./canonical.js";
import { TengeError } from "./errors.js";
import { keyId, publicKey, signMessage, verify } from "./keys.js";
import {
  ALGORITHM,
  AMOUNT,
  HASH,
  HASH_OR_NONE,
  NONCE,
  NUMBER,
  RAW_KEY,
  REFERENCE,
  SIGNATURE,
  SMALL,
  bytes,
  group,
  items,
  text,
  unsigned,
  wrongType,
} from "./kinds.js";

export { bytes, items, unsigned };

/**
 * A type: its number, its name, and its fields in wire order.
 * @typedef {{ type: number, name: string, fields: [string, import("./kinds.js").Kind][] }} Schema
 */

/**
 * A well-formed object whose signature is not yet verified. `record` has the fields by name; `oid` has 32 bytes.
 * @typedef {{ type: number, record: any, body: Uint8Array, signature: Uint8Array, oid: Uint8Array }} Signed
 */

export const DOMAIN = ascii("kzt-dt/offline/v1\0");
export const ONLINE_DOMAIN = ascii("kzt-dt/online/v1\0");
const FIRST_ONLINE = 64;
const BODY = bytes();
export const PAY = 0;
export const REDEEM = 1;
const NOWHERE = new Uint8Array(8);

const PURPOSE = unsigned(0, 65535);
const LIMITS = group(
  Array.from({ length: 6 }, () => NUMBER),
  ["maxBalanceTiyn", "maxPaymentTiyn", "maxOutTiyn", "maxCount", "maxAgeDays", "maxHops"],
);
const OUTPUTS = items(group([NUMBER, HASH], ["amountTiyn", "owner"]), 2, 1);
const EDGE = group([SMALL, items(SMALL, 64)]);
const LIMIT = group([items(SMALL, 32), items(SMALL, 32), NUMBER, NUMBER, NUMBER]);
const FLAG = unsigned(0, 1);
const PURPOSES = items(group([PURPOSE, items(EDGE, 64), FLAG, SMALL, FLAG, items(LIMIT, 33)]), 256);

/** Every offline type by name. @type {Readonly<Record<string, Schema>>} */
export const TYPES = Object.freeze({
  ROOT: schema(1, "ROOT", {
    algorithm: ALGORITHM,
    publicKey: RAW_KEY,
    notBefore: NUMBER,
    expires: NUMBER,
    label: text(64),
  }),
  AUTH: schema(2, "AUTH", {
    role: unsigned(1, 255),
    algorithm: ALGORITHM,
    publicKey: RAW_KEY,
    notBefore: NUMBER,
    expires: NUMBER,
    scope: items(NUMBER, 8),
  }),
  DEVCERT: schema(3, "DEVCERT", {
    caReference: REFERENCE,
    deviceId: NONCE,
    algorithm: ALGORITHM,
    publicKey: RAW_KEY,
    tier: unsigned(1, 255),
    category: SMALL,
    limits: LIMITS,
    notBefore: NUMBER,
    expires: NUMBER,
    certificateNumber: NUMBER,
  }),
  NOTE: schema(4, "NOTE", {
    issuerReference: REFERENCE,
    serial: NONCE,
    amountTiyn: NUMBER,
    owner: HASH,
    purpose: PURPOSE,
    maxHops: SMALL,
    maxLength: SMALL,
    issued: NUMBER,
    spendBy: NUMBER,
    redeemBy: NUMBER,
    loadNumber: NUMBER,
  }),
  TRANSFER: schema(5, "TRANSFER", {
    kind: SMALL,
    previous: HASH,
    index: SMALL,
    outputs: OUTPUTS,
    payer: HASH,
    counter: unsigned(1),
    link: HASH,
    reference: HASH,
    part: SMALL,
    parts: SMALL,
    hop: SMALL,
    length: SMALL,
    purpose: PURPOSE,
    spendBy: NUMBER,
    trustSequence: NUMBER,
    syncTime: NUMBER,
    time: NUMBER,
  }),
  INVOICE: schema(6, "INVOICE", {
    payee: HASH,
    invoiceNumber: NUMBER,
    nonce: NONCE,
    amountTiyn: AMOUNT,
    purpose: PURPOSE,
    expires: NUMBER,
    trustSequence: NUMBER,
    maxParts: unsigned(1, 8),
    maxBytes: NUMBER,
    offer: HASH_OR_NONE,
    memo: HASH_OR_NONE,
  }),
  RECEIPT: schema(7, "RECEIPT", {
    payee: HASH,
    invoice: HASH,
    paymentRoot: HASH,
    status: SMALL,
    time: NUMBER,
  }),
  SYNC_REQ: schema(8, "SYNC_REQ", {
    kid: HASH,
    syncNumber: NUMBER,
    counter: NUMBER,
    head: HASH,
    invoiceNumber: NUMBER,
    purse: items(group([HASH, SMALL, AMOUNT]), 1024),
    outTotalTiyn: NUMBER,
    inTotalTiyn: NUMBER,
    outCount: NUMBER,
    inCount: NUMBER,
    trustSequence: NUMBER,
    nonce: NONCE,
  }),
  SYNC_ACK: schema(9, "SYNC_ACK", {
    kid: HASH,
    syncNumber: NUMBER,
    request: HASH,
    baseOutTiyn: NUMBER,
    baseInTiyn: NUMBER,
    baseOutCount: NUMBER,
    baseInCount: NUMBER,
    closedInvoiceNumber: NUMBER,
    time: NUMBER,
    minTrustSequence: NUMBER,
    action: SMALL,
    drop: items(group([HASH, SMALL]), 1024),
    certificate: HASH_OR_NONE,
  }),
  TRUST: schema(10, "TRUST", {
    sequence: NUMBER,
    baseSequence: NUMBER,
    issued: NUMBER,
    nextUpdate: NUMBER,
    revokedKids: items(NONCE, 4096),
    revokedReferences: items(REFERENCE, 256),
    taintedNotes: items(NONCE, 4096),
    policy: items(group([NUMBER, NUMBER]), 64),
    purposes: PURPOSES,
  }),
  REDEEM_ORDER: schema(11, "REDEEM_ORDER", { kid: HASH, account: HASH, nonce: NONCE, expires: NUMBER }),
  SUBMIT_ACK: schema(12, "SUBMIT_ACK", {
    batchId: NONCE,
    batchHash: HASH,
    logSize: NUMBER,
    logRoot: HASH,
    time: NUMBER,
  }),
  OUTCOME: schema(13, "OUTCOME", {
    subject: HASH,
    status: SMALL,
    amountTiyn: NUMBER,
    evidence: HASH_OR_NONE,
    logIndex: NUMBER,
    time: NUMBER,
  }),
  ENROL: schema(14, "ENROL", { bankId: NUMBER, algorithm: ALGORITHM, publicKey: RAW_KEY, challenge: HASH }),
  CERTLOG: schema(15, "CERTLOG", {
    size: NUMBER,
    logRoot: HASH,
    keys: NUMBER,
    limitsRoot: HASH,
    after: HASH_OR_NONE,
    time: NUMBER,
  }),
});

/**
 * A type of another module's.
 * @param {number} type @param {string} name @param {Record<string, import("./kinds.js").Kind>} fields
 * @returns {Schema}
 */
export function schema(type, name, fields) {
  return { type, name, fields: Object.entries(fields) };
}

/** @param {string | Schema} which @returns {Schema} */
function schemaOf(which) {
  return typeof which === "string" ? TYPES[which] : which;
}

/** @param {number} type */
function domainOf(type) {
  return type < FIRST_ONLINE ? DOMAIN : ONLINE_DOMAIN;
}

/**
 * SHA-256(DST || type || network || body).
 * @param {number} type @param {Uint8Array} network @param {Uint8Array} body
 */
export function objectId(type, network, body) {
  return sha256(join(domainOf(type), Uint8Array.of(type), network, body));
}

/** What a key signs: DST || "sig\0" || type || object id. @param {number} type @param {Uint8Array} oid */
export function signingMessage(type, oid) {
  return join(domainOf(type), ascii("sig\0"), Uint8Array.of(type), oid);
}

/**
 * The fields of a body, by name; E_FIELD for a wrong number of them, and what decoding and their kinds raise.
 * @param {string | Schema} which @param {Uint8Array} body @param {number} [limitBytes]
 */
export function readBody(which, body, limitBytes = MAX_LENGTH) {
  const { name, fields } = schemaOf(which);
  const values = decodeArray(body, limitBytes);
  if (values.length !== fields.length) {
    throw new TengeError("E_FIELD", {
      field: name,
      problem: `${values.length} fields, not ${fields.length}`,
    });
  }
  return completed(fields.map(([field, kind], place) => [field, kind.load(values[place], field)]));
}

/** The canonical body of a record, its fields checked. @param {string | Schema} which @param {any} record */
export function writeBody(which, record) {
  const { fields } = schemaOf(which);
  return encode(fields.map(([field, kind]) => kind.store(record[field])));
}

/** A record with a key gets its key id and, when it is asked for, its key (E_KEY). @param {[string, any][]} pairs */
function completed(pairs) {
  const record = Object.fromEntries(pairs);
  if (record.publicKey) {
    Object.defineProperty(record, "kid", { value: keyId(record.algorithm, record.publicKey) });
    Object.defineProperty(record, "key", { get: () => publicKey(record.algorithm, record.publicKey) });
  }
  return record;
}

/**
 * The signed object in an envelope (bytes, or a decoded array), structure checked only.
 *
 * Raises E_TYPE, E_FIELD, E_OBJTYPE, E_COUNT and the decoding errors.
 * @param {string | Schema} which @param {any} envelope @param {Uint8Array} network
 * @returns {Signed}
 */
export function openEnvelope(which, envelope, network) {
  return openPart(which, envelope instanceof Uint8Array ? decode(envelope) : envelope, network);
}

/**
 * Like `openEnvelope`, for one that is part of a container: an array.
 * @param {string | Schema} which @param {any} envelope @param {Uint8Array} network
 * @returns {Signed}
 */
export function openPart(which, envelope, network) {
  if (!Array.isArray(envelope)) {
    throw wrongType("envelope", envelope);
  }
  if (envelope.length !== 3) {
    throw new TengeError("E_FIELD", { field: "envelope", problem: `${envelope.length} items, not 3` });
  }
  const [type, body, signature] = envelope;
  if (typeof type !== "number") {
    throw wrongType("type", type);
  }
  const expected = schemaOf(which).type;
  if (type !== expected) {
    throw new TengeError("E_OBJTYPE", { type, expected });
  }
  BODY.load(body, "body");
  SIGNATURE.load(signature, "signature");
  return { type, record: readBody(which, body), body, signature, oid: objectId(type, network, body) };
}

/** `[type, body, signature]`. @param {Signed} signed */
export function envelopeItems(signed) {
  return [signed.type, signed.body, signed.signature];
}

/** The canonical bytes of a signed object's envelope. @param {Signed} signed @returns {Uint8Array} */
export function encodeSigned(signed) {
  return encode(envelopeItems(signed));
}

/**
 * Return if the signature is `key`'s over this object; E_SIG otherwise.
 * @param {Signed} signed @param {import("./keys.js").PublicKey} key
 */
export function verifySigned(signed, key) {
  return verify(key, signed.signature, signingMessage(signed.type, signed.oid));
}

/**
 * A record signed for `network`, and verified before it is handed out. Raises E_FIELD, E_TYPE, E_COUNT for values
 * that no such object can hold.
 * @param {string | Schema} which @param {any} record @param {Uint8Array} network
 * @param {{ privateKey: CryptoKey, algorithm: number, raw: Uint8Array }} key
 * @returns {Promise<Signed>}
 */
export async function signRecord(which, record, network, key) {
  const { type } = schemaOf(which);
  const body = writeBody(which, record);
  const read = readBody(which, body);
  const oid = objectId(type, network, body);
  const signature = await signMessage(key.privateKey, signingMessage(type, oid));
  const signed = { type, record: read, body, signature, oid };
  await verifySigned(signed, publicKey(key.algorithm, key.raw));
  return signed;
}

/** The `link` of a device's first transfer. @param {Uint8Array} kid */
export function genesisLink(kid) {
  return sha256(join(DOMAIN, ascii("genesis\0"), kid));
}

/** The ROOT in an envelope, verified under its own key, and its network. @param {Uint8Array} envelope */
export async function openRoot(envelope) {
  const unbound = openEnvelope("ROOT", envelope, NOWHERE);
  const network = sha256(unbound.body).slice(0, 8);
  const root = openEnvelope("ROOT", envelope, network);
  await verifySigned(root, root.record.key);
  return { root, network };
}
