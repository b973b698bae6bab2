// @ts-check
/**
 * Coin choice: which tokens pay an amount. The fewest that suffice, the largest first; the last one is as small as
 * still suffices, so change stays small. The same tokens give the same choice in whatever order they come, and the
 * same as `cbdc/selection.py`.
 *
 * A token is named `"transaction id:output"` (hexadecimal and decimal), as `tokenName` in `transaction.js` writes it.
 */

import { TengeError } from "./errors.js";

/**
 * Token ids in the order of their bytes: first by transaction id, then by output.
 * @param {string} one @param {string} other
 * @returns {number} Below 0 when `one` comes first.
 */
export function compareTokenNames(one, other) {
  const [first, output] = one.split(":");
  const [second, otherOutput] = other.split(":");
  return first < second ? -1 : first > second ? 1 : Number(output) - Number(otherOutput);
}

/**
 * The tokens chosen, in ascending order of their ids, and the change they leave (tiyn, 0 when exact).
 *
 * Raises E_FUNDS when all together are too little, E_FUNDS_SCATTERED when `most` tokens are, E_MONEY_TYPE and
 * E_MONEY_RANGE when `amountTiyn` is no amount.
 * @template {{ id: string, amountTiyn: number }} T
 * @param {readonly T[]} available
 * @param {number} amountTiyn
 * @param {number} [most]
 * @returns {{ chosen: T[], changeTiyn: number }}
 */
export function choose(available, amountTiyn, most = 256) {
  checkAmount(amountTiyn);
  const total = available.reduce((sum, one) => sum + one.amountTiyn, 0);
  if (total < amountTiyn) {
    throw new TengeError("E_FUNDS", { available_tiyn: total, amount_tiyn: amountTiyn });
  }
  const byId = (/** @type {T} */ one, /** @type {T} */ other) => compareTokenNames(one.id, other.id);
  const ordered = [...available].sort((one, other) => other.amountTiyn - one.amountTiyn || byId(one, other));
  const chosen = [];
  let missing = amountTiyn;
  while (missing > 0) {
    if (chosen.length === most) {
      throw new TengeError("E_FUNDS_SCATTERED", { amount_tiyn: amountTiyn, most });
    }
    // Without a token that suffices alone, the largest brings us nearest.
    /** @type {T} */
    let pick = ordered[chosen.length];
    for (const one of ordered.slice(chosen.length)) {
      const better = one.amountTiyn - pick.amountTiyn || byId(one, pick);
      if (one.amountTiyn >= missing && better < 0) {
        pick = one;
      }
    }
    chosen.push(pick);
    missing -= pick.amountTiyn;
  }
  return { chosen: chosen.sort(byId), changeTiyn: -missing };
}

/** @param {any} amountTiyn */
function checkAmount(amountTiyn) {
  if (typeof amountTiyn !== "number" || !Number.isInteger(amountTiyn)) {
    throw new TengeError("E_MONEY_TYPE", { type: typeof amountTiyn });
  }
  if (amountTiyn < 0 || amountTiyn > Number.MAX_SAFE_INTEGER) {
    const facts = { amount_tiyn: amountTiyn, least_tiyn: 0, most_tiyn: Number.MAX_SAFE_INTEGER };
    throw new TengeError("E_MONEY_RANGE", facts);
  }
}
