// @ts-check
/** The first key of a wallet, and the registration that it signs to join a bank. */

import { ED25519, ES256, TengeError, makeKey, readOffer, sameBytes } from "./core.js";

/** A new key that cannot be taken out of the browser. */
export async function newSigner() {
  try {
    return await makeKey(ED25519);
  } catch {
    return makeKey(ES256);
  }
}

/**
 * What to sign: the registration, if it is of this very key; E_PEER_ANSWER.
 * @param {Uint8Array} body @param {Uint8Array} network @param {any} signer
 * @returns {Uint8Array}
 */
export function checkOffer(body, network, signer) {
  const { algorithm, publicKey, message } = readOffer(body, network);
  if (algorithm !== signer.algorithm || !sameBytes(publicKey, signer.raw)) {
    throw new TengeError("E_PEER_ANSWER", { answer: "offer" });
  }
  return message;
}
