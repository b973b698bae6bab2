// @ts-check
/**
 * What may be known of a device: what it holds, its limits, how much of each is left, and what it waits for.
 *
 * Source: DTO/1, sections 5.7 (`status`), 5.13 (purposes) and 5.18 (limits).
 */

import { usableCoins } from "./coins.js";
import { sum } from "./purse.js";
import { NEW, balanceTiyn, openAt, outboxTransfers } from "./state.js";
import { PARAMETERS, hex } from "./wire.js";

const DAY_SECONDS = 86400;
const STATES = Object.freeze(["new", "active", "blocked", "dead"]);

/**
 * Money of one purpose (0 is plain): all of it, what can be paid with at this moment, and when the first of it ends.
 * @typedef {object} PurposeBalance
 * @property {number} purpose
 * @property {number} balanceTiyn
 * @property {number} payableTiyn
 * @property {number} spendBy The last day of what expires first.
 *
 * @typedef {object} Status
 * @property {string} name
 * @property {string} kid
 * @property {"new" | "active" | "blocked" | "dead" | "rolled back"} state `blocked` may redeem and sync;
 *   `rolled back` is an old copy of a database, which signs nothing any more.
 * @property {number} tier
 * @property {number} category
 * @property {number} certificateExpires
 * @property {number} balanceTiyn
 * @property {number} reservedTiyn Promised to open requests.
 * @property {PurposeBalance[]} purposes
 * @property {{ maxBalanceTiyn: number, maxPaymentTiyn: number, maxOutTiyn: number, maxCount: number,
 *   maxAgeDays: number, maxHops: number } | null} limits
 * @property {{ outTiyn: number, count: number, inTiyn: number, slots: number, paymentTiyn: number } | null} left
 *   Until the next sync: to pay in all, in number of payments, to take, in pieces, and in one payment now.
 * @property {number} syncTime The last acknowledged sync.
 * @property {number} payUntil After this moment a sync is needed before paying; 0 before `adopt`.
 * @property {{ sequence: number, issued: number, freshUntil: number }} trust After `freshUntil` no request can be
 *   made.
 * @property {{ now: number, moment: number, behindSeconds: number }} clock `behindSeconds` is how far the machine's
 *   clock is behind what the National Bank last signed; the device then goes by `moment`.
 * @property {boolean} syncPending
 * @property {number} outbox Own transfers that settlement has not acknowledged.
 * @property {number} inbox
 * @property {number} openInvoices
 * @property {number} evidence
 * @property {number} loadNumber
 * @property {string[]} lost Key ids of devices that this browser had before and lost: report them to the bank.
 */

/**
 * @param {import("./step.js").Step} step @param {number} now @param {string} name
 * @returns {Promise<Status>}
 */
export async function statusOf(step, now, name) {
  const { element, state } = step;
  const moment = element.moment;
  const certificate = element.certificate?.record;
  return {
    name,
    kid: hex(element.kid),
    state: /** @type {any} */ (state.rolledBack ? "rolled back" : STATES[state.status]),
    tier: certificate?.tier ?? 1,
    category: certificate?.category ?? 0,
    certificateExpires: certificate?.expires ?? 0,
    balanceTiyn: balanceTiyn(state),
    reservedTiyn: element.reserved().tiyn,
    purposes: await purposesOf(step),
    ...limitsOf(element, state),
    trust: trustOf(element),
    syncTime: state.syncTime,
    clock: { now, moment, behindSeconds: Math.max(0, moment - now) },
    syncPending: Boolean(state.papers.sync),
    outbox: outboxTransfers(state),
    inbox: step.rows("inbox").size,
    openInvoices: openAt(state, moment).size,
    evidence: step.rows("evidence").size,
    loadNumber: state.loadNumber,
    lost: [...step.rows("lost").keys()],
  };
}

/** @param {import("./step.js").Step} step @returns {Promise<PurposeBalance[]>} */
async function purposesOf(step) {
  const slots = [...step.state.purse.values()];
  const purposes = [...new Set(slots.map((slot) => slot.purpose))].sort((one, other) => one - other);
  return Promise.all(
    purposes.map(async (purpose) => {
      const own = slots.filter((slot) => slot.purpose === purpose);
      const usable = await usableCoins(step, purpose);
      return {
        purpose,
        balanceTiyn: sum(own.map((slot) => slot.amountTiyn)),
        payableTiyn: sum(usable.map(({ slot }) => slot.amountTiyn)),
        spendBy: Math.min(...own.map((slot) => slot.spendBy)),
      };
    }),
  );
}

/** @param {import("./element.js").Element} element @param {any} state */
function limitsOf(element, state) {
  const { limits } = element;
  if (!limits || state.status === NEW) {
    return { limits: null, left: null, payUntil: 0 };
  }
  const outTiyn = Math.max(0, limits.maxOutTiyn - (state.totals.outTiyn - state.base.outTiyn));
  const count = Math.max(0, limits.maxCount - (state.totals.outCount - state.base.outCount));
  const inTiyn = Math.max(0, limits.maxBalanceTiyn - balanceTiyn(state) - element.reserved().tiyn);
  const paymentTiyn = count ? Math.min(limits.maxPaymentTiyn, outTiyn) : 0;
  const left = { outTiyn, count, inTiyn, slots: Math.max(0, element.freeSlots()), paymentTiyn };
  return { limits: { ...limits }, left, payUntil: state.syncTime + limits.maxAgeDays * DAY_SECONDS };
}

/** @param {import("./element.js").Element} element */
function trustOf({ trust }) {
  if (!trust) {
    return { sequence: 0, issued: 0, freshUntil: 0 };
  }
  const { sequence, issued } = trust;
  return { sequence, issued, freshUntil: issued + trust.parameter(PARAMETERS.maxTrustAgeSeconds) };
}
