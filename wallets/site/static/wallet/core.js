// @ts-check
/**
 * The one place where the wallet meets the protocol code: what it uses of it, under the names and shapes it uses.
 * Tokens are named "transaction id:output", key ids are hexadecimal where a person or a row has them.
 */

import { hex, unhex } from "../protocol/bytes.js";
import { Assembler, openQr, qrTexts } from "../protocol/frames.js";
import * as ledger from "../protocol/online.js";
import { encodeSigned, objectId, openEnvelope, readBody, signingMessage } from "../protocol/records.js";
import * as transactions from "../protocol/transaction.js";

export { ascii, hex, join, sameBytes, sha256, unhex } from "../protocol/bytes.js";
export { decodeArray, encode } from "../protocol/canonical.js";
export { TengeError } from "../protocol/errors.js";
export { ED25519, ES256, keyId, makeKey, rawOf, signMessage } from "../protocol/keys.js";
export { checkInclusion, fundOrder, leafOf } from "../protocol/online.js";
export { choose } from "../protocol/selection.js";
export { CONSENT, MANDATE, REQUEST_TO_PAY, SCOPES, openRequestToPay, signWish } from "../protocol/wishes.js";
export { LOAD_OFFLINE, TRANSFER } from "../protocol/transaction.js";

export const QR_PREFIX = "DT1:";
export const SETTLE_OFFLINE = 73;
export const REGISTER_KEY = 74;
export const RECOVER = 79;
const PAYLOAD_BYTES = 300;
const MOST_MESSAGE_BYTES = 24 * 1024;

/** A few random bytes. @param {number} count @returns {Uint8Array} */
export function randomBytes(count) {
  return crypto.getRandomValues(new Uint8Array(count));
}

/**
 * "It is I who ask", for a purpose. `time` is real seconds for readings, virtual for aliases and devices.
 * @param {string} purpose @param {number} time @param {Uint8Array} network @param {any} signer
 */
export function holderProof(purpose, time, network, signer) {
  return ledger.holderProof({ purpose, time, nonce: randomBytes(16) }, network, signer);
}

/**
 * A signed transaction: its bytes on the wire and its id.
 * @param {number} type @param {any} record @param {Uint8Array} network @param {any} signer
 * @returns {Promise<{ id: Uint8Array, bytes: Uint8Array }>}
 */
export async function signTransaction(type, record, network, signer) {
  const signed = await transactions.signTransaction(type, record, network, [signer]);
  return { id: signed.id, bytes: transactions.encodeTransaction(signed) };
}

/** A token's name as a transaction's input. @param {string} name @returns {[Uint8Array, number]} */
export function inputOf(name) {
  const [id, output] = name.split(":");
  return [unhex(id), Number(output)];
}

/**
 * A token for one key.
 * @param {Uint8Array} kid @param {number} amountTiyn @param {string} mark Hexadecimal, "" for free money.
 */
export function outputFor(kid, amountTiyn, mark) {
  return { amountTiyn, lock: [1, kid], mark: unhex(mark) };
}

/**
 * What a transaction of the journal says: who signed, what it makes.
 * @param {Uint8Array} bytes @param {Uint8Array} network
 * @returns {{ type: number, id: string, signers: string[],
 *   creates: { amountTiyn: number, kid: string, mark: string }[] }}
 */
export function readTransaction(bytes, network) {
  const { type, record, id, witnesses } = transactions.openTransaction(bytes, network);
  const creates = (record.outputs ?? []).map((/** @type {any} */ { amountTiyn, lock, mark }) => ({
    amountTiyn,
    kid: lock[0] === 1 ? hex(lock[1]) : "",
    mark: hex(mark),
  }));
  return { type, id: hex(id), signers: witnesses.map(([kid]) => hex(kid)), creates };
}

/** The fields of a transfer's body; the decoding errors. @param {Uint8Array} body */
export function readTransfer(body) {
  return readBody(/** @type {any} */ (transactions.TRANSACTIONS.get(transactions.TRANSFER)), body);
}

/**
 * What a key signs to join, and which key the registration names.
 * @param {Uint8Array} body @param {Uint8Array} network
 */
export function readOffer(body, network) {
  const { record, message } = readPaper(REGISTER_KEY, body, network);
  return { algorithm: record.algorithm, publicKey: record.publicKey, message };
}

/**
 * A transaction that others made, before it is signed: its fields, and the bytes that a key signs over it.
 * @param {number} type @param {Uint8Array} body @param {Uint8Array} network
 * @returns {{ record: any, message: Uint8Array }}
 */
export function readPaper(type, body, network) {
  const record = readBody(/** @type {any} */ (transactions.TRANSACTIONS.get(type)), body);
  return { record, message: signingMessage(type, objectId(type, network, body)) };
}

/** Entry 0 of the journal, everything verified from ROOT. @param {Uint8Array} payload */
export async function openGenesis(payload) {
  const genesis = await ledger.openGenesis(payload);
  return { ...genesis, root: encodeSigned(genesis.authority.root) };
}

/**
 * A head of the log that the ledger signed; E_SIG.
 * @param {Uint8Array} envelope @param {any} genesis
 * @returns {Promise<{ size: number, root: Uint8Array, time: number }>}
 */
export async function openHead(envelope, genesis) {
  return (await ledger.openHead(envelope, genesis)).record;
}

/** The id of an ENROL, which its owner's word names. @param {Uint8Array} envelope @param {Uint8Array} network */
export function enrolmentId(envelope, network) {
  return hex(openEnvelope("ENROL", envelope, network).oid);
}

/** The texts of the QR codes that carry a message. @param {Uint8Array} message @returns {string[]} */
export function codesOf(message) {
  return qrTexts(message, PAYLOAD_BYTES);
}

/** Puts the texts of QR codes together. */
export class Collector {
  #assembler = new Assembler(MOST_MESSAGE_BYTES);

  /** How far the message that is nearest to its end has come. */
  get progress() {
    return this.#assembler.progress;
  }

  /** The whole message if this text completes one, else null; E_FRAME, E_SIZE. @param {string} text */
  take(text) {
    return this.#assembler.take(openQr(text), Math.floor(Date.now() / 1000));
  }
}
