// @ts-check
/**
 * How marked money arrives: with its mark, or free where the mark ends, or partly under another mark. As
 * `cbdc/clauses.py` (`parts_of`). The ledger judges; this only builds what it will accept.
 */

import { decodeArray, hex, unhex } from "./core.js";

const CLAUSES = 13;
const SHARE = 9;
const DROPS = 10;
const TREASURY = 201;

/** @param {any[]} clause [tag, name, payers, payees, arguments] @param {number} payer @param {number} payee */
function covers([, , payers, payees], payer, payee) {
  const byPayer = payers.length ? payers.includes(payer) : payer !== TREASURY;
  return byPayer && (!payees.length || payees.includes(payee));
}

/**
 * The parts of a payment between two categories of holders: [mark in hexadecimal, "" for free money; tiyn].
 * @param {Uint8Array} definition The envelope. @param {string} mark
 * @param {number} payer @param {number} payee Categories. @param {number} amountTiyn
 * @returns {[string, number][]}
 */
export function partsOf(definition, mark, payer, payee, amountTiyn) {
  const [, body] = decodeArray(definition);
  const clauses = decodeArray(body)[CLAUSES].filter((/** @type {any[]} */ one) => covers(one, payer, payee));
  /** @type {Map<string, number>} */
  const parts = new Map();
  const add = (/** @type {string} */ name, /** @type {number} */ tiyn) =>
    parts.set(name, (parts.get(name) ?? 0) + tiyn);
  let rest = amountTiyn;
  for (const [tag, , , , [numerator, denominator, other]] of clauses) {
    if (tag === SHARE) {
      // A broken tiyn goes to the share.
      const whole = BigInt(amountTiyn) * BigInt(numerator) + BigInt(denominator) - 1n;
      const part = Math.min(rest, Number(whole / BigInt(denominator)));
      add(hex(other), part);
      rest -= part;
    }
  }
  add(clauses.some((/** @type {any[]} */ [tag]) => tag === DROPS) ? "" : mark, rest);
  return [...parts].filter(([, tiyn]) => tiyn > 0);
}

/**
 * The parts of a payment of this wallet's to a key, by what the ledger knows of both. E_HTTP_NONE, E_PEER_DOWN.
 * @param {import("./online.js").OnlineWallet} wallet @param {string} kid @param {string} mark @param {number} amountTiyn
 * @returns {Promise<[string, number][]>}
 */
export async function arrivals(wallet, kid, mark, amountTiyn) {
  if (!mark) {
    return [["", amountTiyn]];
  }
  const [definition, payer, payee] = await Promise.all(
    [`/v1/marks/${mark}`, `/v1/keys/${wallet.kid}`, `/v1/keys/${kid}`].map((path) => wallet.api.get(path)),
  );
  return partsOf(unhex(definition.envelope), mark, payer.category, payee.category, amountTiyn);
}

/**
 * The row that keeps a mark's definition, where the wallet has none of it yet.
 * @param {import("./online.js").OnlineWallet} wallet @param {string} mark "" for free money.
 * @returns {Promise<import("./store.js").Change[]>}
 */
export async function unknownMark(wallet, mark) {
  if (!mark || (await wallet.store.get("marks", mark))) {
    return [];
  }
  return [["marks", mark, await wallet.api.get(`/v1/marks/${mark}`)]];
}
