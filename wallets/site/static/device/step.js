// @ts-check
/**
 * One step of a device: what it reads, and what it will write.
 *
 * A step reads one snapshot, judges, and collects the element's state after and the changed rows. The device writes
 * them in one transaction, or, when the step is refused, nothing but what the protocol wants kept of a refusal:
 * evidence, and a payment set aside for the next sync.
 *
 *     line         outpoint            the history of one piece of money
 *     certificate  key id              a device certificate seen on some line, or the device's own
 *     request      the caller's id     what an invoice was asked for
 *     invoice      invoice id          an invoice this device made
 *     incoming     invoice id          a payment that was accepted: its bundle
 *     seen         invoice id          a payment handed in long ago, until its money's redeem_by
 *     receipt      invoice id          the receipt this device gave
 *     payment      invoice id          a payment this device made: bundle, invoice, payee's certificate
 *     proof        invoice id          the receipt this device got
 *     redemption   order id            what was sent home: order and lines
 *     loaded       note id             a note that was loaded, until its redeem_by
 *     inbox        hash of the bytes   a payment that names this device and could not be accepted
 *     evidence     hash of the bytes   proof that somebody signed twice
 *     settled      tip                 a line that an acknowledged sync handed in
 *     submitted    request id          what an open sync hands in
 *     history      entry id            what the person sees, kept for good (`history.js`)
 *     contact      contact id          whom the person knows
 *     claim        hash of the bytes   out of a backup: what shows settlement who owns what (`backup.js`)
 *     lost         key id              a device that this browser had and lost
 *
 * Source: DTO/1, sections 5.7 to 5.9, as `offline/host_rows.py`.
 */

import { openLine } from "./lines.js";
import { envelopeOf, hex, openBundleKept, openSigned, outpointKey } from "./wire.js";

/** One step. Made by the device; `element` is the element at this moment. */
export class Step {
  /** @type {Map<string, [string, string, any]>} */
  #changes = new Map();
  /** @type {[string, string, any][]} */
  #aside = [];

  /**
   * @param {import("./store.js").Snapshot} snapshot
   * @param {import("./element.js").Element} element
   */
  constructor(snapshot, element) {
    this.snapshot = snapshot;
    this.element = element;
    this.state = snapshot.state;
    this.syncing = false;
  }

  /** The network id, 8 bytes. @returns {Uint8Array} */
  get network() {
    return this.element.trust.network;
  }

  /** Whether there is anything to write. */
  get changed() {
    return this.state !== this.snapshot.state || this.#changes.size > 0;
  }

  /** The rows to write. */
  get changes() {
    return [...this.#changes.values()];
  }

  /** What is written even when the step is refused. */
  get aside() {
    return this.#aside;
  }

  /**
   * Take what a call of the element gave: its state becomes the state after this step.
   * @template T
   * @param {import("./element.js").Outcome<T>} outcome
   * @returns {T}
   */
  take(outcome) {
    this.state = outcome.state;
    this.syncing = this.syncing || Boolean(outcome.syncing);
    return outcome.answer;
  }

  /** Whether the last call changed the element. */
  get elementChanged() {
    return this.state !== this.snapshot.state;
  }

  /** @param {string} kind @param {string} key @param {any} value */
  put(kind, key, value) {
    this.#changes.set(`${kind}/${key}`, [kind, key, value]);
  }

  /** @param {string} kind @param {string} key */
  drop(kind, key) {
    this.#changes.set(`${kind}/${key}`, [kind, key, undefined]);
  }

  /** Keep a row even though this step is refused. @param {string} kind @param {string} key @param {any} value */
  setAside(kind, key, value) {
    this.#aside.push([kind, key, value]);
  }

  /** A row as this step sees it. @param {string} kind @param {string} key @returns {any} */
  row(kind, key) {
    const change = this.#changes.get(`${kind}/${key}`);
    return change ? change[2] : this.snapshot.rows.get(kind)?.get(key);
  }

  /** All rows of one kind as this step sees them, by rising key. @param {string} kind @returns {Map<string, any>} */
  rows(kind) {
    const found = new Map(this.snapshot.rows.get(kind) ?? []);
    for (const [changedKind, key, value] of this.#changes.values()) {
      if (changedKind === kind) {
        if (value === undefined) {
          found.delete(key);
        } else {
          found.set(key, value);
        }
      }
    }
    return new Map([...found].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  // --- opened ---

  /** The line of an outpoint that the host keeps. @param {string} outpoint */
  line(outpoint) {
    return openLine(this.row("line", outpoint), this.network);
  }

  /** Every certificate kept, signed, by key id. @returns {Promise<Map<string, any>>} */
  async certificates() {
    const rows = [...this.rows("certificate")];
    const opened = await Promise.all(rows.map(([, bytes]) => openSigned("DEVCERT", bytes, this.network)));
    return new Map(opened.map((certificate, place) => [rows[place][0], certificate]));
  }

  /**
   * Keep those of these certificates which are new, or newer for the same key.
   * @param {Iterable<any>} certificates
   */
  async keepCertificates(certificates) {
    const known = await this.certificates();
    for (const certificate of certificates) {
      const kid = hex(certificate.record.kid);
      if (!known.has(kid) || hex(known.get(kid).oid) !== hex(certificate.oid)) {
        this.put("certificate", kid, envelopeOf(certificate));
      }
    }
  }

  /** Every transfer on any line this device keeps, oldest knowledge first: for the search for double spends. */
  async known() {
    const bundles = [
      ...this.rows("incoming").values(),
      ...[...this.rows("payment").values()].map((row) => row.bundle),
      ...[...this.rows("seen").values()].map((row) => row.bundle),
    ];
    const opened = await Promise.all(bundles.map((bytes) => openBundleKept(bytes, this.network)));
    const lines = await Promise.all(
      [...this.rows("line").values()].map((row) => openLine(row, this.network)),
    );
    const transfers = [...opened.flatMap((bundle) => bundle.tokens), ...lines].flatMap(
      (line) => line.transfers,
    );
    const spends = new Map();
    const counters = new Map();
    for (const transfer of transfers) {
      const { record } = transfer;
      setDefault(spends, outpointKey(record.previous, record.index), transfer);
      setDefault(counters, `${hex(record.payer)}/${record.counter}`, transfer);
    }
    return { spends, counters };
  }

  /** Write an entry of the history, new or changed. @param {any} entry */
  remember(entry) {
    const before = this.row("history", entry.id);
    const order = before?.order ?? this.snapshot.step + 1;
    this.put("history", entry.id, { ...before, time: this.element.moment, ...entry, order, restored: false });
  }
}

/** @param {Map<string, any>} map @param {string} key @param {any} value */
function setDefault(map, key, value) {
  if (!map.has(key)) {
    map.set(key, value);
  }
}
