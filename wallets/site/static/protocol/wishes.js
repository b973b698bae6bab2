// @ts-check
/**
 * What a holder signs beside payments: a consent for a third party, a mandate for a payee, a request to pay. As
 * `cbdc/partners/records.py`, `cbdc/mandates.py` and `cbdc/request_board.py`. None of them moves money by itself.
 */

import { AMOUNT, HASH, NUMBER, items, text, unsigned } from "./kinds.js";
import { encodeSigned, openEnvelope, schema, signRecord, verifySigned } from "./records.js";
import { keyId, publicKey } from "./keys.js";
import { TengeError } from "./errors.js";
import { sameBytes } from "./bytes.js";

/** The words a consent may use, in the order in which they are signed. */
export const SCOPES = Object.freeze(["balance", "history", "lock", "mandate", "pay", "split"]);

export const CONSENT = schema(101, "Consent", {
  id: HASH,
  holder: HASH,
  partner: HASH,
  scopes: items(text(32), SCOPES.length, 1),
  paymentLimitTiyn: NUMBER,
  dayLimitTiyn: NUMBER,
  first: NUMBER,
  last: NUMBER,
});
export const MANDATE = schema(87, "Mandate", {
  id: HASH,
  payer: HASH,
  payee: HASH,
  paymentLimitTiyn: AMOUNT,
  periodLimitTiyn: AMOUNT,
  mostPayments: unsigned(1),
  periodSeconds: unsigned(1),
  first: NUMBER,
  last: NUMBER,
});
export const REQUEST_TO_PAY = schema(88, "RequestToPay", {
  id: HASH,
  payee: HASH,
  amountTiyn: NUMBER,
  memo: text(140),
  made: NUMBER,
  expires: NUMBER,
});

/**
 * A record of these three, signed, as the bytes of its envelope. Limits in tiyn, moments in virtual Unix seconds.
 * E_FIELD, E_TYPE, E_COUNT.
 * @param {import("./records.js").Schema} kind @param {any} record @param {Uint8Array} network
 * @param {{ privateKey: CryptoKey, algorithm: number, raw: Uint8Array }} signer
 * @returns {Promise<Uint8Array>}
 */
export async function signWish(kind, record, network, signer) {
  return encodeSigned(await signRecord(kind, record, network, signer));
}

/**
 * The request in an envelope, signed by the key it asks to pay; the decoding errors, E_SIG, and E_PEER_ANSWER for a key
 * that is not the payee's.
 * @param {Uint8Array} envelope @param {Uint8Array} network
 * @param {{ algorithm: number, raw: Uint8Array }} payee The key as the ledger knows it.
 * @returns {Promise<{ id: Uint8Array, payee: Uint8Array, amountTiyn: number, memo: string, made: number,
 *   expires: number }>}
 */
export async function openRequestToPay(envelope, network, { algorithm, raw }) {
  const signed = openEnvelope(REQUEST_TO_PAY, envelope, network);
  if (!sameBytes(keyId(algorithm, raw), signed.record.payee)) {
    throw new TengeError("E_PEER_ANSWER", { answer: "payee" });
  }
  await verifySigned(signed, publicKey(algorithm, raw));
  return signed.record;
}
