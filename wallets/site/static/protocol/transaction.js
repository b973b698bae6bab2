// @ts-check
/**
 * The closed list of transactions of the online ledger: their fields, their ids, and how one is signed and opened. As
 * `cbdc/transaction.py` and `cbdc/token.py`.
 *
 *     wire        [type, body, [[key id, signature]...]]
 *     id          SHA-256("kzt-dt/online/v1\0" || type || network || body)
 *     token       { amountTiyn, lock, mark }      mark: 32 bytes, or none
 *     token id    [transaction id, output]
 *     lock        [1, kid]  [2, threshold, [kid...]]  [3, hash, claim kid, refund kid, deadline]
 *
 * A holder signs TRANSFER and LOAD_OFFLINE; the others are read, so that a wallet can show what the journal says.
 * Marks' definitions and statements inside a transaction are opened as envelopes only, their fields not.
 */

import { hex } from "./bytes.js";
import { decode, decodeArray, encode } from "./canonical.js";
import { TengeError } from "./errors.js";
import { publicKey, signMessage, verify } from "./keys.js";
import {
  ALGORITHM,
  AMOUNT,
  HASH,
  HASH_OR_NONE,
  NONCE,
  NUMBER,
  RAW_KEY,
  SIGNATURE,
  SMALL,
  bytes,
  bytesUpTo,
  group,
  items,
  kindOf,
  text,
  unsigned,
  wrongType,
} from "./kinds.js";
import { objectId, readBody, schema, signingMessage, writeBody } from "./records.js";

export const MAX_INPUTS = 256;
export const MAX_OUTPUTS = 256;
export const MAX_TRANSACTION_BYTES = 65_000;
const MAX_LOCK_KEYS = 16;
const MAX_WITNESSES = 32;
const MOST_BANK = Number.MAX_SAFE_INTEGER - 1;

// --- tokens and locks ---

/** @param {string} field */
const noLock = (field) => new TengeError("E_LOCK", { field });

/** A lock; E_TYPE, E_FIELD, E_COUNT, and E_LOCK for one that nobody could open. @type {import("./kinds.js").Kind} */
const LOCK = {
  load(value, name) {
    if (!Array.isArray(value)) {
      throw wrongType(name, value);
    }
    const [tag] = value;
    if (tag === 1 && value.length === 2) {
      return [1, HASH.load(value[1], name)];
    }
    if (tag === 2 && value.length === 3) {
      const kids = items(HASH, MAX_LOCK_KEYS, 1).load(value[2], name);
      const threshold = AMOUNT.load(value[1], name);
      if (threshold > kids.length || new Set(kids.map(hex)).size !== kids.length) {
        throw noLock(name);
      }
      return [2, threshold, kids];
    }
    if (tag === 3 && value.length === 5) {
      const kids = value.slice(1, 4).map((item) => HASH.load(item, name));
      return [3, ...kids, NUMBER.load(value[4], name)];
    }
    throw noLock(name);
  },
  store: (value) => value,
};

const TOKEN_ID = group([HASH, unsigned(0, MAX_OUTPUTS - 1)]);
const TOKEN = group([AMOUNT, LOCK, HASH_OR_NONE], ["amountTiyn", "lock", "mark"]);
const INPUTS = items(TOKEN_ID, MAX_INPUTS, 1);
const OUTPUTS = items(TOKEN, MAX_OUTPUTS, 1);
const SOME_OUTPUTS = items(TOKEN, MAX_OUTPUTS);
const ENVELOPE = bytesUpTo(16_384);
const LINES = items(group([unsigned(0, 2 ** 32 - 1), unsigned(1, 1e9), AMOUNT]), 64);
const DOCUMENTS = items(HASH, 16);
const REFERENCE_TEXT = text(128);
const BANK = unsigned(1, MOST_BANK);
const WITNESSES = items(group([HASH, SIGNATURE]), MAX_WITNESSES, 1);

/** The key id that counts as a lock's holder. @param {any[]} lock @returns {Uint8Array} */
export function holderOf(lock) {
  return lock[0] === 1 ? lock[1] : lock[0] === 2 ? lock[2][0] : lock[3];
}

/** A token id in one text, "transaction id:output". @param {[Uint8Array, number]} tokenId @returns {string} */
export function tokenName([transactionId, output]) {
  return `${hex(transactionId)}:${output}`;
}

// --- the kinds ---

const nonce = NONCE;
/** A transaction that a holder signs, and those a wallet reads. @type {readonly import("./records.js").Schema[]} */
const ALL = Object.freeze([
  schema(64, "ISSUE", { nonce, request: HASH, outputs: OUTPUTS }),
  schema(65, "TRANSFER", {
    nonce,
    inputs: INPUTS,
    outputs: OUTPUTS,
    definition: ENVELOPE,
    preimages: items(bytes(32), MAX_INPUTS),
    lines: LINES,
    documents: DOCUMENTS,
  }),
  schema(66, "REDEEM", { nonce, request: HASH, inputs: INPUTS, outputs: SOME_OUTPUTS }),
  schema(67, "FREEZE", { nonce, holder: HASH, legalReference: REFERENCE_TEXT }),
  schema(68, "UNFREEZE", { nonce, holder: HASH, legalReference: REFERENCE_TEXT }),
  schema(69, "SEIZE", { nonce, inputs: INPUTS, outputs: OUTPUTS, legalReference: REFERENCE_TEXT }),
  schema(70, "RELEASE_MARK", {
    nonce,
    inputs: INPUTS,
    outputs: OUTPUTS,
    statements: items(ENVELOPE, 64),
    documents: DOCUMENTS,
  }),
  schema(71, "EXPIRE_MARK", { nonce, inputs: INPUTS, outputs: OUTPUTS }),
  schema(72, "LOAD_OFFLINE", {
    nonce,
    inputs: INPUTS,
    outputs: OUTPUTS,
    device: HASH,
    loadNumber: AMOUNT,
  }),
  schema(73, "SETTLE_OFFLINE", {
    nonce,
    kind: unsigned(1, 4),
    fact: HASH,
    inputs: INPUTS,
    outputs: OUTPUTS,
  }),
  schema(74, "REGISTER_KEY", {
    nonce,
    algorithm: ALGORITHM,
    publicKey: RAW_KEY,
    bankId: unsigned(0, MOST_BANK),
    tier: SMALL,
    category: unsigned(1, 255),
    pseudonym: HASH,
  }),
  schema(75, "ROTATE_KEY", { nonce, old: HASH, algorithm: ALGORITHM, publicKey: RAW_KEY }),
  schema(76, "ATTEST", {
    nonce,
    factKind: unsigned(1, 65_535),
    subject: HASH,
    counterparty: HASH_OR_NONE,
    document: HASH_OR_NONE,
    amountTiyn: NUMBER,
    lines: LINES,
    expires: NUMBER,
    standing: unsigned(0, 1),
  }),
  schema(78, "HAND_OVER", {
    nonce,
    pseudonym: HASH,
    fromBank: BANK,
    toBank: BANK,
    keys: items(HASH, 64, 1),
    legalReference: REFERENCE_TEXT,
  }),
  schema(79, "RECOVER", {
    nonce,
    old: HASH,
    new: HASH,
    inputs: items(TOKEN_ID, MAX_INPUTS),
    outputs: SOME_OUTPUTS,
    legalReference: REFERENCE_TEXT,
  }),
]);

/** Every transaction by its number. @type {ReadonlyMap<number, import("./records.js").Schema>} */
export const TRANSACTIONS = new Map(ALL.map((one) => [one.type, one]));
export const TRANSFER = 65;
export const LOAD_OFFLINE = 72;
const DEFINITION = 82;
const STATEMENT = 83;

/**
 * A transaction with its signatures, not yet verified: `id` has 32 bytes, `witnesses` are [key id, signature].
 * @typedef {{ type: number, record: any, body: Uint8Array, id: Uint8Array, witnesses: [Uint8Array, Uint8Array][] }}
 *   SignedTransaction
 */

/** What each witness signs. @param {SignedTransaction} transaction @returns {Uint8Array} */
export function messageOf({ type, id }) {
  return signingMessage(type, id);
}

/** The canonical wire bytes. @param {SignedTransaction} transaction @returns {Uint8Array} */
export function encodeTransaction({ type, body, witnesses }) {
  return encode([type, body, witnesses]);
}

/**
 * A transaction signed by one or more keys, each signature verified before it is handed out.
 *
 * Raises E_FIELD, E_TYPE, E_COUNT, E_LOCK for a record that no such transaction can hold.
 * @param {number} type `TRANSFER` or `LOAD_OFFLINE`, or another that these keys may sign.
 * @param {any} record The fields by name; those of TRANSFER after `outputs` may be left out.
 * @param {Uint8Array} network
 * @param {{ privateKey: CryptoKey, algorithm: number, raw: Uint8Array, kid: Uint8Array }[]} signers
 * @returns {Promise<SignedTransaction>}
 */
export async function signTransaction(type, record, network, signers) {
  const kind = kindOfTransaction(type);
  const plain =
    type === TRANSFER ? { definition: new Uint8Array(), preimages: [], lines: [], documents: [] } : {};
  const body = writeBody(kind, { ...plain, ...record });
  const read = readBody(kind, body);
  const id = objectId(type, network, body);
  const message = signingMessage(type, id);
  /** @type {[Uint8Array, Uint8Array][]} */
  const witnesses = [];
  for (const signer of signers) {
    const signature = await signMessage(signer.privateKey, message);
    await verify(publicKey(signer.algorithm, signer.raw), signature, message);
    witnesses.push([signer.kid, signature]);
  }
  return { type, record: read, body, id, witnesses };
}

/** @param {any} type */
function kindOfTransaction(type) {
  const found = typeof type === "number" ? TRANSACTIONS.get(type) : undefined;
  if (!found) {
    throw new TengeError("E_OBJTYPE", { type: String(type).slice(0, 20), expected: "64..79" });
  }
  return found;
}

/**
 * The transaction in `data`, judged as far as possible without the ledger; its signatures are not verified.
 *
 * Raises the decoding errors, E_OBJTYPE for an unknown kind, E_WITNESS_TWICE, E_INPUT_TWICE, and E_MONEY_RANGE when the
 * outputs sum beyond the largest amount.
 * @param {Uint8Array} data @param {Uint8Array} network
 * @returns {SignedTransaction}
 */
export function openTransaction(data, network) {
  const values = decodeArray(data, MAX_TRANSACTION_BYTES);
  if (values.length !== 3) {
    throw new TengeError("E_FIELD", { field: "transaction", problem: `${values.length} items, not 3` });
  }
  const [type, body, witnesses] = values;
  const kind = kindOfTransaction(type);
  bytes().load(body, "body");
  const record = readBody(kind, body, MAX_TRANSACTION_BYTES);
  const pairs = WITNESSES.load(witnesses, "witnesses");
  if (new Set(pairs.map((/** @type {any} */ pair) => hex(pair[0]))).size !== pairs.length) {
    throw new TengeError("E_WITNESS_TWICE", { witnesses: pairs.length });
  }
  checkMoney(record);
  checkCarried(type, record);
  return { type, record, body, id: objectId(type, network, body), witnesses: pairs };
}

/** @param {any} record */
function checkMoney({ inputs = [], outputs = [] }) {
  if (new Set(inputs.map(tokenName)).size !== inputs.length) {
    throw new TengeError("E_INPUT_TWICE", { inputs: inputs.length });
  }
  // Above 2^53 - 1 the sum is no longer exact, and it is above the largest amount all the same.
  const total = outputs.reduce(
    (/** @type {number} */ sum, /** @type {any} */ one) => sum + one.amountTiyn,
    0,
  );
  if (total > Number.MAX_SAFE_INTEGER) {
    const facts = { amount_tiyn: total, least_tiyn: 1, most_tiyn: Number.MAX_SAFE_INTEGER };
    throw new TengeError("E_MONEY_RANGE", facts);
  }
}

/** @param {number} type @param {any} record */
function checkCarried(type, record) {
  if (type === TRANSFER && record.definition.length) {
    openOuter(record.definition, DEFINITION);
  } else if (record.statements) {
    record.statements.forEach((/** @type {Uint8Array} */ one) => openOuter(one, STATEMENT));
  }
}

/**
 * The envelope around a record of a mark, whose body is not looked into.
 * @param {Uint8Array} data @param {number} type
 */
function openOuter(data, type) {
  const values = decode(data);
  if (!Array.isArray(values)) {
    throw new TengeError("E_TYPE", { type: kindOf(values) });
  }
  if (values.length !== 3) {
    throw new TengeError("E_FIELD", { field: "envelope", problem: `${values.length} items, not 3` });
  }
  if (typeof values[0] !== "number") {
    throw wrongType("type", values[0]);
  }
  if (values[0] !== type) {
    throw new TengeError("E_OBJTYPE", { type: values[0], expected: type });
  }
  bytes().load(values[1], "body");
  SIGNATURE.load(values[2], "signature");
}
