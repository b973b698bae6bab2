// @ts-check
/**
 * Simulated cards of this wallet, as its bank keeps them. A card spends what lies in its **pocket**: tokens behind a
 * lock that this wallet's key opens, and the card's chip. So only this wallet fills a pocket, by a transfer it signs,
 * and it empties one without the card.
 */

import { TRANSFER, TengeError, hex, holderProof, inputOf, outputFor, randomBytes, unhex } from "./core.js";
import { newerSecond, realSecond } from "./newer.js";

/** @typedef {import("./online.js").OnlineWallet} OnlineWallet */

const MOST_KEYS = 4;
const MOST_TOKENS = 250;
const HOLDING_BYTES = 16; // The words for it name a card as well, and a word is short.

/** The cards of this wallet, with their last movements. @param {OnlineWallet} wallet @returns {Promise<any[]>} */
export async function cardsOf(wallet) {
  return (await wallet.api.get(`/v1/keys/${wallet.kid}/cards`, true)).cards;
}

/**
 * A word in real time.
 * @param {OnlineWallet} wallet @param {string} path @param {string} purpose @param {number} [time] Now, unless given.
 */
async function say(wallet, path, purpose, time = realSecond()) {
  const said = await holderProof(purpose, time, wallet.network, wallet.api.signer);
  return wallet.api.post(`/v1/keys/${wallet.kid}/cards${path}`, said);
}

/** A card from the bank; its id is kept first, so a lost answer makes no second card. @param {OnlineWallet} wallet */
export async function linkCard(wallet) {
  const id = (await wallet.store.get("meta", "card link")) ?? hex(randomBytes(32));
  await wallet.store.write([["meta", "card link", id]]);
  const card = await say(wallet, "", `card link ${id}`);
  await wallet.store.write([["meta", "card link", undefined]]);
  return card;
}

/**
 * Freeze a card, or let it pay again. The newer word counts, so none is said twice in a second.
 * @param {OnlineWallet} wallet @param {string} card @param {boolean} frozen
 */
export async function freezeCard(wallet, card, frozen) {
  const time = await newerSecond(wallet.store, `card word ${card}`);
  return say(wallet, `/${card}/words`, `card ${frozen ? "freeze" : "unfreeze"} ${card}`, time);
}

/**
 * Hold a card to a terminal for one amount.
 * @param {OnlineWallet} wallet @param {string} card @param {string} id 16 bytes in hexadecimal. @param {number} amountTiyn
 * @returns {Promise<{ code: string, amount_tiyn: number, until: number }>}
 */
export function holdCard(wallet, card, id, amountTiyn) {
  return say(wallet, `/${card}/holdings`, `card hold ${card} ${id} ${amountTiyn}`);
}

/** An id for a holding. @returns {string} */
export function holdingId() {
  return hex(randomBytes(HOLDING_BYTES));
}

/**
 * The lock of a card's pocket: any one key of it. E_PEER_ANSWER where this wallet's key is not its first.
 * @param {OnlineWallet} wallet @param {any} card
 */
function lockOf(wallet, card) {
  if (card.lock[0] !== wallet.kid || card.lock.length < 2 || card.lock.length > MOST_KEYS) {
    throw new TengeError("E_PEER_ANSWER", { answer: "card" });
  }
  return [2, 1, card.lock.map(unhex)];
}

/**
 * Put money into a card's pocket. The same id is the same transfer. Raises E_FUNDS, and what the ledger refuses.
 * @param {OnlineWallet} wallet @param {any} card @param {string} id @param {number} amountTiyn
 */
export function fillPocket(wallet, card, id, amountTiyn) {
  const output = { amountTiyn, lock: lockOf(wallet, card), mark: unhex("") };
  const about = { kid: "", amountTiyn, mark: "", words: card.number, way: "out" };
  return wallet.once(id, "card", about, () => wallet.transfer([output], amountTiyn, ""));
}

/**
 * Take everything out of a card's pocket, by this wallet's own signature. Raises E_FUNDS where nothing is there.
 * @param {OnlineWallet} wallet @param {any} card @param {string} id
 */
export async function emptyPocket(wallet, card, id) {
  const keys = JSON.stringify(card.lock);
  const { tokens } = await wallet.api.get(`/v1/keys/${wallet.kid}/tokens`, true);
  const inside = tokens
    .filter(
      (/** @type {any} */ one) =>
        one.lock[0] === 2 && one.lock[1] === 1 && JSON.stringify(one.lock[2]) === keys && !one.mark,
    )
    .slice(0, MOST_TOKENS);
  const amountTiyn = inside.reduce(
    (/** @type {number} */ sum, /** @type {any} */ one) => sum + one.amount_tiyn,
    0,
  );
  if (!amountTiyn) {
    throw new TengeError("E_FUNDS", { available_tiyn: 0, amount_tiyn: 1 });
  }
  const names = inside.map((/** @type {any} */ one) => `${one.transaction_id}:${one.output}`).sort();
  const outputs = [outputFor(unhex(wallet.kid), amountTiyn, "")];
  const record = { nonce: randomBytes(16), inputs: names.map(inputOf), outputs };
  const about = { kid: "", amountTiyn, mark: "", words: card.number, way: "in" };
  return wallet.once(id, "card", about, () => wallet.signed(TRANSFER, record, []));
}
