// @ts-check
/**
 * What the person sees: what happened, whom they know, and what waits.
 *
 * Entries are kept for good, also after a sync has handed in what they speak of; a receipt stays with its entry. They
 * are for reading: no rule of the element looks at them.
 */

import { TengeError } from "./wire.js";

/**
 * One thing that happened on this device.
 * @typedef {object} Entry
 * @property {string} id
 * @property {"load" | "ask" | "receive" | "pay" | "redeem" | "drop"} kind `ask` is a request that nobody has paid
 *   here.
 * @property {number} time Unix seconds.
 * @property {number} order Rises with every step: of two entries of one second the later has the higher number.
 * @property {number} amountTiyn
 * @property {number} purpose
 * @property {string} peer The other device's key id, or the account; "" where there is none.
 * @property {string} reference The id of the note, invoice, order or outpoint.
 * @property {string} words What the person wrote.
 * @property {number} [hops] How many devices the money had passed, this payment counted.
 * @property {number} [expires] Of a request.
 * @property {Uint8Array} [invoice]
 * @property {Uint8Array} [receipt] The payee's word that it was taken.
 * @property {boolean} [restored] Whether it came out of a backup.
 *
 * Whom the person knows; `kid` is a device's key id in hexadecimal, `alias` a phone number or the like.
 * @typedef {object} Contact
 * @property {string} id
 * @property {string} name
 * @property {string} [kid]
 * @property {string} [alias]
 */

/** @typedef {import("./step.js").Step} Step */

const MAX_NAME_CHARACTERS = 200;

/**
 * Entries, newest first. `text` is looked for in words, key ids, and the names of contacts.
 * @param {Step} step
 * @param {{ text?: string, kind?: string, from?: number, until?: number }} search
 * @returns {Promise<Entry[]>}
 */
export async function entries(step, { text = "", kind, from = 0, until = Number.MAX_SAFE_INTEGER }) {
  const names = new Map(
    [...step.rows("contact").values()].map((contact) => [contact.kid ?? "", contact.name]),
  );
  const wanted = text.trim().toLocaleLowerCase();
  const told = (/** @type {Entry} */ entry) =>
    [entry.words, entry.peer, entry.reference, names.get(entry.peer) ?? ""].join("\n").toLocaleLowerCase();
  return [...step.rows("history").values()]
    .filter((entry) => entry.time >= from && entry.time <= until && (!kind || entry.kind === kind))
    .filter((entry) => !wanted || told(entry).includes(wanted))
    .sort((one, other) => other.time - one.time || other.order - one.order);
}

/**
 * Payments that name this device and could not be taken.
 * @param {Step} step
 * @returns {Promise<{ id: string, code: string, time: number, invoice: string, bundle: Uint8Array }[]>}
 */
export async function inbox(step) {
  return [...step.rows("inbox")].map(([id, row]) => ({
    id,
    code: row.code,
    time: row.time,
    invoice: row.reference,
    bundle: row.bundle,
  }));
}

/** @param {Step} step @returns {Promise<Contact[]>} */
export async function contacts(step) {
  return [...step.rows("contact").values()].sort((one, other) => one.name.localeCompare(other.name));
}

/** @param {Step} step @param {Contact} contact */
export async function putContact(step, contact) {
  const { id, name, kid = "", alias = "" } = contact;
  for (const text of [id, name, kid, alias]) {
    if (typeof text !== "string" || text.length > MAX_NAME_CHARACTERS) {
      throw new TengeError("E_FIELD", { field: "contact", problem: "a text is missing or too long" });
    }
  }
  if (!id || !name.trim()) {
    throw new TengeError("E_FIELD", { field: "contact", problem: "it has no name" });
  }
  step.put("contact", id, { id, name: name.trim(), kid, alias });
}
