// @ts-check
/**
 * Backup: what a person would miss, and what shows settlement who owns what. Never what could spend.
 *
 * In the file are the history, the contacts, and **claims**: the lines of the money held and paid, payments taken and
 * set aside, invoices, receipts, the certificate. Anyone may hand these in to settlement, and anyone may hand over a
 * payment that was made; nobody can sign a new one with them. Not in the file are the key, the purse, the counters,
 * the open requests. So a restored backup is a new device with an old history, and money of the old device comes back
 * through the bank: report it lost, restore, sync; what is unspent is refunded when its notes close (DTO/1, 5.12).
 *
 * The file is JSON after one line that names it; with a passphrase the JSON is sealed by AES-GCM under a key from
 * PBKDF2.
 */

import { putContact } from "./history.js";
import { pack } from "./lines.js";
import { TengeError, envelopeOf, hashHex, hex, openBundle, openSigned, sameBytes, unhex } from "./wire.js";

const HEADER = "tenge wallet backup 1";
const ROUNDS = 600_000;
const MAX_FILE_BYTES = 1 << 25;
const TYPES = Object.freeze(["DEVCERT", "INVOICE", "RECEIPT", "REDEEM_ORDER", "TRANSFER"]);
const KINDS = Object.freeze(["load", "ask", "receive", "pay", "redeem", "drop"]);
const TYPE_PLACE = 1;
const TYPE_NAMES = Object.freeze({
  3: "DEVCERT",
  5: "TRANSFER",
  6: "INVOICE",
  7: "RECEIPT",
  11: "REDEEM_ORDER",
});

/** @typedef {import("./step.js").Step} Step */

/** @param {string} problem */
function noBackup(problem) {
  return new TengeError("E_BACKUP", { problem });
}

/**
 * @param {Step} step @param {{ passphrase?: string }} options
 * @returns {Promise<Uint8Array>}
 */
export async function exportBackup(step, { passphrase }) {
  const trust = step.element.trust;
  const content = {
    network: trust ? hex(trust.network) : "",
    kid: hex(step.element.kid),
    made: step.element.moment,
    history: [...step.rows("history").values()].map(shown),
    contacts: [...step.rows("contact").values()],
    ...(trust ? await claimsOf(step) : { bundles: [], objects: [] }),
  };
  const text = JSON.stringify(content);
  const sealed = passphrase ? { sealed: await seal(text, passphrase) } : { open: text };
  return new TextEncoder().encode(`${HEADER}\n${JSON.stringify(sealed)}`);
}

/** An entry with its bytes as texts. @param {any} entry */
function shown(entry) {
  const { invoice, receipt, ...rest } = entry;
  return { ...rest, ...(invoice && { invoice: hex(invoice) }), ...(receipt && { receipt: hex(receipt) }) };
}

/** @param {Step} step */
async function claimsOf(step) {
  const held = await Promise.all([...step.rows("line").keys()].map((key) => step.line(key)));
  const { bundles, loose } = pack(held, await step.certificates());
  const payments = [...step.rows("payment")].map(([id, row]) => ({ bundle: hex(row.bundle), payment: id }));
  const taken = [
    ...step.rows("incoming").values(),
    ...[...step.rows("inbox").values()].map((row) => row.bundle),
  ];
  const homeward = [...step.rows("redemption").values()];
  const earlier = [...step.rows("claim").values()];
  return {
    bundles: [
      ...payments,
      ...[...bundles, ...taken].map((bundle) => ({ bundle: hex(bundle) })),
      ...earlier.filter((claim) => claim.bundle).map((claim) => ({ ...claim, bundle: hex(claim.bundle) })),
    ],
    objects: [
      step.state.papers.certificate,
      ...loose.map(envelopeOf),
      ...["invoice", "receipt", "proof"].flatMap((kind) => [...step.rows(kind).values()]),
      ...homeward.flatMap((row) => [
        row.order,
        ...row.loose,
        ...row.lines.flatMap((/** @type {any} */ l) => l.transfers),
      ]),
      ...earlier.filter((claim) => claim.object).map((claim) => claim.object),
    ].map(hex),
  };
}

/**
 * @param {Step} step @param {Uint8Array} file @param {{ passphrase?: string }} options
 * @returns {Promise<{ entries: number, contacts: number, claims: number }>}
 */
export async function importBackup(step, file, { passphrase }) {
  const content = await contentOf(file, passphrase);
  if (content.network && content.network !== hex(step.network)) {
    throw noBackup("it is of another network");
  }
  const entries = content.history.filter((entry) => keepEntry(step, entry));
  const contacts = content.contacts.filter((contact) => !step.row("contact", contact.id));
  for (const contact of contacts) {
    await putContact(step, contact);
  }
  const claims = await claimRows(step, content);
  for (const [key, row] of claims) {
    step.put("claim", key, row);
  }
  return { entries: entries.length, contacts: contacts.length, claims: claims.length };
}

/** @param {Step} step @param {any} entry */
function keepEntry(step, entry) {
  if (step.row("history", entry.id)) {
    return false;
  }
  step.put("history", entry.id, readEntry(entry));
  return true;
}

/**
 * An entry out of a file, only with what an entry has.
 * @param {any} entry
 * @returns {import("./history.js").Entry}
 */
function readEntry(entry) {
  const { id, kind, time, order, amountTiyn, purpose, peer, reference, words, hops, expires } = entry;
  const numbers = [time, order, amountTiyn, purpose, hops ?? 0, expires ?? 0];
  const texts = [id, peer, reference, words];
  const whole = numbers.every((number) => Number.isSafeInteger(number) && number >= 0);
  if (!KINDS.includes(kind) || !whole || !texts.every((text) => typeof text === "string")) {
    throw noBackup("an entry of its history cannot be read");
  }
  return {
    ...{ id, kind, time, order, amountTiyn, purpose, peer, reference, words, restored: true },
    ...(hops !== undefined && { hops }),
    ...(expires !== undefined && { expires }),
    ...(entry.invoice && { invoice: bytesIn(entry.invoice) }),
    ...(entry.receipt && { receipt: bytesIn(entry.receipt) }),
  };
}

/** @param {unknown} text @returns {Uint8Array} */
function bytesIn(text) {
  try {
    return unhex(/** @type {string} */ (text));
  } catch {
    throw noBackup("it is damaged");
  }
}

/**
 * Claims that can be opened, and that this device does not know itself. What settlement makes of them is its own
 * matter.
 * @param {Step} step @param {any} content
 * @returns {Promise<[string, any][]>}
 */
async function claimRows(step, content) {
  /** @type {[string, any][]} */
  const rows = [];
  for (const claim of content.bundles) {
    const bytes = bytesIn(claim?.bundle);
    await openBundle(bytes, step.network, bytes.length);
    const payment = typeof claim.payment === "string" ? { payment: claim.payment } : {};
    rows.push([await hashHex(bytes), { bundle: bytes, ...payment }]);
  }
  for (const text of content.objects) {
    const bytes = bytesIn(text);
    const name = TYPE_NAMES[/** @type {3} */ (bytes[TYPE_PLACE])];
    if (!TYPES.includes(name)) {
      throw noBackup("it holds an object that no device hands in");
    }
    await openSigned(name, bytes, step.network);
    if (!sameBytes(bytes, step.state.papers.certificate)) {
      rows.push([await hashHex(bytes), { object: bytes }]);
    }
  }
  return rows;
}

/**
 * @param {Uint8Array} file @param {string | undefined} passphrase
 * @returns {Promise<{ network: string, history: any[], contacts: any[], bundles: any[], objects: string[] }>}
 */
async function contentOf(file, passphrase) {
  if (file.length > MAX_FILE_BYTES) {
    throw noBackup("it is too large");
  }
  const text = new TextDecoder().decode(file);
  if (!text.startsWith(`${HEADER}\n`)) {
    throw noBackup("it does not begin like one");
  }
  const outer = parsed(text.slice(HEADER.length + 1));
  if (outer.sealed && !passphrase) {
    throw noBackup("it needs its passphrase");
  }
  const content = parsed(outer.sealed ? await unseal(outer.sealed, passphrase ?? "") : outer.open);
  for (const list of [content.history, content.contacts, content.bundles, content.objects]) {
    if (!Array.isArray(list)) {
      throw noBackup("a part of it is missing");
    }
  }
  if (![...content.history, ...content.contacts].every((row) => typeof row?.id === "string")) {
    throw noBackup("an entry has no name");
  }
  return content;
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    if (value && typeof value === "object") {
      return value;
    }
  } catch {
    // told below
  }
  throw noBackup("it is damaged");
}

/** @param {string} passphrase @param {Uint8Array} salt @param {number} rounds */
async function keyFrom(passphrase, salt, rounds) {
  const words = new TextEncoder().encode(passphrase.normalize("NFKC"));
  const base = await crypto.subtle.importKey("raw", words, "PBKDF2", false, ["deriveKey"]);
  const how = {
    name: "PBKDF2",
    hash: "SHA-256",
    salt: /** @type {BufferSource} */ (salt),
    iterations: rounds,
  };
  return crypto.subtle.deriveKey(how, base, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

/** @param {string} text @param {string} passphrase */
async function seal(text, passphrase) {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const key = await keyFrom(passphrase, salt, ROUNDS);
  const data = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(text));
  return { salt: hex(salt), iv: hex(iv), rounds: ROUNDS, data: hex(new Uint8Array(data)) };
}

/** @param {any} sealed @param {string} passphrase @returns {Promise<string>} */
async function unseal(sealed, passphrase) {
  try {
    const rounds = Math.min(Number(sealed.rounds), 10 * ROUNDS);
    const key = await keyFrom(passphrase, unhex(sealed.salt), rounds);
    const how = { name: "AES-GCM", iv: /** @type {BufferSource} */ (unhex(sealed.iv)) };
    return new TextDecoder().decode(
      await crypto.subtle.decrypt(how, key, /** @type {BufferSource} */ (unhex(sealed.data))),
    );
  } catch {
    throw noBackup("the passphrase is another one, or it is damaged");
  }
}
