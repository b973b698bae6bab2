// @ts-check
/** From the journal's entries to the lines of a history, as one key sees them. Pure. */

import { LOAD_OFFLINE, RECOVER, SETTLE_OFFLINE, readTransaction, unhex } from "./core.js";

/**
 * One line of the history.
 * @typedef {object} Line
 * @property {string} id The transaction's id.
 * @property {number} index Its place in the journal.
 * @property {number} time Virtual Unix seconds.
 * @property {"in" | "out" | "own"} direction
 * @property {"pay" | "fund" | "defund" | "load" | "home" | "back" | "own"} kind
 * @property {number} amountTiyn
 * @property {string} mark "" for free money.
 * @property {string} peer A key id, or "".
 * @property {string} words What the person wrote.
 * @property {string} payload The transaction's bytes, for proofs.
 */

/**
 * The line of an entry for the holder of `kid`, or null when it moves nothing of theirs.
 * @param {{ index: number, time: number, payload: string }} entry
 * @param {string} kid @param {Uint8Array} network @param {Set<string>} banks Inventory keys.
 * @returns {Line | null}
 */
export function lineOf(entry, kid, network, banks) {
  const { type, id, signers, creates } = readTransaction(unhex(entry.payload), network);
  const mine = creates.filter((one) => one.kid === kid);
  const others = creates.filter((one) => one.kid !== kid);
  const signed = signers.includes(kid);
  if (!mine.length && !(signed && others.length)) {
    return null;
  }
  const moved = signed ? others : mine;
  const peer = signed ? (others[0]?.kid ?? "") : (signers[0] ?? "");
  const direction = signed ? (others.length ? "out" : "own") : "in";
  const kind = kindOf(type, direction, peer, banks);
  const amountTiyn = (moved.length ? moved : mine).reduce((sum, one) => sum + one.amountTiyn, 0);
  const mark = (moved[0] ?? mine[0])?.mark ?? "";
  const { index, time, payload } = entry;
  return { id, index, time, direction, kind, amountTiyn, mark, peer, words: "", payload };
}

/**
 * @param {number} type @param {string} direction @param {string} peer @param {Set<string>} banks
 * @returns {Line["kind"]}
 */
function kindOf(type, direction, peer, banks) {
  if (type === LOAD_OFFLINE) {
    return "load";
  }
  if (type === SETTLE_OFFLINE) {
    return "home";
  }
  if (type === RECOVER) {
    return "back";
  }
  if (direction === "own") {
    return "own";
  }
  return banks.has(peer) ? (direction === "in" ? "fund" : "defund") : "pay";
}
