// @ts-check
/** An order of a third party: in words, and as what the wallet would sign. Both are made from the same bytes. */

import { hex, readTransfer, unhex } from "./core.js";
import { money, moment } from "./format.js";
import { t } from "./text.js";

/** A lock of the interface with bytes for hexadecimal. @param {any[]} lock */
function lockOf(lock) {
  return lock.map((part) =>
    typeof part === "string" ? unhex(part) : Array.isArray(part) ? part.map(unhex) : part,
  );
}

/** What a payment order would make. @param {any} order */
export function outputsOf(order) {
  return order.outputs.map((/** @type {any} */ one) => ({
    amountTiyn: one.amount_tiyn,
    lock: lockOf(one.lock),
    mark: new Uint8Array(),
  }));
}

/** What signing it would make: a payment's outputs, or those of the body that opens a lock. @param {any} order */
function madeBy(order) {
  return order.kind === "payment" ? outputsOf(order) : readTransfer(unhex(order.to_sign)).outputs;
}

/** The sum that an order moves, in tiyn. @param {any} order */
export function sumOf(order) {
  return madeBy(order).reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.amountTiyn, 0);
}

/** The first key that gets money by an order; "" for a lock's. @param {any} order */
export function peerOf(order) {
  const [first] = madeBy(order);
  return first?.lock[0] === 1 ? hex(first.lock[1]) : "";
}

/** What it is, in a few words. @param {any} order */
export function titleOfOrder(order) {
  const amount = money(sumOf(order));
  const locked = order.outputs.some((/** @type {any} */ one) => one.lock[0] !== 1);
  if (order.kind === "payment") {
    return locked
      ? t("Put {amount} behind a lock", { amount })
      : order.outputs.length > 1
        ? t("Split {amount}", { amount })
        : t("Pay {amount}", { amount });
  }
  const titles = {
    claim: t("Take {amount} out of a lock", { amount }),
    refund: t("Take {amount} back out of a lock", { amount }),
    release: t("Release {amount} from a lock", { amount }),
  };
  return titles[/** @type {"claim"} */ (order.kind)];
}

/** What signing it does, a sentence for each part. @param {any} app @param {any} order @returns {Promise<string[]>} */
export async function inWords(app, order) {
  const lines = [];
  for (const { amountTiyn, lock } of madeBy(order)) {
    lines.push(await partInWords(app, money(amountTiyn), lock));
  }
  return lines;
}

/** @param {any} app @param {string} kid */
const called = async (app, kid) => (kid === app.wallet.kid ? t("you") : app.nameOf(kid));

/** @param {any} app @param {string} amount @param {any[]} lock */
async function partInWords(app, amount, lock) {
  const [kind] = lock;
  if (kind === 1) {
    return t("{amount} goes to {name}.", { amount, name: await called(app, hex(lock[1])) });
  }
  if (kind === 2) {
    const names = await Promise.all(lock[2].map((/** @type {Uint8Array} */ kid) => called(app, hex(kid))));
    return t("{amount} is locked until {number} of these sign: {names}.", {
      amount,
      number: lock[1],
      names: names.join(", "),
    });
  }
  const [, , claim, refund, deadline] = lock;
  return t(
    "{amount} is locked: {payee} can take it with a secret until {moment}; after that it goes back to {payer}.",
    {
      amount,
      payee: await called(app, hex(claim)),
      payer: await called(app, hex(refund)),
      moment: moment(deadline),
    },
  );
}

/** How an order stands, for a person. @param {string} state */
export function stateOfOrder(state) {
  return (
    {
      open: t("waits for you"),
      "under way": t("under way"),
      paid: t("done"),
      declined: t("declined"),
      expired: t("out of time"),
    }[state] ?? state
  );
}
