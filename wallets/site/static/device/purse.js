// @ts-check
/**
 * What a device may hold and spend: slots, limits, and the choice of coins. Pure arithmetic, no state of its own.
 *
 * The same rules, in the same order and with the same codes, as `offline/purse.py`. Amounts are whole tiyn.
 *
 * Source: DTO/1, sections 5.4 (hop and length), 5.5 (coin selection), 5.7 (I4, I7) and 5.19.10.
 */

import { TengeError } from "./wire.js";

export const MAX_PENDING = 4;
/** The wire numbers the parts of a redemption with one byte. */
export const MAX_REDEEM_PARTS = 255;
export const MAX_TOKENS = 8;
export const MAX_TRANSFERS = 12;
const PAY = 0;
const LARGEST_PURSE = 1024;
const SEARCH_STEPS = 2000;

/**
 * One outpoint that a device owns: tiyn, purpose, hops and transfers so far, the note's caps and last day.
 * @typedef {object} Slot
 * @property {Uint8Array} previous
 * @property {number} position
 * @property {number} amountTiyn
 * @property {number} purpose
 * @property {number} hop
 * @property {number} length
 * @property {number} maxHops
 * @property {number} maxLength
 * @property {number} spendBy
 */

/**
 * What has passed through a device; the figures only rise.
 * @typedef {object} Totals
 * @property {number} outTiyn
 * @property {number} inTiyn
 * @property {number} outCount
 * @property {number} inCount
 */

/** @type {Totals} */
export const NOTHING_PASSED = Object.freeze({ outTiyn: 0, inTiyn: 0, outCount: 0, inCount: 0 });

/**
 * Whether no figure is lower than in `other`.
 * @param {Totals} totals
 * @param {Totals} other
 */
export function covers(totals, other) {
  return (
    totals.outTiyn >= other.outTiyn &&
    totals.inTiyn >= other.inTiyn &&
    totals.outCount >= other.outCount &&
    totals.inCount >= other.inCount
  );
}

/**
 * Whether one more payment stays within the note's caps and the device's.
 * @param {Slot} slot
 * @param {number} deviceMaxHops
 */
export function mayMove(slot, deviceMaxHops) {
  return (
    slot.hop + 1 <= Math.min(slot.maxHops, deviceMaxHops) &&
    slot.length + 1 <= Math.min(slot.maxLength, MAX_TRANSFERS)
  );
}

/**
 * The slot that a freshly loaded note fills.
 * @param {any} note A NOTE's record. @param {Uint8Array} oid
 * @returns {Slot}
 */
export function slotOfNote(note, oid) {
  const { amountTiyn, purpose, maxHops, maxLength, spendBy } = note;
  return { previous: oid, position: 0, amountTiyn, purpose, hop: 0, length: 0, maxHops, maxLength, spendBy };
}

/**
 * The slot that output `position` of a transfer fills; change keeps the hop of what was spent.
 * @param {any} signed A signed TRANSFER.
 * @param {number} position
 * @param {{ maxHops: number, maxLength: number }} caps
 * @returns {Slot}
 */
export function slotOfOutput(signed, position, caps) {
  const record = signed.record;
  return {
    previous: signed.oid,
    position,
    amountTiyn: record.outputs[position].amountTiyn,
    purpose: record.purpose,
    hop: record.kind === PAY && position === 1 ? record.hop - 1 : record.hop,
    length: record.length,
    maxHops: caps.maxHops,
    maxLength: caps.maxLength,
    spendBy: record.spendBy,
  };
}

/**
 * Return if a payment stays within the limits since the last sync.
 *
 * Raises E_TXLIMIT (one payment), E_LIMIT_OUT (sum) or E_LIMIT_COUNT (number).
 * @param {Totals} totals
 * @param {Totals} base
 * @param {any} limits
 * @param {number} amountTiyn
 */
export function checkOut(totals, base, limits, amountTiyn) {
  if (amountTiyn > limits.maxPaymentTiyn) {
    throw new TengeError("E_TXLIMIT", { amount_tiyn: amountTiyn, limit_tiyn: limits.maxPaymentTiyn });
  }
  const spentTiyn = totals.outTiyn - base.outTiyn;
  if (spentTiyn + amountTiyn > limits.maxOutTiyn) {
    const facts = { amount_tiyn: amountTiyn, spent_tiyn: spentTiyn, limit_tiyn: limits.maxOutTiyn };
    throw new TengeError("E_LIMIT_OUT", facts);
  }
  const count = totals.outCount - base.outCount;
  if (count + 1 > limits.maxCount) {
    throw new TengeError("E_LIMIT_COUNT", { count, limit: limits.maxCount });
  }
}

/**
 * Return if this much more may come in beside what is held and promised; E_LIMIT_IN otherwise.
 * @param {number} amountTiyn
 * @param {number} balanceTiyn
 * @param {number} reservedTiyn
 * @param {any} limits
 */
export function checkIn(amountTiyn, balanceTiyn, reservedTiyn, limits) {
  const withItTiyn = balanceTiyn + reservedTiyn + amountTiyn;
  if (withItTiyn > limits.maxBalanceTiyn) {
    throw new TengeError("E_LIMIT_IN", { balance_tiyn: withItTiyn, limit_tiyn: limits.maxBalanceTiyn });
  }
}

/**
 * How many outpoints a software device may hold.
 * @param {{ maxSlots: number }} policy The number of the adopted list (parameter 13).
 */
export function maxSlots(policy) {
  return Math.min(policy.maxSlots, LARGEST_PURSE);
}

/**
 * Return if `slots` more outpoints fit beside those held and promised; E_PURSE_FULL otherwise.
 * @param {number} slots
 * @param {number} held
 * @param {number} reserved
 * @param {number} most
 */
export function checkSlots(slots, held, reserved, most) {
  if (held + reserved + slots > most) {
    const problem = `${held} places of ${most} are taken, ${reserved} promised, and ${slots} more are needed`;
    throw new TengeError("E_PURSE_FULL", { problem });
  }
}

/**
 * How many own transfers a device keeps until they are acknowledged: every payment allowed, in most parts.
 * @param {any} limits
 */
export function outboxCapacity(limits) {
  return limits.maxCount * MAX_TOKENS;
}

/**
 * What each pick, in order, gives to the payee: all of it, and of the last one the rest.
 *
 * Raises E_PICKS when the picks do not cover the amount, or when the ones before the last already do.
 * @param {number[]} heldTiyn
 * @param {number} amountTiyn
 * @returns {number[]}
 */
export function splitAmounts(heldTiyn, amountTiyn) {
  const total = sum(heldTiyn);
  const beforeLastTiyn = total - (heldTiyn.at(-1) ?? 0);
  if (!heldTiyn.length || beforeLastTiyn >= amountTiyn || total < amountTiyn) {
    throw new TengeError("E_PICKS", { picks: heldTiyn.length, held_tiyn: total, amount_tiyn: amountTiyn });
  }
  return [...heldTiyn.slice(0, -1), amountTiyn - beforeLastTiyn];
}

/**
 * A slot as the chooser sees it: its key (33 bytes in hexadecimal), the slot, and the bytes of its history.
 * @typedef {object} Coin
 * @property {string} outpoint
 * @property {Slot} slot
 * @property {number} historyBytes
 */

/**
 * The coins that may pay at `now`, those with the shortest history first.
 * @param {Coin[]} coins
 * @param {number} purpose
 * @param {number} deviceMaxHops
 * @param {number} now
 * @param {number} marginSeconds
 * @returns {Coin[]}
 */
export function spendable(coins, purpose, deviceMaxHops, now, marginSeconds) {
  return coins
    .filter(({ slot }) => slot.purpose === purpose && mayMove(slot, deviceMaxHops))
    .filter(({ slot }) => now + marginSeconds < slot.spendBy)
    .sort(
      (one, other) =>
        one.historyBytes - other.historyBytes ||
        one.slot.spendBy - other.slot.spendBy ||
        (one.outpoint < other.outpoint ? -1 : 1),
    );
}

/**
 * Choices of at most `most` coins that pay `amountTiyn`, best first; `coins` stand in order of preference.
 *
 * First an exact sum, if the small search finds one; then, for each number of coins from the fewest, the first that
 * cover the amount. In each choice every coin but the last is spent whole. Yields nothing when nothing covers it.
 * @param {Coin[]} coins
 * @param {number} amountTiyn
 * @param {number} most
 * @returns {Generator<Coin[]>}
 */
export function* chooseCoins(coins, amountTiyn, most) {
  const exact = exactSum(coins, amountTiyn, most);
  if (exact.length) {
    yield exact;
  }
  const largest = coins.map(({ slot }) => slot.amountTiyn).sort((one, other) => other - one);
  for (let count = 1; count <= Math.min(most, coins.length); count += 1) {
    if (sum(largest.slice(0, count)) >= amountTiyn) {
      const choice = covering(coins, amountTiyn, count);
      if (choice.length && !same(choice, exact)) {
        yield choice;
      }
    }
  }
}

/**
 * By rising number of coins; within one number, by order of preference. The steps are bounded, so a purse full of
 * dust costs no more than any other: then change is given instead.
 * @param {Coin[]} coins
 * @param {number} amountTiyn
 * @param {number} most
 * @returns {Coin[]}
 */
function exactSum(coins, amountTiyn, most) {
  const amounts = coins.map(({ slot }) => slot.amountTiyn);
  let steps = SEARCH_STEPS;

  /** @type {(start: number, leftTiyn: number, count: number) => number[] | null} */
  const search = (start, leftTiyn, count) => {
    for (let place = start; place <= amounts.length - count; place += 1) {
      steps -= 1;
      if (steps < 0) {
        return null;
      }
      if (count === 1) {
        if (amounts[place] === leftTiyn) {
          return [place];
        }
      } else if (amounts[place] < leftTiyn) {
        const rest = search(place + 1, leftTiyn - amounts[place], count - 1);
        if (rest) {
          return [place, ...rest];
        }
      }
    }
    return null;
  };

  for (let count = 1; count <= Math.min(most, coins.length); count += 1) {
    const found = search(0, amountTiyn, count);
    if (found) {
      return found.map((place) => coins[place]);
    }
  }
  return [];
}

/**
 * Take the most preferred coin with which the largest of the others still reach the amount.
 * @param {Coin[]} coins
 * @param {number} amountTiyn
 * @param {number} count
 * @returns {Coin[]}
 */
function covering(coins, amountTiyn, count) {
  /** @type {Coin[]} */
  const chosen = [];
  let left = [...coins];
  let missing = amountTiyn;
  while (missing > 0 && chosen.length < count) {
    const others = count - chosen.length - 1;
    const byAmount = [...left].sort((one, other) => other.slot.amountTiyn - one.slot.amountTiyn);
    const before = missing;
    for (const coin of left) {
      const top = byAmount
        .slice(0, others + 1)
        .filter((other) => other !== coin)
        .slice(0, others);
      if (coin.slot.amountTiyn + sum(top.map(({ slot }) => slot.amountTiyn)) >= missing) {
        chosen.push(coin);
        left = left.filter((other) => other !== coin);
        missing -= coin.slot.amountTiyn;
        break;
      }
    }
    if (missing === before) {
      return [];
    }
  }
  // Every coin before the last must be needed: put the largest last and drop none.
  chosen.sort((one, other) => one.slot.amountTiyn - other.slot.amountTiyn);
  const beforeLastTiyn = sum(chosen.slice(0, -1).map(({ slot }) => slot.amountTiyn));
  return missing <= 0 && beforeLastTiyn < amountTiyn ? chosen : [];
}

/** @param {Coin[]} one @param {Coin[]} other */
function same(one, other) {
  return one.length === other.length && one.every((coin, place) => coin === other[place]);
}

/** @param {number[]} amounts */
export function sum(amounts) {
  return amounts.reduce((total, one) => total + one, 0);
}
