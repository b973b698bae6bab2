// @ts-check
/**
 * The element of a browser: the calls that move money, each a function from one state to the next.
 *
 * It is software (tier SW): right in its logic, and in nobody's way who opens the browser. Nothing here writes: a
 * call judges, signs in memory, and gives the state after together with what it signed. The device lets the signature
 * out only when that state is on the disk (I2).
 *
 * How each call works, as in `offline/element.py`:
 *
 * 1. has this question been answered? then give the same bytes again, and no new state;
 * 2. judge (`rules.js`), sign, compute the state after;
 * 3. the caller asserts the invariants (`state.js`) and writes.
 *
 * Source: DTO/1, sections 5.7, 5.8, 5.9 and 5.19 (4, 5, 10).
 */

import {
  MAX_PENDING,
  MAX_REDEEM_PARTS,
  MAX_TOKENS,
  checkIn,
  checkOut,
  checkSlots,
  covers,
  outboxCapacity,
  slotOfNote,
  slotOfOutput,
  sum,
} from "./purse.js";
import * as rules from "./rules.js";
import { buildSpend } from "./spend.js";
import {
  ACTIVE,
  DEAD,
  NEW,
  SPEND_BLOCKED,
  balanceTiyn,
  changed,
  freed,
  openAt,
  outboxTransfers,
  reserved,
  withAnswer,
  withReceipt,
} from "./state.js";
import {
  PARAMETERS,
  PAY,
  REDEEM,
  TengeError,
  checkNote,
  checkPurpose,
  checkPurposeLimits,
  envelopeOf,
  hashOf,
  hex,
  openSigned,
  outpointKey,
  paymentRoot,
  sameBytes,
  signRecord,
} from "./wire.js";

const ACCEPTED = 1;

/** @typedef {import("./state.js").ElementState} ElementState */

/**
 * What a call gives: the answer, and the state after it (the same object when nothing changed).
 * @template T
 * @typedef {{ answer: T, state: ElementState, syncing?: boolean }} Outcome
 */

/** A refusal that leaves the element dead: the caller writes `state` and throws the refusal. */
export class Stopped extends TengeError {
  /** @param {ElementState} state */
  constructor(state) {
    super("E_ELEMENT_DEAD", { counter: state.counter });
    this.state = { ...state, status: DEAD };
  }
}

/**
 * One element at one moment: its state, its papers opened, and its key. Never changed; each call gives a new state.
 */
export class Element {
  /**
   * @param {ElementState} state
   * @param {object} with_
   * @param {any} with_.key The signing key.
   * @param {Uint8Array} with_.kid
   * @param {any} with_.trust The trust view, null before provisioning.
   * @param {any} with_.certificate Its certificate, signed, null before provisioning.
   * @param {number} with_.now The host's clock, Unix seconds.
   * @param {(bytesCount: number) => Uint8Array} with_.random
   */
  constructor(state, { key, kid, trust, certificate, now, random }) {
    this.state = state;
    this.kid = kid;
    this.trust = trust;
    this.certificate = certificate;
    this.moment = Math.max(now, state.timeFloor);
    this.limits = certificate ? trust.limits(certificate.record) : null;
    this.maxSlots = certificate ? Math.min(trust.parameter(PARAMETERS.maxSlots), 1024) : 0;
    this.key = key;
    this.random = random;
  }

  /** What `checkStep` needs to know. @param {boolean} syncing */
  bounds(syncing) {
    return { maxBalanceTiyn: this.limits?.maxBalanceTiyn ?? 0, maxSlots: this.maxSlots, syncing };
  }

  /** What is promised to open invoices now: tiyn and places. */
  reserved() {
    return reserved(openAt(this.state, this.moment));
  }

  /** How many more outpoints it may take. */
  freeSlots() {
    return this.maxSlots - this.state.purse.size - this.reserved().slots;
  }

  // --- money in ---

  /**
   * Take a note made for this element; the note taken last, or still held, again: nothing happens.
   *
   * Raises E_ELEMENT_STATE, E_LOAD_OWNER, E_LOAD_NUMBER, E_LIMIT_IN, E_PURSE_FULL, and what `checkNote` raises.
   * @param {any} note A signed NOTE.
   * @returns {Promise<Outcome<boolean>>} Whether it was taken now.
   */
  async load(note) {
    const { state, kid } = this;
    const key = outpointKey(note.oid, 0);
    if (state.purse.has(key) || state.lastLoad === hex(note.oid)) {
      return { answer: false, state };
    }
    rules.checkActive(state);
    await checkNote(note, this.trust);
    const record = note.record;
    if (!sameBytes(record.owner, kid)) {
      throw new TengeError("E_LOAD_OWNER", { owner: hex(record.owner), own: hex(kid) });
    }
    if (record.loadNumber <= state.loadNumber) {
      throw new TengeError("E_LOAD_NUMBER", { number: record.loadNumber, last: state.loadNumber });
    }
    this.#checkFits(1, record.amountTiyn);
    this.#checkRoom(record.amountTiyn);
    const after = {
      ...state,
      loadNumber: record.loadNumber,
      lastLoad: hex(note.oid),
      loadedTiyn: state.loadedTiyn + record.amountTiyn,
      purse: changed(state.purse, [[key, slotOfNote(record, note.oid)]]),
      pending: openAt(state, this.moment),
    };
    return { answer: true, state: after };
  }

  /**
   * Promise to take a payment; the same request id gives the same bytes (E_REQUEST_REUSED for other wishes).
   *
   * Raises E_ELEMENT_STATE, E_CERT_TIME, E_REVOKED, E_TRUST_STALE, E_TRUST_MIN, E_INVOICE_EXPIRED, E_PURPOSE_UNKNOWN,
   * E_CATEGORY_IN, E_INVOICES_OPEN, E_PURSE_FULL, E_LIMIT_IN.
   * @param {Uint8Array} requestId
   * @param {{ amountTiyn: number, purpose: number, expires: number, maxParts: number, maxBytes: number,
   *   offer: Uint8Array, memo: Uint8Array }} wishes
   * @returns {Promise<Outcome<any>>} The signed INVOICE.
   */
  async invoice(requestId, wishes) {
    const { state, moment, trust } = this;
    rules.checkRequestId(requestId);
    const name = hex(requestId);
    const { amountTiyn, purpose, expires, maxParts, maxBytes, offer, memo } = wishes;
    const question = await hashOf([amountTiyn, purpose, expires, maxParts, maxBytes, offer, memo]);
    const kept = this.#answered(name, question);
    if (kept) {
      return { answer: await openSigned("INVOICE", kept, trust.network), state };
    }
    rules.checkActive(state);
    const certificate = this.certificate.record;
    rules.checkOwnCertificate(certificate, trust, moment);
    rules.checkTrustFresh(state, trust, moment);
    rules.checkReceivable(purpose, certificate.category, trust);
    if (moment > expires) {
      throw new TengeError("E_INVOICE_EXPIRED", { expires, now: moment });
    }
    const invoiceNumber = state.invoiceNumber + 1;
    const nonce = this.random(16);
    const record = { payee: this.kid, invoiceNumber, nonce, ...wishes, trustSequence: trust.sequence };
    const open = openAt(state, moment);
    if (open.size >= MAX_PENDING) {
      throw new TengeError("E_INVOICES_OPEN", { open: open.size, most: MAX_PENDING });
    }
    this.#checkFits(maxParts, amountTiyn);
    this.#checkRoom(amountTiyn);
    const signed = await this.#sign("INVOICE", record);
    const until = expires + trust.parameter(PARAMETERS.clockSkewSeconds);
    const promise = { number: invoiceNumber, amountTiyn, slots: maxParts, purpose, until };
    const after = { ...state, invoiceNumber, pending: changed(open, [[hex(signed.oid), promise]]) };
    return { answer: signed, state: withAnswer(after, name, question, envelopeOf(signed)) };
  }

  /**
   * Take the whole payment for an open invoice; asked again, the same receipt, and no value twice.
   *
   * Raises E_INVOICE_UNKNOWN (never issued, expired, cancelled, or paid longer ago than the kept receipts), what
   * `checkPayer` and `checkIncoming` raise, E_CATEGORY, E_PURPOSE_TIME, E_PURPOSE_CAP, E_ELEMENT_STATE when it is
   * dead.
   * @param {Uint8Array} invoice Its id.
   * @param {any[]} transfers Signed, by part.
   * @param {{ maxHops: number, maxLength: number }[]} caps Those of each part's note.
   * @param {any} payer The payer's certificate, signed.
   * @returns {Promise<Outcome<any>>} The signed RECEIPT.
   */
  async accept(invoice, transfers, caps, payer) {
    const { state, moment, trust } = this;
    const name = hex(invoice);
    const given = state.receipts.get(name);
    if (given) {
      return { answer: await openSigned("RECEIPT", given.envelope, trust.network), state };
    }
    const pending = state.pending.get(name);
    if (!pending || moment > pending.until) {
      throw new TengeError("E_INVOICE_UNKNOWN", { invoice: name });
    }
    if (state.status === DEAD) {
      throw rules.wrongStatus(DEAD);
    }
    await rules.checkPayer(payer, trust, moment);
    const asked = { ownKid: this.kid, oid: invoice, pending, now: moment };
    await rules.checkIncoming(transfers, caps, payer.record, asked);
    const categories = [payer.record.category, this.certificate.record.category];
    checkPurpose(pending.purpose, categories[0], categories[1], trust);
    checkPurposeLimits(pending.purpose, categories, pending.amountTiyn, moment, trust);
    const slots = transfers.map((transfer, place) => slotOfOutput(transfer, 0, caps[place]));
    const root = await paymentRoot(transfers);
    const record = { payee: this.kid, invoice, paymentRoot: root, status: ACCEPTED, time: moment };
    const receipt = await this.#sign("RECEIPT", record);
    const inTiyn = state.totals.inTiyn + pending.amountTiyn;
    const totals = { ...state.totals, inTiyn, inCount: state.totals.inCount + 1 };
    const kept = { order: totals.inCount, question: name, envelope: envelopeOf(receipt) };
    const after = {
      ...state,
      totals,
      purse: changed(
        state.purse,
        slots.map((slot) => [outpointKey(slot.previous, 0), slot]),
      ),
      pending: changed(state.pending, [], [name]),
      receipts: withReceipt(state, name, kept),
    };
    return { answer: receipt, state: after };
  }

  // --- money out ---

  /**
   * Spend these outpoints for the invoice, the last one giving change; asked again, the same transfers.
   *
   * Raises E_ELEMENT_STATE, E_CERT_TIME, E_REVOKED, what `checkOpenInvoice`, `checkPurpose`, `checkPurposeLimits`,
   * `checkAge`, `picked`, `checkMovable`, `checkOut` and `splitAmounts` raise, E_OUTBOX_FULL, and E_PAID_BEFORE when
   * it was paid and acknowledged already.
   * @param {any} invoice A signed INVOICE. @param {any} payee Its payee's certificate, signed.
   * @param {string[]} picks Outpoints, as 66 hexadecimal digits.
   * @returns {Promise<Outcome<any[]>>} Signed TRANSFERs.
   */
  async pay(invoice, payee, picks) {
    const { state, moment, trust, limits } = this;
    const name = hex(invoice.oid);
    const sent = state.outbox.get(name);
    if (sent) {
      return { answer: await this.openTransfers(sent), state };
    }
    this.#checkNotClosed(name);
    rules.checkActive(state);
    const record = invoice.record;
    const certificate = this.certificate.record;
    rules.checkOwnCertificate(certificate, trust, moment);
    await rules.checkOpenInvoice(invoice, payee, this.kid, trust, moment);
    const categories = [certificate.category, payee.record.category];
    checkPurpose(record.purpose, categories[0], categories[1], trust);
    checkPurposeLimits(record.purpose, categories, record.amountTiyn, moment, trust);
    rules.checkAge(state, limits, moment);
    const slots = rules.picked(state, picks, Math.min(record.maxParts, MAX_TOKENS));
    rules.checkMovable(slots, record.purpose, rules.hopLimit(limits, trust.purpose(record.purpose)), moment);
    checkOut(state.totals, state.base, limits, record.amountTiyn);
    this.#checkOutbox(picks.length, outboxCapacity(limits));
    this.#checkRoom(record.amountTiyn);
    const wish = { kind: PAY, amountTiyn: record.amountTiyn, owner: record.payee, reference: invoice.oid };
    return this.#spend(wish, picks, slots, name, record.expires);
  }

  /**
   * Send `amountTiyn` of these outpoints to the account of the bank's order; the last one gives change.
   *
   * Allowed when spending is blocked, the certificate has expired, or hops and time have run out. The same order
   * gives the same transfers. Raises E_ELEMENT_STATE, E_REQUEST_REUSED, what `checkRedeemOrder`, `picked` and
   * `splitAmounts` raise, and E_OUTBOX_FULL.
   * @param {any} order A signed REDEEM_ORDER. @param {string[]} picks @param {number} amountTiyn
   * @returns {Promise<Outcome<any[]>>} Signed TRANSFERs.
   */
  async redeem(order, picks, amountTiyn) {
    const { state, moment, trust } = this;
    const name = hex(order.oid);
    const sent = state.outbox.get(name);
    if (sent) {
      return { answer: await this.openTransfers(sent), state };
    }
    this.#checkNotClosed(name);
    if (state.status === NEW || state.status === DEAD) {
      throw rules.wrongStatus(state.status);
    }
    await rules.checkRedeemOrder(order, this.certificate.record, trust, moment);
    const slots = rules.picked(state, picks, MAX_REDEEM_PARTS);
    this.#checkOutbox(picks.length, outboxCapacity(this.limits) + this.maxSlots);
    this.#checkRoom(sum(slots.map((slot) => slot.amountTiyn)));
    const wish = { kind: REDEEM, amountTiyn, owner: order.record.account, reference: order.oid };
    return this.#spend(wish, picks, slots, name, order.record.expires);
  }

  /**
   * @param {any} wish @param {string[]} picks @param {import("./purse.js").Slot[]} slots
   * @param {string} name @param {number} until
   * @returns {Promise<Outcome<any[]>>}
   */
  async #spend(wish, picks, slots, name, until) {
    const { state } = this;
    const sign = (/** @type {any} */ record) => this.#sign("TRANSFER", record);
    const { transfers, purse } = await buildSpend(
      state,
      { ...wish, picks, slots },
      this.kid,
      this.moment,
      sign,
    );
    const sent = {
      counter: state.counter + 1,
      amountTiyn: wish.amountTiyn,
      until,
      reference: name,
      transfers: transfers.map(envelopeOf),
    };
    const outTiyn = state.totals.outTiyn + wish.amountTiyn;
    const after = {
      ...state,
      counter: state.counter + transfers.length,
      head: transfers[transfers.length - 1].oid,
      totals: { ...state.totals, outTiyn, outCount: state.totals.outCount + 1 },
      purse,
      outbox: changed(state.outbox, [[name, sent]]),
    };
    return { answer: transfers, state: after };
  }

  /** Own transfers of one payment, opened. @param {import("./state.js").Sent} sent */
  async openTransfers(sent) {
    return Promise.all(sent.transfers.map((item) => openSigned("TRANSFER", item, this.trust.network)));
  }

  // --- sync ---

  /**
   * State what the element holds and cancel open invoices; the same bytes while no acknowledgement came.
   *
   * Raises E_ELEMENT_STATE when there is nothing to sync for (not provisioned, dead).
   * @returns {Promise<Outcome<any>>} The signed SYNC_REQ.
   */
  async syncBegin() {
    const { state, trust } = this;
    if (state.papers.sync) {
      return { answer: await openSigned("SYNC_REQ", state.papers.sync, trust.network), state };
    }
    if (state.status === DEAD || state.status === NEW) {
      throw rules.wrongStatus(state.status);
    }
    this.#checkRoom(0);
    const syncNumber = state.syncNumber + 1;
    const purse = [...state.purse]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, slot]) => [slot.previous, slot.position, slot.amountTiyn]);
    const request = await this.#sign("SYNC_REQ", {
      kid: this.kid,
      syncNumber,
      counter: state.counter,
      head: state.head,
      invoiceNumber: state.invoiceNumber,
      purse,
      outTotalTiyn: state.totals.outTiyn,
      inTotalTiyn: state.totals.inTiyn,
      outCount: state.totals.outCount,
      inCount: state.totals.inCount,
      trustSequence: state.trustSequence,
      nonce: this.random(16),
    });
    const after = {
      ...state,
      syncNumber,
      requested: state.totals,
      requestedCounter: state.counter,
      pending: new Map(),
      papers: { ...state.papers, sync: envelopeOf(request) },
    };
    return { answer: request, state: after };
  }

  /**
   * Take settlement's answer to the open request; any other answer changes nothing and is refused.
   *
   * Baselines move to what it states. Only when that is all the request stated is the log complete, and the transfers
   * up to it leave the outbox (5.19.10). Raises E_SYNC_ACK, E_SIG.
   * @param {any} ack A signed SYNC_ACK.
   * @returns {Promise<Outcome<{ droppedTiyn: number, complete: boolean }>>}
   */
  async syncCommit(ack) {
    const { state, trust } = this;
    const { sync } = state.papers;
    const request = sync ? await openSigned("SYNC_REQ", sync, trust.network) : null;
    const base = await rules.checkAck(ack, request, trust, state.base);
    const record = ack.record;
    const drop = record.drop
      .map((/** @type {[Uint8Array, number]} */ one) => outpointKey(one[0], one[1]))
      .filter((/** @type {string} */ key) => state.purse.has(key));
    const droppedTiyn = sum(drop.map((/** @type {string} */ key) => state.purse.get(key)?.amountTiyn ?? 0));
    const timeFloor = Math.max(state.timeFloor, record.time);
    const complete = covers(base, state.requested);
    const { outbox, closed } = complete ? freed(state, timeFloor) : state;
    const alive = record.action ? SPEND_BLOCKED : ACTIVE;
    const papers = { ...state.papers };
    delete papers.sync;
    const after = {
      ...state,
      status: state.status === DEAD ? DEAD : alive,
      base,
      timeFloor,
      syncTime: Math.max(state.syncTime, record.time),
      minTrustSequence: Math.max(state.minTrustSequence, record.minTrustSequence),
      purse: changed(state.purse, [], drop),
      droppedTiyn: state.droppedTiyn + droppedTiyn,
      outbox,
      closed,
      papers,
      lastAck: hex(ack.oid),
    };
    return { answer: { droppedTiyn, complete }, state: after, syncing: true };
  }

  // --- helpers ---

  /** @param {string} name @param {any} record */
  #sign(name, record) {
    return signRecord(name, record, this.trust.network, this.key);
  }

  /** @param {string} name @param {string} question @returns {Uint8Array | null} */
  #answered(name, question) {
    const kept = this.state.answers.get(name);
    if (!kept) {
      return null;
    }
    if (kept.question !== question) {
      throw new TengeError("E_REQUEST_REUSED", { request: name });
    }
    return kept.envelope;
  }

  /** @param {number} slots @param {number} amountTiyn */
  #checkFits(slots, amountTiyn) {
    const promised = this.reserved();
    checkSlots(slots, this.state.purse.size, promised.slots, this.maxSlots);
    checkIn(amountTiyn, balanceTiyn(this.state), promised.tiyn, this.limits);
  }

  /** @param {string} key */
  #checkNotClosed(key) {
    if (this.state.closed.has(key)) {
      throw new TengeError("E_PAID_BEFORE", { key });
    }
  }

  /** @param {number} count @param {number} most */
  #checkOutbox(count, most) {
    const held = outboxTransfers(this.state);
    if (held + count > most) {
      throw new TengeError("E_OUTBOX_FULL", { held, most });
    }
  }

  /** @param {number} amountTiyn */
  #checkRoom(amountTiyn) {
    if (!rules.hasRoom(this.state, amountTiyn, MAX_REDEEM_PARTS)) {
      throw new Stopped(this.state);
    }
  }
}
