// @ts-check
/**
 * The whole state of an element as one value, and what must always hold between two of them.
 *
 * A call computes the state after it and never changes the one it read; the store writes it in one transaction. Keys
 * of maps are hexadecimal texts: outpoints (66 digits), ids of invoices, orders and requests. Signed objects stand as
 * the bytes of their envelopes.
 *
 * `checkStep` states the invariants of the protocol about two neighbouring states. What fails there is a bug of this
 * code, never an input's fault, so it throws a plain Error and nothing is written.
 *
 *     I1  counters, totals, numbers and times never fall          I7  baselines move only when a sync is committed
 *     I3  a spent outpoint leaves the purse, one for a transfer   I8  an accepted invoice is pending no more
 *     I4  balance and promises stay within the limit              I11 loaded + received = paid out + dropped + held
 *
 * Source: DTO/1, section 5.7, as `offline/element_state.py`.
 */

import { MAX_PENDING, NOTHING_PASSED, covers, sum } from "./purse.js";

export const NEW = 0;
export const ACTIVE = 1;
export const SPEND_BLOCKED = 2;
export const DEAD = 3;
/** The words in which E_ELEMENT_STATE names a status. */
export const STATUS_NAMES = Object.freeze(["not provisioned", "active", "spending blocked", "dead"]);

const KEPT_RECEIPTS = 32;
const KEPT_ANSWERS = 64;
const KEPT_CLOSED = 256;
/** The largest whole number on the wire; an element that comes near it stops for good. */
export const LAST_NUMBER = Number.MAX_SAFE_INTEGER - 96;

/**
 * @typedef {import("./purse.js").Slot} Slot
 * @typedef {import("./purse.js").Totals} Totals
 *
 * An invoice that may still be paid: what it keeps free, and until when.
 * @typedef {object} Pending
 * @property {number} number
 * @property {number} amountTiyn
 * @property {number} slots
 * @property {number} purpose
 * @property {number} until
 *
 * Own transfers kept until they are acknowledged; `reference` is the invoice or the order they answer.
 * @typedef {object} Sent
 * @property {number} counter
 * @property {number} amountTiyn
 * @property {number} until
 * @property {string} reference
 * @property {Uint8Array[]} transfers
 *
 * An answer kept to be given again.
 * @typedef {object} Kept
 * @property {number} order
 * @property {string} question
 * @property {Uint8Array} envelope
 *
 * Certificates and lists, as envelopes; `sync` is the open SYNC_REQ.
 * @typedef {object} Papers
 * @property {Uint8Array} [root]
 * @property {Uint8Array[]} auths
 * @property {Uint8Array[]} trust
 * @property {Uint8Array} [certificate]
 * @property {Uint8Array} [sync]
 *
 * @typedef {object} ElementState
 * @property {number} status
 * @property {number} counter
 * @property {Uint8Array} head
 * @property {number} timeFloor
 * @property {number} trustSequence
 * @property {number} minTrustSequence
 * @property {number} syncTime
 * @property {number} syncNumber
 * @property {number} invoiceNumber
 * @property {number} loadNumber
 * @property {string} lastLoad
 * @property {string} lastAck
 * @property {Totals} totals
 * @property {Totals} base
 * @property {Totals} requested
 * @property {number} requestedCounter
 * @property {number} loadedTiyn
 * @property {number} droppedTiyn
 * @property {number} answersGiven
 * @property {Papers} papers
 * @property {Map<string, Slot>} purse
 * @property {Map<string, Pending>} pending
 * @property {Map<string, Sent>} outbox
 * @property {Map<string, { counter: number, until: number }>} closed
 * @property {Map<string, Kept>} receipts
 * @property {Map<string, Kept>} answers
 */

/**
 * The state of an element that has a key and nothing else; `head` is the genesis link of its key.
 * @param {Uint8Array} head
 * @returns {ElementState}
 */
export function newState(head) {
  return {
    status: NEW,
    counter: 0,
    head,
    timeFloor: 0,
    trustSequence: 0,
    minTrustSequence: 0,
    syncTime: 0,
    syncNumber: 0,
    invoiceNumber: 0,
    loadNumber: 0,
    lastLoad: "",
    lastAck: "",
    totals: NOTHING_PASSED,
    base: NOTHING_PASSED,
    requested: NOTHING_PASSED,
    requestedCounter: 0,
    loadedTiyn: 0,
    droppedTiyn: 0,
    answersGiven: 0,
    papers: { auths: [], trust: [] },
    purse: new Map(),
    pending: new Map(),
    outbox: new Map(),
    closed: new Map(),
    receipts: new Map(),
    answers: new Map(),
  };
}

/**
 * The sum of all slots, which is what came in less what went out.
 * @param {ElementState} state
 */
export function balanceTiyn(state) {
  return state.loadedTiyn + state.totals.inTiyn - state.totals.outTiyn - state.droppedTiyn;
}

/**
 * The invoices that may still be paid at `now`.
 * @param {ElementState} state
 * @param {number} now
 * @returns {Map<string, Pending>}
 */
export function openAt(state, now) {
  return new Map([...state.pending].filter(([, invoice]) => invoice.until >= now));
}

/**
 * What these open invoices keep free.
 * @param {Map<string, Pending>} invoices
 * @returns {{ tiyn: number, slots: number }}
 */
export function reserved(invoices) {
  const rows = [...invoices.values()];
  return { tiyn: sum(rows.map((row) => row.amountTiyn)), slots: sum(rows.map((row) => row.slots)) };
}

/** How many own transfers wait for an acknowledgement. @param {ElementState} state */
export function outboxTransfers(state) {
  return sum([...state.outbox.values()].map((sent) => sent.transfers.length));
}

/**
 * A copy of a map with these rows put in and these keys taken out.
 * @template V
 * @param {Map<string, V>} map
 * @param {Iterable<[string, V]>} puts
 * @param {Iterable<string>} [gone]
 * @returns {Map<string, V>}
 */
export function changed(map, puts, gone = []) {
  const copy = new Map(map);
  for (const key of gone) {
    copy.delete(key);
  }
  for (const [key, value] of puts) {
    copy.set(key, value);
  }
  return copy;
}

/**
 * The answers given last, with one more under `key`.
 * @param {Map<string, Kept>} kept
 * @param {string} key
 * @param {Kept} answer
 * @param {number} most
 */
function newest(kept, key, answer, most) {
  const rows = [...changed(kept, [[key, answer]])].sort(([, one], [, other]) => one.order - other.order);
  return new Map(rows.slice(-most));
}

/**
 * The receipts with one more.
 * @param {ElementState} state
 * @param {string} invoice
 * @param {Kept} receipt
 */
export function withReceipt(state, invoice, receipt) {
  return newest(state.receipts, invoice, receipt, KEPT_RECEIPTS);
}

/**
 * The state with an answer to a request id remembered.
 * @param {ElementState} state
 * @param {string} requestId
 * @param {string} question
 * @param {Uint8Array} envelope
 * @returns {ElementState}
 */
export function withAnswer(state, requestId, question, envelope) {
  const order = state.answersGiven + 1;
  const answers = newest(state.answers, requestId, { order, question, envelope }, KEPT_ANSWERS);
  return { ...state, answersGiven: order, answers };
}

/**
 * Outbox and closed list once settlement has the whole log up to the last request.
 *
 * What stands in that log leaves the outbox, and is remembered as long as it might be asked for again.
 * @param {ElementState} state
 * @param {number} timeFloor
 */
export function freed(state, timeFloor) {
  const kept = new Map([...state.outbox].filter(([, sent]) => sent.counter > state.requestedCounter));
  const gone = [...state.outbox].filter(([key]) => !kept.has(key));
  const closed = changed(
    state.closed,
    gone.map(([key, { counter, until }]) => [key, { counter, until }]),
  );
  const unexpired = [...closed]
    .filter(([, row]) => row.until >= timeFloor)
    .sort(([, one], [, other]) => one.counter - other.counter || one.until - other.until);
  return { outbox: kept, closed: new Map(unexpired.slice(-KEPT_CLOSED)) };
}

/** @type {(keyof ElementState)[]} */
const RISING = [
  "counter",
  "timeFloor",
  "trustSequence",
  "minTrustSequence",
  "syncTime",
  "syncNumber",
  "invoiceNumber",
  "loadNumber",
  "loadedTiyn",
  "droppedTiyn",
  "answersGiven",
];

/** @param {any} holds @param {string} what */
function always(holds, what) {
  if (!holds) {
    throw new Error(`a rule of the element is broken: ${what}`);
  }
}

/**
 * Assert that `after` may follow `before`. `syncing` says that the step commits a SYNC_ACK, the only one that may
 * move baselines or free the outbox.
 * @param {ElementState} before
 * @param {ElementState} after
 * @param {{ maxBalanceTiyn: number, maxSlots: number, syncing: boolean }} bounds
 */
export function checkStep(before, after, bounds) {
  for (const name of RISING) {
    always(after[name] >= before[name], `I1: ${name} fell`);
  }
  always(covers(after.totals, before.totals), "I1: a total fell");
  always(before.status !== DEAD || after.status === DEAD, "I1: the dead do not rise");
  always(covers(after.base, before.base), "I1: a baseline fell");
  always(covers(after.totals, after.base), "I1: a baseline is ahead of its total");
  if (!bounds.syncing) {
    always(covers(before.base, after.base), "I7: a baseline moved without an acknowledgement");
    for (const key of before.outbox.keys()) {
      always(after.outbox.has(key), "I7: the outbox was freed without an acknowledgement");
    }
  }
  checkValue(before, after, bounds);
}

/**
 * @param {ElementState} before
 * @param {ElementState} after
 * @param {{ maxBalanceTiyn: number, maxSlots: number, syncing: boolean }} bounds
 */
function checkValue(before, after, bounds) {
  const put = [...after.purse].filter(([key]) => !before.purse.has(key));
  const gone = [...before.purse].filter(([key]) => !after.purse.has(key));
  for (const [key, slot] of before.purse) {
    always(!after.purse.has(key) || after.purse.get(key) === slot, "I3: a slot was changed");
  }
  const held = sum([...after.purse.values()].map((slot) => slot.amountTiyn));
  always(balanceTiyn(after) === held, "I4, I11: the balance is not the sum of the slots");
  const promised = reserved(after.pending);
  const earlier = reserved(before.pending);
  const mostTiyn = Math.max(bounds.maxBalanceTiyn, balanceTiyn(before) + earlier.tiyn);
  always(held + promised.tiyn <= mostTiyn, "I4: balance and promises pass the limit");
  const mostSlots = Math.max(bounds.maxSlots, before.purse.size + earlier.slots);
  always(after.purse.size + promised.slots <= mostSlots, "I4: outpoints and promises pass the limit");
  always(after.pending.size <= MAX_PENDING, "I4: too many open invoices");
  const accepted = after.totals.inCount - before.totals.inCount;
  const answered = before.pending.size - after.pending.size;
  always(accepted === 0 || (accepted === 1 && answered === 1), "I8: accepted what no open invoice asked for");
  if (!bounds.syncing) {
    const signed = after.counter - before.counter;
    const fresh = [...after.outbox].filter(([key]) => !before.outbox.has(key));
    always(signed === sum(fresh.map(([, sent]) => sent.transfers.length)), "I3: a transfer is not kept");
    always(gone.length === signed, "I3: each transfer spends one outpoint of the purse");
    always(put.length <= signed + 1 || accepted === 1, "I3: value came from nowhere");
  }
}
