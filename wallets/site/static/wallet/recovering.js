// @ts-check
/**
 * A lost wallet's money for this browser's new key: a bank's code shows what comes, the key signs, the bank completes.
 *
 * Signed is only what gives to this key: its own registration, and recoveries of the lost key whose every token it
 * gets. The key is kept before the code is shown, so the same code goes on after a closed tab.
 */

import { RECOVER, REGISTER_KEY, TengeError, encode, hex, readPaper, sameBytes, signMessage, unhex } from "./core.js";

/**
 * What a recovery code brings.
 * @typedef {object} Offered
 * @property {string} code
 * @property {number} bankId
 * @property {string} lost The lost key's id, hexadecimal.
 * @property {number} ready Virtual Unix seconds from which it may be completed.
 * @property {boolean} done Complete already: it is only shown again.
 * @property {number} amountTiyn What comes now.
 * @property {number} lockedTiyn What stays behind locks that name the lost key.
 * @property {number} offlineTiyn What was taken offline on the lost devices, in notes that have not closed.
 * @property {number} offlineCloses When the last of those notes closes; 0 without any.
 * @property {{ type: number, body: string }[]} papers What is signed.
 */

/**
 * Show a code with this wallet's new key; from then on the code is this key's.
 *
 * Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED, E_KEY_TAKEN, E_BANK_UNKNOWN, E_PEER_DOWN.
 * @param {any} wallet @param {string} code @param {number} bankId
 * @returns {Promise<Offered>}
 */
export async function offeredBy(wallet, code, bankId) {
  const signer = await wallet.begin();
  const shown = encode([code, signer.algorithm, signer.raw]);
  const answer = await wallet.api.post(`/v1/recoveries/${bankId}/papers`, shown);
  return {
    code,
    bankId,
    lost: answer.lost,
    ready: answer.ready,
    done: answer.done,
    amountTiyn: answer.amount_tiyn,
    lockedTiyn: answer.locked_tiyn,
    offlineTiyn: answer.offline_tiyn,
    offlineCloses: answer.offline_closes,
    papers: answer.papers,
  };
}

/**
 * Sign, take over, and be a wallet of the bank; again: the same. How much came, in tiyn.
 *
 * Raises E_PEER_ANSWER for papers that give to another key, E_RECOVERY_WAIT, and E_SIG when what the lost key holds has
 * changed meanwhile (look at what comes again).
 * @param {any} wallet @param {Offered} offered @param {string} name How the person calls this wallet.
 * @returns {Promise<number>}
 */
export async function takeOver(wallet, offered, name) {
  const signer = await wallet.begin();
  const { code, bankId, papers } = offered;
  const signatures = [];
  for (const { type, body } of papers) {
    const message = checkedPaper(type, unhex(body), wallet.network, signer, offered);
    signatures.push(await signMessage(signer.privateKey, message));
  }
  const words = encode([code, signer.algorithm, signer.raw, signatures]);
  const answer = await wallet.api.post(`/v1/recoveries/${bankId}/complete`, words);
  await wallet.become(signer, bankId, name, answer.receipt);
  return answer.amount_tiyn;
}

/**
 * The bytes to sign over one paper, if it gives to this very key; E_PEER_ANSWER.
 * @param {number} type @param {Uint8Array} body @param {Uint8Array} network @param {any} signer
 * @param {{ lost: string, bankId: number }} offered
 * @returns {Uint8Array}
 */
export function checkedPaper(type, body, network, signer, { lost, bankId }) {
  if (type !== REGISTER_KEY && type !== RECOVER) {
    throw new TengeError("E_PEER_ANSWER", { answer: "recovery" });
  }
  const { record, message } = readPaper(type, body, network);
  const own =
    type === REGISTER_KEY
      ? record.algorithm === signer.algorithm &&
        sameBytes(record.publicKey, signer.raw) &&
        record.bankId === bankId
      : hex(record.old) === lost && sameBytes(record.new, signer.kid) && allFor(record.outputs, signer.kid);
  if (!own) {
    throw new TengeError("E_PEER_ANSWER", { answer: "recovery" });
  }
  return message;
}

/** @param {any[]} outputs @param {Uint8Array} kid */
function allFor(outputs, kid) {
  return outputs.every(({ lock }) => lock[0] === 1 && sameBytes(lock[1], kid));
}
