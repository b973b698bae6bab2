// @ts-check
/**
 * Records: typed bodies with a fixed field order, and the envelope in which one signature travels. As
 * `cbdc/record.py` and `offline/records.py`; the field names are those of the protocol in camel case.
 *
 * A signed object is `{ type, record, body, signature, oid }`. Certificates and AUTHs also have `record.kid`.
 *
 * Source: DTO/1, sections 5.3 and 5.4.
 */

import { ascii, join, sha256 } from "./bytes.js";
import { MAX_LENGTH, decode, decodeArray, encode } from "./canonical.js";
import { TengeError } from "./errors.js";
import { keyId, publicKey, signMessage, verify } from "./keys.js";

export const DOMAIN = ascii("kzt-dt/offline/v1\0");
export const PAY = 0;
export const REDEEM = 1;
const NOWHERE = new Uint8Array(8);

/**
 * One kind of field: `load` checks a decoded value, `store` gives the value to encode.
 * @typedef {{ load: (value: any, name: string) => any, store: (value: any) => any }} Kind
 */

/** @param {any} value */
const kindOf = (value) =>
  value instanceof Uint8Array ? "bytes" : Array.isArray(value) ? "list" : typeof value;
/** @param {string} name @param {any} value */
const wrongType = (name, value) => new TengeError("E_TYPE", { type: `${name}: ${kindOf(value)}` });
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
  return {
    load(value, name) {
      if (!(value instanceof Uint8Array)) {
        throw wrongType(name, value);
      }
      if ((sizes.length && !sizes.includes(value.length)) || value.length > MAX_LENGTH) {
        throw new TengeError("E_FIELD", { field: name, problem: `${value.length} bytes long` });
      }
      return value;
    },
    store: same,
  };
}

/** @param {number} mostBytes @returns {Kind} */
function text(mostBytes) {
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
function group(kinds, names) {
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

const HASH = bytes(32);
const MAYBE = bytes(0, 32);
const NONCE = bytes(16);
const REFERENCE = bytes(8);
const NUMBER = unsigned();
const AMOUNT = unsigned(1);
const SMALL = unsigned(0, 255);
const ALGORITHM = unsigned(1, 255);
const RAW = bytes(32, 33);
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

/**
 * Every type by name: its number, and its fields in wire order.
 * @type {Record<string, { type: number, fields: [string, Kind][] }>}
 */
const TYPES = {
  ROOT: of(1, { algorithm: ALGORITHM, publicKey: RAW, notBefore: NUMBER, expires: NUMBER, label: text(64) }),
  AUTH: of(2, {
    role: unsigned(1, 255),
    algorithm: ALGORITHM,
    publicKey: RAW,
    notBefore: NUMBER,
    expires: NUMBER,
    scope: items(NUMBER, 8),
  }),
  DEVCERT: of(3, {
    caReference: REFERENCE,
    deviceId: NONCE,
    algorithm: ALGORITHM,
    publicKey: RAW,
    tier: unsigned(1, 255),
    category: SMALL,
    limits: LIMITS,
    notBefore: NUMBER,
    expires: NUMBER,
    certificateNumber: NUMBER,
  }),
  NOTE: of(4, {
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
  TRANSFER: of(5, {
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
  INVOICE: of(6, {
    payee: HASH,
    invoiceNumber: NUMBER,
    nonce: NONCE,
    amountTiyn: AMOUNT,
    purpose: PURPOSE,
    expires: NUMBER,
    trustSequence: NUMBER,
    maxParts: unsigned(1, 8),
    maxBytes: NUMBER,
    offer: MAYBE,
    memo: MAYBE,
  }),
  RECEIPT: of(7, { payee: HASH, invoice: HASH, paymentRoot: HASH, status: SMALL, time: NUMBER }),
  SYNC_REQ: of(8, {
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
  SYNC_ACK: of(9, {
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
    certificate: MAYBE,
  }),
  TRUST: of(10, {
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
  REDEEM_ORDER: of(11, { kid: HASH, account: HASH, nonce: NONCE, expires: NUMBER }),
  ENROL: of(14, { bankId: NUMBER, algorithm: ALGORITHM, publicKey: RAW, challenge: HASH }),
};

/** @param {number} type @param {Record<string, Kind>} fields @returns {{ type: number, fields: [string, Kind][] }} */
function of(type, fields) {
  return { type, fields: Object.entries(fields) };
}

/**
 * SHA-256(DST || type || network || body).
 * @param {number} type
 * @param {Uint8Array} network
 * @param {Uint8Array} body
 */
function objectId(type, network, body) {
  return sha256(join(DOMAIN, Uint8Array.of(type), network, body));
}

/** @param {string} name @param {Uint8Array} body */
function readBody(name, body) {
  const { fields } = TYPES[name];
  const values = decodeArray(body, MAX_LENGTH);
  if (values.length !== fields.length) {
    throw new TengeError("E_FIELD", {
      field: name,
      problem: `${values.length} fields, not ${fields.length}`,
    });
  }
  const record = Object.fromEntries(
    fields.map(([field, kind], place) => [field, kind.load(values[place], field)]),
  );
  return completed(record);
}

/** A record with a key gets its key id and, when it is asked for, its key (E_KEY). @param {any} record */
function completed(record) {
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
 * @param {string} name @param {any} envelope @param {Uint8Array} network
 */
export function openEnvelope(name, envelope, network) {
  return openPart(name, envelope instanceof Uint8Array ? decode(envelope) : envelope, network);
}

/**
 * Like `openEnvelope`, for one that is part of a container: an array.
 * @param {string} name
 * @param {any} envelope
 * @param {Uint8Array} network
 */
export function openPart(name, envelope, network) {
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
  if (type !== TYPES[name].type) {
    throw new TengeError("E_OBJTYPE", { type, expected: TYPES[name].type });
  }
  bytes().load(body, "body");
  bytes(64).load(signature, "signature");
  return { type, record: readBody(name, body), body, signature, oid: objectId(type, network, body) };
}

/** `[type, body, signature]`. @param {any} signed */
export function envelopeItems(signed) {
  return [signed.type, signed.body, signed.signature];
}

/** The canonical bytes of a signed object's envelope. @param {any} signed @returns {Uint8Array} */
export function encodeSigned(signed) {
  return encode(envelopeItems(signed));
}

/** @param {number} type @param {Uint8Array} oid */
function signingMessage(type, oid) {
  return join(DOMAIN, ascii("sig\0"), Uint8Array.of(type), oid);
}

/** Return if the signature is `key`'s over this object; E_SIG otherwise. @param {any} signed @param {any} key */
export function verifySigned(signed, key) {
  return verify(key, signed.signature, signingMessage(signed.type, signed.oid));
}

/**
 * A record signed for `network`, and verified before it is handed out. Raises E_FIELD, E_TYPE, E_COUNT for values
 * that no such object can hold.
 * @param {string} name @param {any} record @param {Uint8Array} network
 * @param {{ privateKey: CryptoKey, algorithm: number, raw: Uint8Array }} key
 */
export async function signRecord(name, record, network, key) {
  const { type, fields } = TYPES[name];
  const body = encode(fields.map(([field, kind]) => kind.store(record[field])));
  const oid = objectId(type, network, body);
  const signature = await signMessage(key.privateKey, signingMessage(type, oid));
  const signed = { type, record: readBody(name, body), body, signature, oid };
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
