// @ts-check
/**
 * The offline device of a browser: element (tier SW, no secure element) and host in one, behind one object.
 *
 *     const device = await openDevice("wallet", { now, checkpoint });
 *     const proof = await device.enrolment(network, bankId, challenge);       // ENROL: bytes for the bank
 *     await device.adopt({ root, auths, trust, certificate });                // once; bytes from the institutions
 *     await device.loadNote(note);                                            // money in
 *     const { request } = await device.invoice(id, 250_000);                  // what to show to the payer
 *     const agreed = await other.readRequest(request); // who asks, for how much: ask the person
 *     const { payment } = await other.pay(request);                           // the point of no return
 *     const { receipt } = await device.receive(payment);                      // the same receipt, however often
 *     await other.keepReceipt(receipt);
 *     await device.sync(send);                                                // when there is a network
 *
 * Every call is one step: it waits for its turn among all tabs, reads the newest state, judges, writes one
 * transaction, and only then gives out what it signed. Any call may be cut off anywhere and asked again with the same
 * arguments. A refusal is a `TengeError` and changes nothing, except that a payment which names this device is kept
 * in the inbox, and a proof of double spending is kept as evidence.
 *
 * Ids that the caller chooses are Uint8Arrays of 1 to 64 bytes; ids that are given back are hexadecimal texts.
 * Amounts are whole tiyn, moments Unix seconds, signed objects the bytes of their envelopes.
 *
 * Source: DTO/1, sections 5.5 to 5.9, as `offline/device.py`.
 */

import * as backup from "./backup.js";
import * as history from "./history.js";
import * as papers from "./papers.js";
import * as paying from "./paying.js";
import * as receiving from "./receiving.js";
import { WRITE_STEPS, openRunner } from "./runner.js";
import { statusOf } from "./status.js";
import * as syncing from "./syncing.js";
import { TengeError } from "./wire.js";

export { WRITE_STEPS };

/** Software: the tier of a browser. */
export const TIER_SW = 1;

/** @typedef {import("./runner.js").DeviceOptions} DeviceOptions */

/**
 * Open the device called `name` of this browser, or make one with a new key. Opening again, also in another tab,
 * gives the same device. Raises E_HOST_STORE when the browser keeps nothing (private mode, no room).
 * @param {string} name
 * @param {DeviceOptions} [options]
 * @returns {Promise<Device>}
 */
export async function openDevice(name, options = {}) {
  return new Device(await openRunner(name, options));
}

/** One device. Open it with `openDevice`. */
export class Device {
  #runner;

  /** @param {import("./runner.js").Runner} runner A prepared one. */
  constructor(runner) {
    this.#runner = runner;
    const { kid, algorithm, raw } = runner.key;
    /** Its key id, 32 bytes. */
    this.kid = kid;
    /** Its public key: algorithm and raw bytes. */
    this.publicKey = { algorithm, raw };
  }

  /** The name under which it was opened. */
  get name() {
    return this.#runner.name;
  }

  // --- papers ---

  /**
   * ENROL: proof of possession of the key for the bank that will certify it. Changes nothing.
   * @param {Uint8Array} network 8 bytes. @param {number} bankId @param {Uint8Array} challenge 32 bytes.
   * @returns {Promise<Uint8Array>}
   */
  enrolment(network, bankId, challenge) {
    return this.#runner.read((step) => papers.enrolment(step, network, bankId, challenge));
  }

  /**
   * Take ROOT, its AUTHs, the first TRUST list (a chain) and the certificate; once, and harmless again.
   *
   * Raises E_PROVISIONED, E_CERTIFICATE_KEY, and what the checks of ROOT, AUTH, TRUST and DEVCERT raise.
   * @param {{ root: Uint8Array, auths: Uint8Array[], trust: Uint8Array[], certificate: Uint8Array }} given
   */
  adopt(given) {
    return this.#runner.step("adopt", (step) => papers.adopt(step, given));
  }

  /** Take another certificate for the same key; E_CERTIFICATE_KEY. @param {Uint8Array} certificate */
  renew(certificate) {
    return this.#runner.step("renew", (step) => papers.renew(step, certificate));
  }

  /** Take one more certificate of ROOT (a new bank, a new issuer epoch); E_SIG. @param {Uint8Array} auth */
  addAuthority(auth) {
    return this.#runner.step("authority", (step) => papers.addAuthority(step, auth));
  }

  /**
   * Adopt newer TRUST lists, or another party's chain of them; nothing happens when they are not newer.
   *
   * Raises E_TRUST_BASE, E_SIG, E_AUTHORITY; then none of them is adopted.
   * @param {Uint8Array[]} chain
   * @returns {Promise<number>} The adopted number.
   */
  adoptTrust(chain) {
    return this.#runner.step("trust", (step) => papers.adoptTrust(step, chain));
  }

  /** The TRUST lists for a peer that has adopted list number `sequence`. @param {number} sequence */
  trustNewerThan(sequence) {
    return this.#runner.read((step) => papers.trustNewerThan(step, sequence));
  }

  /**
   * The message that passes this device's TRUST lists on by QR, to a reader that has list number `sequence` (0:
   * nothing is known of it). E_TRUST_QR when they are too many for one code: a sync brings them.
   * @param {number} [sequence]
   * @returns {Promise<Uint8Array>}
   */
  trustMessage(sequence = 0) {
    return this.#runner.read((step) => papers.trustMessage(step, sequence));
  }

  /**
   * Read such a message; nothing happens when its lists are not newer. Raises E_TRUST_QR, E_FIELD, decoding errors,
   * and what `adoptTrust` raises.
   * @param {Uint8Array} message
   * @returns {Promise<number>} The adopted number.
   */
  readTrustMessage(message) {
    return this.#runner.step("trust", (step) => papers.readTrustMessage(step, message));
  }

  /** The device's certificate, as bytes; E_ELEMENT_STATE before `adopt`. @returns {Promise<Uint8Array>} */
  certificate() {
    return this.#runner.read((step) => papers.certificate(step));
  }

  // --- money in ---

  /**
   * Whether notes of these amounts would fit, asked before the ledger locks money for them, and the number of the
   * next load. Raises E_LIMIT_IN, E_PURSE_FULL, E_ELEMENT_STATE.
   * @param {number[]} amountsTiyn
   * @returns {Promise<{ loadNumber: number }>}
   */
  beforeLoad(amountsTiyn) {
    return this.#runner.read((step) => receiving.beforeLoad(step, amountsTiyn));
  }

  /**
   * Take a NOTE of a load. Again: nothing happens. Raises E_LOAD_OWNER, E_LOAD_NUMBER, E_LIMIT_IN, E_PURSE_FULL, and
   * what the checks of a note raise.
   * @param {Uint8Array} note
   */
  loadNote(note) {
    return this.#runner.step("load", (step) => receiving.loadNote(step, note));
  }

  /**
   * Ask for a payment. The same request id gives the same bytes; other wishes under it are E_REQUEST_REUSED.
   *
   * `request` is the REQUEST message (invoice and certificate) to show to the payer; `words` stay on this device and
   * are shown in its history. Raises E_ELEMENT_STATE, E_CERT_TIME, E_REVOKED, E_TRUST_STALE, E_TRUST_MIN,
   * E_INVOICES_OPEN, E_PURSE_FULL, E_LIMIT_IN, E_PURPOSE_UNKNOWN, E_CATEGORY_IN.
   * @param {Uint8Array} requestId
   * @param {number} amountTiyn
   * @param {{ purpose?: number, memo?: Uint8Array, offer?: Uint8Array, words?: string, expires?: number,
   *   near?: boolean }} [wishes] `memo` and `offer` are hashes; `near` allows the larger messages of NFC or BLE.
   * @returns {Promise<{ id: string, request: Uint8Array, invoice: Uint8Array, expires: number }>}
   */
  invoice(requestId, amountTiyn, wishes = {}) {
    return this.#runner.step("invoice", (step) => receiving.invoice(step, requestId, amountTiyn, wishes));
  }

  /**
   * Judge a whole payment (V0 to V8) for an invoice of this device and take it; again: the same receipt, and no value
   * twice. The receipt may be handed out as soon as this returns.
   *
   * Raises what the steps V0 to V8 name, and E_INVOICE_UNKNOWN. A payment that names this device is then in the
   * inbox.
   * @param {Uint8Array} payment A BUNDLE, or a COMMIT when `considered` is given.
   * @param {Considered} [considered] What `consider` gave, for a COMMIT of flow I.
   * @returns {Promise<{ id: string, receipt: Uint8Array, amountTiyn: number, purpose: number, payer: string }>}
   */
  receive(payment, considered) {
    return this.#runner.step("receive", (step) => receiving.receive(step, payment, considered));
  }

  /**
   * Judge an OFFER before asking for it (flow I): V0 to V5b, what of V7 can be known, and that it suffices.
   * @typedef {{ offer: Uint8Array, bundle: any }} Considered
   * @param {Uint8Array} offer
   * @param {{ amountTiyn: number, purpose: number }} wanted
   * @returns {Promise<Considered>}
   */
  consider(offer, wanted) {
    return this.#runner.step("receive", (step) => receiving.consider(step, offer, wanted));
  }

  // --- money out ---

  /**
   * Open a REQUEST and check it and its payee, before the person is asked. Raises E_SIG, E_PAYEE, E_REVOKED,
   * E_CERT_TIME, E_CA, E_TIER_CLOSED, E_SELF, E_INVOICE_EXPIRED and decoding errors.
   * @param {Uint8Array} request
   * @returns {Promise<{ id: string, amountTiyn: number, purpose: number, payee: string, category: number, tier:
   *   number,
   *   expires: number, memo: string, paid: boolean }>}
   */
  readRequest(request) {
    return this.#runner.read((step) => paying.readRequest(step, request));
  }

  /**
   * Pay a request once and for ever: the PAYMENT to hand over. Again: the same bytes, at any time.
   *
   * Raises E_COINS, E_COINS_BYTES, E_OFFER and what the element's checks raise; then nothing was spent.
   * @param {Uint8Array} request The REQUEST message.
   * @param {{ offer?: Uint8Array, words?: string }} [wishes] The OFFER that was answered (flow I); words for the
   *   history.
   * @returns {Promise<{ id: string, payment: Uint8Array, commit: Uint8Array, amountTiyn: number }>} `commit` is what
   *   flow I
   *   sends instead of the whole payment.
   */
  pay(request, wishes = {}) {
    return this.#runner.step("pay", (step) => paying.pay(step, request, wishes));
  }

  /**
   * An OFFER (flow I): the lines that would pay, and which outpoints of them. Nothing is committed.
   * @param {{ amountTiyn: number, purpose: number, maxParts: number, maxBytes: number }} wanted
   * @returns {Promise<Uint8Array>}
   */
  offer(wanted) {
    return this.#runner.read((step) => paying.offer(step, wanted));
  }

  /** The payment made for an invoice, again; E_PAYMENT_UNKNOWN. @param {string} id @returns {Promise<Uint8Array>} */
  resend(id) {
    return this.#runner.read((step) => paying.resend(step, id));
  }

  /**
   * Check the payee's RECEIPT for a payment of this device and keep it. Raises E_PAYMENT_UNKNOWN, E_PAYEE, E_PARTS,
   * E_SIG.
   * @param {Uint8Array} receipt
   * @returns {Promise<{ id: string }>}
   */
  keepReceipt(receipt) {
    return this.#runner.step("receipt", (step) => paying.keepReceipt(step, receipt));
  }

  /**
   * Send money home to the account in the bank's REDEEM_ORDER: an amount, or all; of one purpose, or of any. One
   * order is one redemption. It counts when the next sync has handed it in. Raises E_COINS, E_ORDER, E_SIG,
   * E_OUTBOX_FULL.
   * @param {Uint8Array} order
   * @param {{ amountTiyn?: number, purpose?: number }} [wishes]
   * @returns {Promise<{ id: string, amountTiyn: number }>}
   */
  redeem(order, wishes = {}) {
    return this.#runner.step("redeem", (step) => paying.redeem(step, order, wishes));
  }

  // --- sync ---

  /**
   * Hand in everything, take the answer, learn the newest TRUST list.
   *
   * `send` gives each BATCH (bytes) to settlement in order. For the last one, which carries the SYNC_REQ, it gives
   * back the SYNC_ACK (bytes) and the TRUST lists newer than `trustSequence`. Whatever `send` throws is thrown on,
   * and the same statement is handed in next time.
   * @param {(batch: Uint8Array, about: { last: boolean, trustSequence: number }) =>
   *   Promise<{ ack: Uint8Array, trust?: Uint8Array[] } | void>} send
   * @returns {Promise<{ droppedTiyn: number, complete: boolean, blocked: boolean }>}
   */
  async sync(send) {
    const { batches, trustSequence } = await this.syncBatches();
    for (const batch of batches.slice(0, -1)) {
      await send(batch, { last: false, trustSequence });
    }
    const answer = await send(batches[batches.length - 1], { last: true, trustSequence });
    if (!answer) {
      throw new TengeError("E_SYNC_ACK", { problem: "settlement gave no answer" });
    }
    const done = await this.syncCommit(answer.ack);
    if (answer.trust?.length) {
      await this.adoptTrust(answer.trust);
    }
    return done;
  }

  /**
   * What to hand to settlement, in order. It cancels open invoices. Asked again before the acknowledgement: the same
   * statement, with whatever came since.
   * @returns {Promise<{ batches: Uint8Array[], trustSequence: number }>}
   */
  syncBatches() {
    return this.#runner.step("sync begin", (step) => syncing.begin(step));
  }

  /**
   * Take settlement's SYNC_ACK, and let go what it covers; the same answer again changes nothing. E_SYNC_ACK, E_SIG.
   * @param {Uint8Array} ack
   * @returns {Promise<{ droppedTiyn: number, complete: boolean, blocked: boolean }>}
   */
  syncCommit(ack) {
    return this.#runner.step("sync commit", (step) => syncing.commit(step, ack));
  }

  // --- reading ---

  /** The network id, 8 bytes; E_ELEMENT_STATE before `adopt`. @returns {Promise<Uint8Array>} */
  network() {
    return this.#runner.read((step) => papers.network(step));
  }

  /** What a HELLO says of this device (flow I): certificate, most parts and bytes, number of its TRUST list. */
  takingLimits() {
    return this.#runner.read((step) => receiving.takingLimits(step));
  }

  /** Whether a payee's certificate (signed, opened) stands, before any history is shown to it. @param {any} payee */
  checkPayee(payee) {
    return this.#runner.read((step) => paying.checkPayee(step, payee));
  }

  /** What the device is and holds, its limits and how much of them is left. See `Status` in `status.js`. */
  status() {
    return this.#runner.read((step) => statusOf(step, this.#runner.now(), this.name));
  }

  /**
   * What happened on this device, newest first: an array of `Entry` (`history.js`).
   * @param {{ text?: string, kind?: string, from?: number, until?: number }} [search]
   * @returns {Promise<history.Entry[]>}
   */
  history(search = {}) {
    return this.#runner.read((step) => history.entries(step, search));
  }

  /** Payments that name this device and could not be taken: the next sync hands them in. */
  inbox() {
    return this.#runner.read((step) => history.inbox(step));
  }

  /** Every evidence file this device found, as bytes. @returns {Promise<Uint8Array[]>} */
  evidence() {
    return this.#runner.read(async (step) => [...step.rows("evidence").values()]);
  }

  /** The contacts of the person, by name. @returns {Promise<history.Contact[]>} */
  contacts() {
    return this.#runner.read((step) => history.contacts(step));
  }

  /** Keep a contact, new or changed. @param {history.Contact} contact */
  putContact(contact) {
    return this.#runner.step("contact", (step) => history.putContact(step, contact), { unprovisioned: true });
  }

  /** Forget a contact. @param {string} id */
  removeContact(id) {
    return this.#runner.step("contact", async (step) => step.drop("contact", id), { unprovisioned: true });
  }

  // --- backup ---

  /**
   * A file with history, contacts, receipts and what shows settlement who owns what; no key, no purse, no counter. It
   * spends nothing, here or anywhere. With a passphrase it is encrypted.
   * @param {{ passphrase?: string }} [options]
   * @returns {Promise<Uint8Array>}
   */
  exportBackup(options = {}) {
    return this.#runner.read((step) => backup.exportBackup(step, options));
  }

  /**
   * Take a backup of another device (or of this one) in: its history and contacts are shown, and what it can claim is
   * handed in at the next sync. The purse stays as it is. Raises E_BACKUP.
   * @param {Uint8Array} file
   * @param {{ passphrase?: string }} [options]
   * @returns {Promise<{ entries: number, contacts: number, claims: number }>}
   */
  importBackup(file, options = {}) {
    return this.#runner.step("restore", (step) => backup.importBackup(step, file, options));
  }

  /**
   * Call `listener` when another tab has changed this device; gives back how to stop.
   * @param {() => void} listener
   */
  onChange(listener) {
    return this.#runner.onChange(listener);
  }

  /**
   * Ask the browser not to throw this device away when it is short of room; whether it promised. Some browsers ask
   * the person, so call it after something the person did.
   * @returns {Promise<boolean>}
   */
  async keepForGood() {
    return (await navigator.storage?.persist?.()) ?? false;
  }

  /** Let go of the database. */
  close() {
    this.#runner.close();
  }
}
