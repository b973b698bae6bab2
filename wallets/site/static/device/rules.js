// @ts-check
/**
 * What an element asks before it signs or accepts: the checks of pay, accept, invoice, redeem and sync.
 *
 * Each function judges one matter, returns nothing, and throws the refusal that names it, with the same code and in
 * the same order as `offline/element_rules.py`. They read a state and a trust view and change neither.
 *
 * An element has no clock. Its moment is the larger of what the host says and the highest time that the National Bank
 * ever signed to it: a clock set back changes nothing, and a clock set forward can only make it refuse.
 *
 * Source: DTO/1, sections 5.6 (V6 to V8), 5.7 and 5.19.4 to 5.19.6.
 */

import { MAX_TRANSFERS, NOTHING_PASSED, covers, mayMove, sum } from "./purse.js";
import { ACTIVE, LAST_NUMBER, STATUS_NAMES } from "./state.js";
import {
  BANK_CA,
  PARAMETERS,
  PAY,
  SETTLE,
  TengeError,
  checkAlive,
  checkCertificate,
  checkInvoice,
  checkStanding,
  hex,
  sameBytes,
  verifySigned,
} from "./wire.js";

const PLAIN = 0;
const DAY_SECONDS = 86400;
const REQUEST_ID_BYTES = 64;
// The categories that may pass marked money to each other when a purpose lets people do so: person and pupil.
const PEOPLE = [1, 3];

/**
 * @typedef {import("./state.js").ElementState} ElementState
 * @typedef {import("./state.js").Pending} Pending
 * @typedef {import("./purse.js").Slot} Slot
 */

/** Return if a host's request id has 1 to 64 bytes; E_FIELD otherwise. @param {Uint8Array} requestId */
export function checkRequestId(requestId) {
  if (!(requestId instanceof Uint8Array) || !requestId.length || requestId.length > REQUEST_ID_BYTES) {
    const problem = `not 1 to ${REQUEST_ID_BYTES} bytes long`;
    throw new TengeError("E_FIELD", { field: "request id", problem });
  }
}

/** The refusal of an element that is in the wrong status. @param {number} status */
export function wrongStatus(status) {
  return new TengeError("E_ELEMENT_STATE", { status: STATUS_NAMES[status] });
}

/** Return if the element may pay and invoice at all; E_ELEMENT_STATE otherwise. @param {ElementState} state */
export function checkActive(state) {
  if (state.status !== ACTIVE) {
    throw wrongStatus(state.status);
  }
}

/**
 * Return if the element's own certificate is in time and not revoked; E_CERT_TIME, E_REVOKED or E_TIER_CLOSED.
 * @param {any} certificate @param {any} trust @param {number} now
 */
export function checkOwnCertificate(certificate, trust, now) {
  checkAlive(certificate, now);
  checkStanding(certificate, trust, "device itself");
}

/**
 * Return if the payer's certificate stands at `now`; E_CA, E_KEY, E_SIG, E_CERT_TIME, E_REVOKED, E_TIER_CLOSED.
 * @param {any} payer @param {any} trust @param {number} now
 */
export async function checkPayer(payer, trust, now) {
  await checkCertificate(payer, trust, now);
  checkStanding(payer.record, trust, "payer");
}

/**
 * Return if the adopted TRUST list lets the element promise to take money.
 *
 * Raises E_TRUST_STALE when it is too old, E_TRUST_MIN when an acknowledgement demanded a newer one.
 * @param {ElementState} state @param {any} trust @param {number} now
 */
export function checkTrustFresh(state, trust, now) {
  const mostSeconds = trust.parameter(PARAMETERS.maxTrustAgeSeconds);
  const ageSeconds = Math.max(0, now - trust.issued);
  if (ageSeconds > mostSeconds) {
    throw new TengeError("E_TRUST_STALE", { age_seconds: ageSeconds, most_seconds: mostSeconds });
  }
  if (trust.sequence < state.minTrustSequence) {
    throw new TengeError("E_TRUST_MIN", { sequence: trust.sequence, least: state.minTrustSequence });
  }
}

/**
 * Return if the element synced recently enough to pay; E_SYNC_AGE otherwise.
 * @param {ElementState} state @param {any} limits @param {number} now
 */
export function checkAge(state, limits, now) {
  if (now - state.syncTime > limits.maxAgeDays * DAY_SECONDS) {
    throw new TengeError("E_SYNC_AGE", { sync_time: state.syncTime, now, max_age_days: limits.maxAgeDays });
  }
}

/**
 * Whether every counter has room for this much more. Without it the element stops for good instead of wrapping round.
 * @param {ElementState} state @param {number} amountTiyn @param {number} count
 */
export function hasRoom(state, amountTiyn, count) {
  const { totals } = state;
  const numbers = [
    state.counter,
    state.invoiceNumber,
    state.syncNumber,
    state.answersGiven,
    totals.outTiyn,
    totals.inTiyn,
    totals.outCount,
    totals.inCount,
    state.loadedTiyn,
  ];
  return Math.max(...numbers) + Math.max(amountTiyn, count) <= LAST_NUMBER;
}

/**
 * Return if `payee` stands, signed this invoice, is somebody else, and the invoice is still open.
 *
 * Raises what `checkInvoice` raises, E_SELF, E_INVOICE_EXPIRED.
 * @param {any} invoice @param {any} payee @param {Uint8Array} ownKid @param {any} trust @param {number} now
 */
export async function checkOpenInvoice(invoice, payee, ownKid, trust, now) {
  await checkInvoice(invoice, payee, trust, now);
  if (sameBytes(invoice.record.payee, ownKid)) {
    throw new TengeError("E_SELF", { payer: hex(ownKid) });
  }
  if (now > invoice.record.expires) {
    throw new TengeError("E_INVOICE_EXPIRED", { expires: invoice.record.expires, now });
  }
}

/**
 * Return if somebody may pay this category with money of this purpose; E_PURPOSE_UNKNOWN, E_CATEGORY_IN.
 * @param {number} purpose @param {number} category @param {any} trust
 */
export function checkReceivable(purpose, category, trust) {
  if (purpose === PLAIN) {
    return;
  }
  const known = trust.purpose(purpose);
  if (!known) {
    throw new TengeError("E_PURPOSE_UNKNOWN", { purpose, sequence: trust.sequence });
  }
  if (![...known.edges.keys(), ...PEOPLE].some((payer) => known.allows(payer, category))) {
    throw new TengeError("E_CATEGORY_IN", { purpose, category });
  }
}

/**
 * The most hops a payment by this device may reach, whatever the note allows.
 * @param {any} limits @param {any} purpose
 */
export function hopLimit(limits, purpose) {
  return purpose ? Math.min(limits.maxHops, purpose.maxHops) : limits.maxHops;
}

/**
 * The slots of these outpoints, in order; E_PARTS for none or too many, E_OUTPOINT for one that is not here, or
 * twice.
 * @param {ElementState} state @param {string[]} picks @param {number} most
 * @returns {Slot[]}
 */
export function picked(state, picks, most) {
  if (!picks.length || picks.length > most) {
    throw new TengeError("E_PARTS", { problem: `${picks.length} parts; 1 to ${most} are allowed` });
  }
  return picks.map((pick, place) => {
    const slot = state.purse.get(pick);
    if (!slot || picks.indexOf(pick) !== place) {
      const position = Number.parseInt(pick.slice(64), 16);
      throw new TengeError("E_OUTPOINT", { previous: pick.slice(0, 64), position });
    }
    return slot;
  });
}

/**
 * Return if each slot has the purpose and may pay once more; E_PURPOSE, E_HOPS or E_EXPIRED otherwise.
 * @param {Slot[]} slots @param {number} purpose @param {number} maxHops @param {number} now
 */
export function checkMovable(slots, purpose, maxHops, now) {
  for (const slot of slots) {
    if (slot.purpose !== purpose) {
      throw new TengeError("E_PURPOSE", { stated: purpose, inherited: slot.purpose });
    }
    if (!mayMove(slot, maxHops)) {
      const problem = `at most ${Math.min(slot.maxHops, maxHops)} and ${slot.maxLength} are allowed`;
      throw new TengeError("E_HOPS", { hop: slot.hop + 1, length: slot.length + 1, problem });
    }
    if (now >= slot.spendBy) {
      throw new TengeError("E_EXPIRED", { spend_by: slot.spendBy, now, margin_seconds: 0 });
    }
  }
}

/**
 * Return if these are the whole payment for one open invoice, signed by one payer (the element's part of V6).
 *
 * Raises E_PARTS, E_KIND, E_PAYER_MIX, E_SIG, E_INVOICE, E_PAYEE, E_SELF, E_PURPOSE, E_HOPS, E_EXPIRED, E_DUPINPUT,
 * E_AMOUNT_MISMATCH.
 * @param {any[]} transfers Signed TRANSFERs, by part.
 * @param {{ maxHops: number, maxLength: number }[]} caps
 * @param {any} payer The payer's certificate record.
 * @param {{ ownKid: Uint8Array, oid: Uint8Array, pending: Pending, now: number }} asked
 */
export async function checkIncoming(transfers, caps, payer, asked) {
  const { pending, now } = asked;
  if (!transfers.length || transfers.length > pending.slots || caps.length !== transfers.length) {
    const problem = `${transfers.length} parts; 1 to ${pending.slots} were asked for`;
    throw new TengeError("E_PARTS", { problem });
  }
  for (const [place, transfer] of transfers.entries()) {
    await checkPart(transfer, payer, asked);
    const { record } = transfer;
    if (record.part !== place || record.parts !== transfers.length) {
      const problem = `part ${record.part} of ${record.parts} stands at place ${place}`;
      throw new TengeError("E_PARTS", { problem });
    }
    const cap = caps[place];
    if (record.hop > cap.maxHops || record.length > Math.min(cap.maxLength, MAX_TRANSFERS)) {
      const problem = `its note allows ${cap.maxHops} and ${cap.maxLength}`;
      throw new TengeError("E_HOPS", { hop: record.hop, length: record.length, problem });
    }
    if (now >= record.spendBy) {
      throw new TengeError("E_EXPIRED", { spend_by: record.spendBy, now, margin_seconds: 0 });
    }
    for (const other of transfers.slice(0, place)) {
      if (sameBytes(other.record.previous, record.previous) && other.record.index === record.index) {
        const facts = { kid: hex(payer.kid), first: hex(other.oid), second: hex(transfer.oid) };
        throw new TengeError("E_DUPINPUT", facts);
      }
    }
  }
  const amountTiyn = sum(transfers.map(({ record }) => record.outputs[0].amountTiyn));
  if (amountTiyn !== pending.amountTiyn) {
    const facts = { amount_tiyn: amountTiyn, requested_tiyn: pending.amountTiyn };
    throw new TengeError("E_AMOUNT_MISMATCH", facts);
  }
}

/**
 * @param {any} transfer @param {any} payer
 * @param {{ ownKid: Uint8Array, oid: Uint8Array, pending: Pending }} asked
 */
async function checkPart(transfer, payer, { ownKid, oid, pending }) {
  const { record } = transfer;
  if (record.kind !== PAY) {
    throw new TengeError("E_KIND", { kind: record.kind });
  }
  if (!sameBytes(record.payer, payer.kid)) {
    throw new TengeError("E_PAYER_MIX", { first: hex(payer.kid), second: hex(record.payer) });
  }
  await verifySigned(transfer, payer.key);
  if (!sameBytes(record.reference, oid)) {
    throw new TengeError("E_INVOICE", { reference: hex(record.reference), invoice: hex(oid) });
  }
  if (!sameBytes(record.outputs[0].owner, ownKid)) {
    throw new TengeError("E_PAYEE", { owner: hex(record.outputs[0].owner), payee: hex(ownKid) });
  }
  if (sameBytes(record.payer, ownKid)) {
    throw new TengeError("E_SELF", { payer: hex(ownKid) });
  }
  if (record.purpose !== pending.purpose) {
    throw new TengeError("E_PURPOSE", { stated: record.purpose, inherited: pending.purpose });
  }
}

/**
 * Return if the device's own bank ordered this redemption and the order still stands; E_ORDER or E_SIG otherwise.
 * @param {any} order @param {any} certificate @param {any} trust @param {number} now
 */
export async function checkRedeemOrder(order, certificate, trust, now) {
  if (!sameBytes(order.record.kid, certificate.kid)) {
    throw new TengeError("E_ORDER", { problem: "it names another device" });
  }
  if (now > order.record.expires) {
    throw new TengeError("E_ORDER", { problem: `it ended at ${order.record.expires}` });
  }
  const banks = trust.authority.withRole(BANK_CA).filter((/** @type {any} */ auth) => auth.scope.length);
  const numbers = banks
    .filter((/** @type {any} */ auth) => sameBytes(auth.kid.slice(0, 8), certificate.caReference))
    .map((/** @type {any} */ auth) => auth.scope[0]);
  const keys = banks
    .filter(
      (/** @type {any} */ auth) => numbers.includes(auth.scope[0]) && !trust.isRevokedAuthority(auth.kid),
    )
    .map((/** @type {any} */ auth) => auth.key);
  if (!keys.length) {
    throw new TengeError("E_ORDER", { problem: "the device's bank is not known any more" });
  }
  await signedByOne(order, keys);
}

/**
 * The new baselines, if `ack` answers exactly this pending request and a settlement key signed it.
 *
 * They lie between the baselines `before` and what the request stated. Raises E_SYNC_ACK or E_SIG.
 * @param {any} ack @param {any} request The open SYNC_REQ, signed, or null.
 * @param {any} trust
 * @param {import("./purse.js").Totals} [before]
 * @returns {Promise<import("./purse.js").Totals>}
 */
export async function checkAck(ack, request, trust, before = NOTHING_PASSED) {
  const { record } = ack;
  if (
    !request ||
    !sameBytes(record.request, request.oid) ||
    !sameBytes(record.kid, request.record.kid) ||
    record.syncNumber !== request.record.syncNumber
  ) {
    throw new TengeError("E_SYNC_ACK", { problem: "it answers no request that is open here" });
  }
  const keys = trust.authority
    .withRole(SETTLE)
    .filter((/** @type {any} */ auth) => auth.notBefore <= record.time && record.time <= auth.expires)
    .filter((/** @type {any} */ auth) => !trust.isRevokedAuthority(auth.kid))
    .map((/** @type {any} */ auth) => auth.key);
  if (!keys.length) {
    const problem = `no settlement key is certified for the moment ${record.time}`;
    throw new TengeError("E_SYNC_ACK", { problem });
  }
  await signedByOne(ack, keys);
  const said = request.record;
  const stated = totalsOf(said.outTotalTiyn, said.inTotalTiyn, said.outCount, said.inCount);
  const base = totalsOf(record.baseOutTiyn, record.baseInTiyn, record.baseOutCount, record.baseInCount);
  if (!covers(base, before) || !covers(stated, base)) {
    const problem = "its baselines lie outside what was acknowledged and requested";
    throw new TengeError("E_SYNC_ACK", { problem });
  }
  return base;
}

/** @param {number} outTiyn @param {number} inTiyn @param {number} outCount @param {number} inCount */
function totalsOf(outTiyn, inTiyn, outCount, inCount) {
  return { outTiyn, inTiyn, outCount, inCount };
}

/** @param {any} signed @param {any[]} keys */
async function signedByOne(signed, keys) {
  for (const key of keys.slice(0, -1)) {
    try {
      await verifySigned(signed, key);
      return;
    } catch (error) {
      if (!(error instanceof TengeError)) {
        throw error;
      }
    }
  }
  await verifySigned(signed, keys.at(-1));
}
