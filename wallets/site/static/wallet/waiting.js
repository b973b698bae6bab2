// @ts-check
/**
 * What waits for the person: orders of third parties, requests in the inbox, and what became of requests of one's own.
 *
 * Asked at every refresh, kept for a day without a network, told once. What is not answered yet is sent again here: a
 * request that was written down and not posted, a payment that the board was not told of.
 */

import { isUnavailable } from "./api.js";
import {
  CONSENT,
  MANDATE,
  REQUEST_TO_PAY,
  TengeError,
  encode,
  hex,
  holderProof,
  join,
  openRequestToPay,
  randomBytes,
  sha256,
  signWish,
  unhex,
} from "./core.js";
import { newerSecond } from "./newer.js";
import { memoLine } from "./request.js";

/** @typedef {import("./online.js").OnlineWallet} OnlineWallet */
/** @typedef {{ orders: any[], inbox: any[], asked: any[] }} Waiting As the interface answers. */

const NOTHING = Object.freeze({ orders: [], inbox: [], asked: [] });
const WAITING = "waiting";
const ASKING = "asking";

/** What was known at the last refresh. @param {OnlineWallet} wallet @returns {Promise<Waiting>} */
export async function waitingOf(wallet) {
  return (await wallet.store.get("meta", WAITING)) ?? NOTHING;
}

/** Orders that this very key may still sign. @param {OnlineWallet} wallet @param {Waiting} waiting */
export function openOrders(wallet, { orders }) {
  return orders.filter(
    (order) =>
      ["open", "under way"].includes(order.state) &&
      order.signers.includes(wallet.kid) &&
      !order.signed_by.includes(wallet.kid),
  );
}

/** Requests that may still be paid or declined. @param {Waiting} waiting */
export function openRequests({ inbox }) {
  return inbox.filter(({ state }) => state === "open");
}

/**
 * Ask for everything that waits; gives what was known before and what is known now. E_PEER_DOWN and the like.
 * @param {OnlineWallet} wallet
 * @returns {Promise<{ before: Waiting | null, now: Waiting }>}
 */
export async function refreshWaiting(wallet) {
  await sendAsked(wallet);
  const read = (/** @type {string} */ name) => wallet.api.get(`/v1/keys/${wallet.kid}/${name}`, true);
  const [{ orders }, { requests: inbox }, { requests: asked }] = await Promise.all(
    ["partner-orders", "inbox", "requests"].map(read),
  );
  const now = { orders: orders.reverse(), inbox: await namePayments(wallet, inbox), asked };
  const before = await wallet.store.get("meta", WAITING);
  if (JSON.stringify(before) !== JSON.stringify(now)) {
    await wallet.store.write([["meta", WAITING, now]]);
  }
  return { before: before ?? null, now };
}

/**
 * What the holder of this key says for a purpose, in the ledger's time.
 * @param {OnlineWallet} wallet @param {string} purpose
 */
function word(wallet, purpose) {
  return holderProof(purpose, wallet.now(), wallet.network, wallet.api.signer);
}

/** @param {OnlineWallet} wallet @param {string} path @param {string} purpose */
async function say(wallet, path, purpose) {
  return wallet.api.post(path, await word(wallet, purpose));
}

// --- requests to pay ---

/**
 * Put a request into somebody's inbox: written down first, sent until it is answered. Raises what the board refuses.
 * @param {OnlineWallet} wallet
 * @param {{ kid: string, amountTiyn: number, memo: string, expires: number }} wish
 * @returns {Promise<string>} The request's id.
 */
export async function askSomebody(wallet, { kid, amountTiyn, memo, expires }) {
  const id = randomBytes(32);
  const record = {
    id,
    payee: wallet.api.signer.kid,
    amountTiyn,
    memo: memoLine(memo),
    made: wallet.now(),
    expires,
  };
  const envelope = await signWish(REQUEST_TO_PAY, record, wallet.network, wallet.api.signer);
  const asking = (await wallet.store.get("meta", ASKING)) ?? {};
  await wallet.store.write([["meta", ASKING, { ...asking, [hex(id)]: { envelope, kid } }]]);
  await sendAsked(wallet, hex(id));
  return hex(id);
}

/**
 * Post what was written down; what the board refuses is forgotten, and raised when it is `wanted`.
 * @param {OnlineWallet} wallet @param {string} [wanted]
 */
async function sendAsked(wallet, wanted = "") {
  for (const [id, { envelope, kid }] of Object.entries((await wallet.store.get("meta", ASKING)) ?? {})) {
    let refused = null;
    try {
      await wallet.api.post("/v1/requests", envelope);
      const said = await word(wallet, `request to ${hex(sha256(join(unhex(id), unhex(kid))))}`);
      await wallet.api.post(`/v1/requests/${id}/addressees`, encode([unhex(kid), said]));
    } catch (error) {
      if (isUnavailable(error)) {
        throw error;
      }
      refused = error;
      await withdraw(wallet, id).catch(() => undefined);
    }
    const left = Object.entries((await wallet.store.get("meta", ASKING)) ?? {}).filter(
      ([name]) => name !== id,
    );
    await wallet.store.write([["meta", ASKING, Object.fromEntries(left)]]);
    if (refused && id === wanted) {
      throw refused;
    }
  }
}

/** Take an own request back. @param {OnlineWallet} wallet @param {string} id */
export function withdraw(wallet, id) {
  return say(wallet, `/v1/requests/${id}/withdrawals`, `request withdraw ${id}`);
}

/** Say no to a request in the inbox, for good. @param {OnlineWallet} wallet @param {string} id */
export function declineRequest(wallet, id) {
  return say(wallet, `/v1/requests/${id}/refusals`, `request decline ${id}`);
}

/** How a payment of a request is marked among the intents. @param {string} id */
export const boardMark = (id) => `board:${id}`;

/**
 * Return what a request asks for if its payee really signed it; E_SIG, E_PEER_ANSWER.
 * @param {OnlineWallet} wallet @param {any} row
 * @returns {Promise<{ kid: string, amountTiyn: number, words: string, request: string }>}
 */
export async function checkedRequest(wallet, row) {
  const key = await wallet.api.get(`/v1/keys/${row.payee}`);
  const payee = { algorithm: key.algorithm, raw: unhex(key.public_key) };
  const record = await openRequestToPay(unhex(row.envelope), wallet.network, payee);
  if (hex(record.id) !== row.id) {
    throw new TengeError("E_PEER_ANSWER", { answer: "request" });
  }
  if (record.expires && wallet.now() > record.expires) {
    throw new TengeError("E_REQUEST_EXPIRED", { expires: record.expires, now: wallet.now() });
  }
  const { amountTiyn, memo } = record;
  return { kid: hex(record.payee), amountTiyn, words: memo, request: boardMark(row.id) };
}

/** Tell the board which own payments paid requests of the inbox. @param {OnlineWallet} wallet @param {any[]} inbox */
async function namePayments(wallet, inbox) {
  const intents = await wallet.store.all("intents");
  const rows = [];
  for (const row of inbox) {
    const paid = intents.find(({ state, about }) => state === "done" && about.request === boardMark(row.id));
    rows.push(row.state !== "paid" && paid ? await namePayment(wallet, row, paid.transaction) : row);
  }
  return rows;
}

/** @param {OnlineWallet} wallet @param {any} row @param {string} transaction */
async function namePayment(wallet, row, transaction) {
  const said = await word(wallet, `request paid ${hex(sha256(join(unhex(row.id), unhex(transaction))))}`);
  try {
    const answer = await wallet.api.post(
      `/v1/requests/${row.id}/payments`,
      encode([unhex(transaction), said]),
    );
    return { ...answer, payer: row.payer };
  } catch (error) {
    if (isUnavailable(error)) {
      throw error;
    }
    return row; // The payment stands; the board only does not call it this request's.
  }
}

// --- consents, orders, mandates ---

/** Let a third party in. @param {OnlineWallet} wallet @param {any} record */
export async function giveConsent(wallet, record) {
  const own = { ...record, holder: wallet.api.signer.kid };
  return wallet.api.post("/v1/consents", await signWish(CONSENT, own, wallet.network, wallet.api.signer));
}

/** @param {OnlineWallet} wallet @param {string} id */
export function revokeConsent(wallet, id) {
  return say(wallet, `/v1/consents/${id}/revoke`, `consent revoke ${id}`);
}

/** Say no to an order, for good. @param {OnlineWallet} wallet @param {string} id */
export function declineOrder(wallet, id) {
  return say(wallet, `/v1/partner-orders/${id}/decline`, `order decline ${id}`);
}

/** Let a payee collect out of the deposit. @param {OnlineWallet} wallet @param {any} record */
export async function giveMandate(wallet, record) {
  const own = { ...record, payer: wallet.api.signer.kid };
  return wallet.api.post("/v1/mandates", await signWish(MANDATE, own, wallet.network, wallet.api.signer));
}

/** @param {OnlineWallet} wallet @param {string} id */
export function revokeMandate(wallet, id) {
  return say(wallet, `/v1/mandates/${id}/revoke`, `mandate revoke ${id}`);
}

/**
 * Let the bank fill this wallet up by its rule, or end it. The newer word counts, so none is said twice in a second.
 * @param {OnlineWallet} wallet @param {boolean} yes
 */
export async function sayTopUp(wallet, yes) {
  const time = await newerSecond(wallet.store, "top-up word");
  const purpose = `bank top-up ${yes ? "yes" : "no"}`;
  const said = await holderProof(purpose, time, wallet.network, wallet.api.signer);
  return wallet.api.post(`/v1/keys/${wallet.kid}/top-up-words`, said);
}
