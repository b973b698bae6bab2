// @ts-check
/**
 * How an element spends: from picked slots to signed transfers, and the purse that is left.
 *
 * One payment is a run of transfers, one for each picked outpoint, with counters and links that follow on each other.
 * All but the last are spent whole; the last gives change. A redemption goes to an account, adds no hop, and is bound
 * by no cap. As `offline/element_spend.py`.
 *
 * Source: DTO/1, sections 5.4 (transfer semantics) and 5.7 (`pay`, `redeem`).
 */

import { slotOfOutput, splitAmounts, sum } from "./purse.js";
import { changed } from "./state.js";
import { PAY, outpointKey } from "./wire.js";

/**
 * What one payment or redemption spends, and for whom; `owner` is the payee's key id or the account.
 * @typedef {object} Spend
 * @property {number} kind
 * @property {string[]} picks
 * @property {import("./purse.js").Slot[]} slots
 * @property {number} amountTiyn
 * @property {Uint8Array} owner
 * @property {Uint8Array} reference
 */

/**
 * The signed transfers of a spend by `payer`, and the purse after them; nothing is remembered yet.
 *
 * Raises E_PICKS when the picks do not fit the amount.
 * @param {import("./state.js").ElementState} state
 * @param {Spend} spend
 * @param {Uint8Array} payer
 * @param {number} moment
 * @param {(record: any) => Promise<any>} sign
 * @returns {Promise<{ transfers: any[], purse: Map<string, import("./purse.js").Slot> }>}
 */
export async function buildSpend(state, spend, payer, moment, sign) {
  const gives = splitAmounts(
    spend.slots.map((slot) => slot.amountTiyn),
    spend.amountTiyn,
  );
  /** @type {[string, import("./purse.js").Slot][]} */
  const change = [];
  const transfers = [];
  let link = state.head;
  for (const [part, slot] of spend.slots.entries()) {
    const changeTiyn = slot.amountTiyn - gives[part];
    const outputs = [{ amountTiyn: gives[part], owner: spend.owner }];
    if (changeTiyn) {
      outputs.push({ amountTiyn: changeTiyn, owner: payer });
    }
    if (sum(outputs.map((output) => output.amountTiyn)) !== slot.amountTiyn) {
      throw new Error("I5: outputs are not the input");
    }
    const transfer = await sign({
      kind: spend.kind,
      previous: slot.previous,
      index: slot.position,
      outputs,
      payer,
      counter: state.counter + 1 + part,
      link,
      reference: spend.reference,
      part,
      parts: spend.picks.length,
      hop: slot.hop + (spend.kind === PAY ? 1 : 0),
      length: slot.length + 1,
      purpose: slot.purpose,
      spendBy: slot.spendBy,
      trustSequence: state.trustSequence,
      syncTime: state.syncTime,
      time: moment,
    });
    link = transfer.oid;
    transfers.push(transfer);
    if (changeTiyn) {
      change.push([outpointKey(transfer.oid, 1), slotOfOutput(transfer, 1, slot)]);
    }
  }
  return { transfers, purse: changed(state.purse, change, spend.picks) };
}
