// @ts-check
/**
 * A receiver's verification, V0 to V7, in the protocol's order; the first failure wins. As `offline/verify.py`.
 *
 * A contradiction (V5b) throws a `Conflict`, which carries the evidence file that proves it.
 *
 * Source: DTO/1, sections 5.6, 5.10, 5.13 and 5.19.
 */

import { hex, sameBytes } from "./bytes.js";
import * as checks from "./checks.js";
import { openBundle } from "./containers.js";
import { TengeError } from "./errors.js";
import { DOUBLE_SPEND, EQUIVOCATION, proveTwoTransfers } from "./evidence.js";
import { PARAMETERS } from "./trust.js";

const DAY_SECONDS = 86400;

/**
 * What a receiver has seen before: transfers by outpoint (66 hexadecimal digits), and by "payer/counter".
 * @typedef {{ spends: Map<string, any>, counters: Map<string, any> }} Known
 * @typedef {{ note: any, transfers: any[] }} Line
 * @typedef {{ certificates: any[], tokens: Line[] }} Bundle
 * @typedef {{ bundle: Bundle, transfers: any[], payerCertificate: any }} Payment
 */

/** Two signed transfers contradict each other; `evidence` is the file that proves it. */
export class Conflict extends TengeError {
  /** @param {string} code @param {Uint8Array} evidence @param {Record<string, unknown>} facts */
  constructor(code, evidence, facts) {
    super(code, facts);
    this.evidence = evidence;
  }
}

/** @returns {Known} */
export function nothingKnown() {
  return { spends: new Map(), counters: new Map() };
}

/**
 * V0 to V5b on an offer, and what of V7 can be judged before the payer commits.
 * @param {Uint8Array} data @param {any} trust @param {number} now @param {number} limitBytes @param {Known} known
 * @param {number | null} [ownCategory]
 * @returns {Promise<Bundle>}
 */
export async function verifyOffer(data, trust, now, limitBytes, known, ownCategory = null) {
  const bundle = openBundle(data, trust.network, limitBytes);
  const certificates = await checkBundle(bundle, trust, known, false);
  for (const token of bundle.tokens) {
    const owners = tipOwners(token);
    const holders = holdersOf(token, certificates);
    if (!holders.length) {
      throw new TengeError("E_CERT_MISSING", { kid: hex(owners[0]) });
    }
    holders.forEach((holder) => checks.checkStanding(holder, trust, "holder"));
    checkExpiry(token.note, trust, now);
    holders.forEach((holder) => checks.checkAlive(holder, now));
    checkEdges(token, certificates, trust, null);
  }
  if (ownCategory !== null) {
    bundle.tokens.forEach((token) => checkOffered(token, certificates, trust, ownCategory));
  }
  return bundle;
}

/**
 * V0 to V7 on a payment that claims to answer `invoice`.
 * @param {Uint8Array} data
 * @param {any} invoice Signed.
 * @param {number} ownCategory
 * @param {any} trust
 * @param {number} now
 * @param {Known} known
 * @returns {Promise<Payment>}
 */
export async function verifyPayment(data, invoice, ownCategory, trust, now, known) {
  const limitBytes = Math.min(invoice.record.maxBytes, trust.parameter(PARAMETERS.maxBytes));
  const bundle = openBundle(data, trust.network, limitBytes);
  return verifyPaid(bundle, invoice, ownCategory, trust, now, known);
}

/**
 * V2 to V7 on the new transfers of a payment whose lines came before, in a verified offer.
 * @param {Bundle} offer @param {any[]} transfers @param {any} invoice @param {number} ownCategory @param {any} trust
 * @param {number} now @param {Known} known
 * @returns {Promise<Payment>}
 */
export async function verifyCommit(offer, transfers, invoice, ownCategory, trust, now, known) {
  const { maxParts } = invoice.record;
  if (!transfers.length || transfers.length > maxParts) {
    const problem = `${transfers.length} transfers; 1 to ${maxParts} are allowed`;
    throw new TengeError("E_PARTS", { problem });
  }
  const byTip = new Map(
    offer.tokens.map((token) => [hex((token.transfers.at(-1) ?? token.note).oid), token]),
  );
  const tokens = transfers.map((transfer) => {
    const token = byTip.get(hex(transfer.record.previous));
    if (!token) {
      const facts = { transfer: hex(transfer.oid), parent: hex(transfer.record.previous) };
      throw new TengeError("E_LINK", facts);
    }
    return { note: token.note, transfers: [...token.transfers, transfer] };
  });
  const needed = new Set(tokens.flatMap(peopleOf));
  const certificates = offer.certificates.filter(({ record }) => needed.has(hex(record.kid)));
  return verifyPaid({ certificates, tokens }, invoice, ownCategory, trust, now, known);
}

/**
 * @param {Bundle} bundle
 * @param {any} invoice
 * @param {number} ownCategory
 * @param {any} trust
 * @param {number} now
 * @param {Known} known
 */
async function verifyPaid(bundle, invoice, ownCategory, trust, now, known) {
  const certificates = await checkBundle(bundle, trust, known, true);
  const transfers = checkPayment(bundle, invoice, certificates, trust);
  const payerCertificate = certificates.get(hex(transfers[0].record.payer));
  checkMoment(bundle, transfers, payerCertificate.record, trust, now);
  bundle.tokens.forEach((token) => checkEdges(token, certificates, trust, ownCategory));
  const { purpose, amountTiyn } = invoice.record;
  const categories = [payerCertificate.record.category, ownCategory];
  checks.checkPurposeLimits(purpose, categories, amountTiyn, now, trust);
  return { bundle, transfers, payerCertificate };
}

// --- V3 to V5b ---

/**
 * @param {Bundle} bundle
 * @param {any} trust
 * @param {Known} known
 * @param {boolean} paying
 * @returns {Promise<Map<string, any>>}
 */
async function checkBundle(bundle, trust, known, paying) {
  const certificates = await checkCertificates(bundle, trust);
  for (const token of bundle.tokens) {
    await checks.checkNote(token.note, trust);
  }
  const checked = new Set();
  for (const token of bundle.tokens) {
    await checkLine(token, certificates, trust, paying, checked);
  }
  await checkConflicts(bundle, certificates, trust, known, paying);
  return certificates;
}

/** @param {Line} token @returns {Uint8Array[]} */
function tipOwners(token) {
  const last = token.transfers.at(-1);
  return last
    ? last.record.outputs.map((/** @type {any} */ output) => output.owner)
    : [token.note.record.owner];
}

/** @param {Line} token @param {Map<string, any>} certificates @returns {any[]} Records. */
function holdersOf(token, certificates) {
  return tipOwners(token).flatMap((kid) => certificates.get(hex(kid))?.record ?? []);
}

/** @param {Line} token @returns {string[]} */
function peopleOf(token) {
  return [...token.transfers.map(({ record }) => record.payer), ...tipOwners(token)].map(hex);
}

/** @param {Bundle} bundle @param {any} trust @returns {Promise<Map<string, any>>} */
async function checkCertificates(bundle, trust) {
  const needed = new Set(bundle.tokens.flatMap(peopleOf));
  /** @type {Map<string, any>} */
  const seen = new Map();
  for (const certificate of bundle.certificates) {
    const kid = hex(certificate.record.kid);
    if (seen.has(kid) || !needed.has(kid)) {
      throw new TengeError("E_DUP", { kid });
    }
    seen.set(kid, certificate);
  }
  for (const [kid, certificate] of seen) {
    await checks.checkCertificate(certificate, trust);
    const { record } = certificate;
    for (const token of bundle.tokens) {
      const note = token.note.record;
      const alive = record.notBefore <= note.spendBy && record.expires >= note.issued;
      if (!alive && peopleOf(token).includes(kid)) {
        throw checks.certificateTime(record, `its note (${note.issued} to ${note.spendBy})`);
      }
    }
  }
  return seen;
}

/**
 * @param {Line} token
 * @param {Map<string, any>} certificates
 * @param {any} trust
 * @param {boolean} paying
 * @param {Set<string>} checked
 */
async function checkLine(token, certificates, trust, paying, checked) {
  let parent = token.note;
  for (const [place, transfer] of token.transfers.entries()) {
    checks.checkLink(transfer, parent);
    const name = hex(transfer.oid) + hex(transfer.signature);
    if (!checked.has(name)) {
      const certificate = certificates.get(hex(transfer.record.payer))?.record;
      await checks.checkTransfer(transfer, parent, token.note, certificate);
      const direct = paying && place === token.transfers.length - 1;
      checks.checkPolicy(transfer.record, certificate, trust, direct);
      checked.add(name);
    }
    parent = transfer;
  }
}

/**
 * @param {Bundle} bundle
 * @param {Map<string, any>} certificates
 * @param {any} trust
 * @param {Known} known
 * @param {boolean} paying
 */
async function checkConflicts(bundle, certificates, trust, known, paying) {
  const last = bundle.tokens.flatMap((token) => (paying ? token.transfers.slice(-1) : []));
  const fresh = new Set(last.map(({ oid }) => hex(oid)));
  const own = nothingKnown();
  for (const transfer of bundle.tokens.flatMap((token) => token.transfers)) {
    const { record } = transfer;
    const id = hex(transfer.oid);
    const outpoint = hex(record.previous) + record.index.toString(16).padStart(2, "0");
    const spent = known.spends.get(outpoint) ?? remembered(own.spends, outpoint, transfer);
    if (hex(spent.oid) !== id) {
      const code = fresh.has(hex(spent.oid)) && fresh.has(id) ? "E_DUPINPUT" : "E_DOUBLE_SPEND";
      throw await conflict(code, spent, transfer, certificates, trust);
    }
    const count = `${hex(record.payer)}/${record.counter}`;
    const counted = known.counters.get(count) ?? remembered(own.counters, count, transfer);
    if (hex(counted.oid) !== id) {
      throw await conflict("E_EQUIVOCATION", counted, transfer, certificates, trust);
    }
  }
}

/** @param {Map<string, any>} map @param {string} key @param {any} value */
function remembered(map, key, value) {
  if (!map.has(key)) {
    map.set(key, value);
  }
  return map.get(key);
}

/**
 * The refusal of two contradicting transfers, with its evidence file E1 or E2 (5.10).
 * @param {string} code
 * @param {any} other
 * @param {any} transfer
 * @param {Map<string, any>} certificates
 * @param {any} trust
 */
async function conflict(code, other, transfer, certificates, trust) {
  const certificate = certificates.get(hex(transfer.record.payer));
  const type = code === "E_EQUIVOCATION" ? EQUIVOCATION : DOUBLE_SPEND;
  const file = await proveTwoTransfers(type, trust.authority, certificate, other, transfer);
  const facts = { kid: hex(transfer.record.payer), first: hex(other.oid), second: hex(transfer.oid) };
  return new Conflict(code, file, facts);
}

// --- V6 and V7 ---

/**
 * @param {Bundle} bundle
 * @param {any} invoice
 * @param {Map<string, any>} certificates
 * @param {any} trust
 * @returns {any[]}
 */
function checkPayment(bundle, invoice, certificates, trust) {
  const asked = invoice.record;
  const bare = bundle.tokens.find((token) => !token.transfers.length);
  if (bare) {
    throw new TengeError("E_INVOICE", { reference: hex(bare.note.oid), invoice: hex(invoice.oid) });
  }
  const last = bundle.tokens.map((token) => token.transfers[token.transfers.length - 1]);
  const { payer } = last[0].record;
  for (const { record } of last) {
    if (!sameBytes(record.payer, payer)) {
      throw new TengeError("E_PAYER_MIX", { first: hex(payer), second: hex(record.payer) });
    }
  }
  for (const { record } of last) {
    if (!sameBytes(record.reference, invoice.oid)) {
      throw new TengeError("E_INVOICE", { reference: hex(record.reference), invoice: hex(invoice.oid) });
    }
  }
  const transfers = inParts(last, asked.maxParts);
  for (const { record } of transfers) {
    if (!sameBytes(record.outputs[0].owner, asked.payee)) {
      throw new TengeError("E_PAYEE", { owner: hex(record.outputs[0].owner), payee: hex(asked.payee) });
    }
  }
  const amountTiyn = transfers.reduce((total, { record }) => total + record.outputs[0].amountTiyn, 0);
  if (amountTiyn !== asked.amountTiyn) {
    const facts = { amount_tiyn: amountTiyn, requested_tiyn: asked.amountTiyn };
    throw new TengeError("E_AMOUNT_MISMATCH", facts);
  }
  checks.checkAmount(amountTiyn, trust.limits(certificates.get(hex(payer)).record).maxPaymentTiyn);
  for (const { record } of transfers) {
    if (record.purpose !== asked.purpose) {
      throw new TengeError("E_PURPOSE", { stated: record.purpose, inherited: asked.purpose });
    }
  }
  return transfers;
}

/** @param {any[]} last @param {number} maxParts @returns {any[]} */
function inParts(last, maxParts) {
  const count = last.length;
  const transfers = [...last].sort((one, other) => one.record.part - other.record.part);
  const wrong = (/** @type {string} */ problem) => new TengeError("E_PARTS", { problem });
  if (count > maxParts) {
    throw wrong(`${count} parts, and the request allows ${maxParts}`);
  }
  if (transfers.some(({ record }, place) => record.part !== place)) {
    throw wrong(`part [${transfers.map(({ record }) => record.part).join(", ")}] of ${count}`);
  }
  if (transfers.some(({ record }) => record.parts !== count)) {
    throw wrong(`${count} parts are here, and a transfer tells of another number`);
  }
  for (const [place, after] of transfers.slice(1).entries()) {
    const before = transfers[place];
    if (after.record.counter !== before.record.counter + 1 || !sameBytes(after.record.link, before.oid)) {
      throw wrong("the payer's counters do not follow on each other");
    }
  }
  return transfers;
}

/** @param {Bundle} bundle @param {any[]} transfers @param {any} payer @param {any} trust @param {number} now */
function checkMoment(bundle, transfers, payer, trust, now) {
  bundle.tokens.forEach((token) => checkExpiry(token.note, trust, now));
  checks.checkAlive(payer, now);
  const { maxAgeDays } = trust.limits(payer);
  for (const { record } of transfers) {
    if (now - record.syncTime > maxAgeDays * DAY_SECONDS) {
      throw new TengeError("E_STALE_PAYER", { sync_time: record.syncTime, max_age_days: maxAgeDays, now });
    }
  }
}

/** @param {any} note @param {any} trust @param {number} now */
function checkExpiry(note, trust, now) {
  const marginSeconds = trust.parameter(PARAMETERS.marginSeconds);
  if (now + marginSeconds >= note.record.spendBy) {
    const facts = { spend_by: note.record.spendBy, now, margin_seconds: marginSeconds };
    throw new TengeError("E_EXPIRED", facts);
  }
}

/**
 * @param {Line} token
 * @param {Map<string, any>} certificates
 * @param {any} trust
 * @param {number | null} ownCategory
 */
function checkEdges(token, certificates, trust, ownCategory) {
  const purpose = trust.purpose(token.note.record.purpose);
  for (const [place, { record }] of token.transfers.entries()) {
    if (purpose && record.hop > purpose.maxHops) {
      const problem = `its purpose allows ${purpose.maxHops} hops`;
      throw new TengeError("E_HOPS", { hop: record.hop, length: record.length, problem });
    }
    const mine = ownCategory !== null && place === token.transfers.length - 1;
    const category = mine ? ownCategory : certificates.get(hex(record.outputs[0].owner))?.record.category;
    if (category !== undefined) {
      const categories = [certificates.get(hex(record.payer)).record.category, category];
      checks.checkPurpose(record.purpose, categories[0], categories[1], trust);
      checks.checkPurposeLimits(record.purpose, categories, record.outputs[0].amountTiyn, record.time, trust);
    }
  }
}

/** @param {Line} token @param {Map<string, any>} certificates @param {any} trust @param {number} ownCategory */
function checkOffered(token, certificates, trust, ownCategory) {
  const problems = [];
  const holders = holdersOf(token, certificates);
  for (const holder of holders) {
    try {
      checks.checkPurpose(token.note.record.purpose, holder.category, ownCategory, trust);
    } catch (problem) {
      problems.push(problem);
    }
  }
  if (problems.length === holders.length) {
    throw problems[0];
  }
}
