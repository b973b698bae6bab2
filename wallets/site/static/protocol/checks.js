// @ts-check
/**
 * What a receiver or payer asks of one object, and of one step of a line. As `offline/checks.py` and
 * `offline/admission.py`: the same codes in the same order. Verification throws and never gives a boolean.
 *
 * Source: DTO/1, section 5.6.
 */

import { hex, sameBytes } from "./bytes.js";
import { TengeError } from "./errors.js";
import { publicKey } from "./keys.js";
import { PAY, REDEEM, verifySigned } from "./records.js";
import { PARAMETERS } from "./trust.js";

const PLAIN = 0;

/** @param {any} record @param {string} problem */
export function certificateTime(record, problem) {
  const { kid, notBefore, expires } = record;
  return new TengeError("E_CERT_TIME", { kid: hex(kid), not_before: notBefore, expires, problem });
}

/** Return if the certificate is valid at `at`; E_CERT_TIME otherwise. @param {any} record @param {number} at */
export function checkAlive(record, at) {
  if (at < record.notBefore || at > record.expires) {
    throw certificateTime(record, `the moment ${at}`);
  }
}

/**
 * E_REVOKED or E_TIER_CLOSED, naming the device's position.
 * @param {any} record
 * @param {any} trust
 * @param {string} position
 */
export function checkStanding(record, trust, position) {
  if (trust.isRevoked(record.kid)) {
    throw new TengeError("E_REVOKED", { kid: hex(record.kid), position });
  }
  if (trust.isClosedTier(record.tier)) {
    throw new TengeError("E_TIER_CLOSED", { tier: record.tier, position });
  }
}

/**
 * V3 for one certificate: E_CA, E_KEY, E_SIG, and with `at` E_CERT_TIME.
 * @param {any} signed
 * @param {any} trust
 * @param {number} [at]
 */
export async function checkCertificate(signed, trust, at) {
  const { record } = signed;
  await checkCertificateBy(signed, trust.bankCa(record.caReference, record.notBefore));
  if (at !== undefined) {
    checkAlive(record, at);
  }
}

/**
 * Return if `bank` may and did certify this device key; E_CA for a tier above its own, E_KEY, E_SIG.
 * @param {any} signed
 * @param {any} bank An AUTH's record.
 */
export async function checkCertificateBy(signed, bank) {
  const { record } = signed;
  const highest = bank.scope[1] ?? 0;
  if (record.tier > highest) {
    const problem = `it may certify tiers up to ${highest}`;
    throw new TengeError("E_CA", { reference: hex(bank.kid.subarray(0, 8)), problem });
  }
  publicKey(record.algorithm, record.publicKey);
  await verifySigned(signed, bank.key);
}

/** V4 for one note: E_ISSUER, E_AMOUNT, E_NOTE_TIME, E_SIG, E_TAINTED. @param {any} signed @param {any} trust */
export async function checkNote(signed, trust) {
  const { record } = signed;
  const issuer = trust.issuer(record.issuerReference, record.issued);
  const mostTiyn = issuer.scope[1] ?? 0;
  if (record.amountTiyn < 1 || record.amountTiyn > mostTiyn) {
    throw new TengeError("E_AMOUNT", { amount_tiyn: record.amountTiyn, most_tiyn: mostTiyn });
  }
  if (!(record.issued < record.spendBy && record.spendBy < record.redeemBy)) {
    const { issued, spendBy, redeemBy } = record;
    throw new TengeError("E_NOTE_TIME", { issued, spend_by: spendBy, redeem_by: redeemBy });
  }
  await verifySigned(signed, issuer.key);
  if (trust.isTainted(record.serial) || trust.isTainted(signed.oid)) {
    throw new TengeError("E_TAINTED", { serial: hex(record.serial) });
  }
}

/**
 * A payer's own limits and standing: E_HOPS, E_TXLIMIT, E_REVOKED, E_TIER_CLOSED.
 * @param {any} transfer
 * @param {any} certificate
 * @param {any} trust
 * @param {boolean} direct
 */
export function checkPolicy(transfer, certificate, trust, direct) {
  const limits = direct ? trust.limits(certificate) : certificate.limits;
  if (transfer.kind === PAY) {
    if (transfer.hop > limits.maxHops) {
      const problem = `its payer may pay on up to hop ${limits.maxHops}`;
      throw new TengeError("E_HOPS", { hop: transfer.hop, length: transfer.length, problem });
    }
    checkAmount(transfer.outputs[0].amountTiyn, limits.maxPaymentTiyn);
  }
  if (direct || trust.parameter(PARAMETERS.rejectRevokedAncestor)) {
    checkStanding(certificate, trust, direct ? "payer" : "earlier holder");
  }
}

/** @param {number} amountTiyn @param {number} limitTiyn */
export function checkAmount(amountTiyn, limitTiyn) {
  if (amountTiyn > limitTiyn) {
    throw new TengeError("E_TXLIMIT", { amount_tiyn: amountTiyn, limit_tiyn: limitTiyn });
  }
}

/**
 * A payer's check of a request and its payee.
 * @param {any} invoice
 * @param {any} certificate
 * @param {any} trust
 * @param {number} now
 */
export async function checkInvoice(invoice, certificate, trust, now) {
  await checkCertificate(certificate, trust, now);
  const { kid } = certificate.record;
  checkStanding(certificate.record, trust, "payee");
  if (!sameBytes(invoice.record.payee, kid)) {
    throw new TengeError("E_PAYEE", { owner: hex(invoice.record.payee), payee: hex(kid) });
  }
  await verifySigned(invoice, certificate.record.key);
}

/**
 * A payer's check of a receipt: E_PAYEE, E_INVOICE, E_PARTS, E_KEY, E_SIG.
 * @param {any} receipt
 * @param {any} invoice
 * @param {Uint8Array} root
 * @param {any} certificate
 */
export async function checkReceipt(receipt, invoice, root, certificate) {
  const { record } = receipt;
  const { payee } = invoice.record;
  if (!sameBytes(record.payee, payee) || !sameBytes(certificate.record.kid, payee)) {
    throw new TengeError("E_PAYEE", { owner: hex(record.payee), payee: hex(payee) });
  }
  if (!sameBytes(record.invoice, invoice.oid)) {
    throw new TengeError("E_INVOICE", { reference: hex(record.invoice), invoice: hex(invoice.oid) });
  }
  if (!sameBytes(record.paymentRoot, root)) {
    throw new TengeError("E_PARTS", { problem: "the receipt is for other transfers" });
  }
  await verifySigned(receipt, certificate.record.key);
}

/**
 * E_CATEGORY unless money of `purpose` may pass between these categories.
 * @param {number} purpose
 * @param {number} payer
 * @param {number} payee
 * @param {any} trust
 */
export function checkPurpose(purpose, payer, payee, trust) {
  if (purpose !== PLAIN && !trust.purpose(purpose)?.allows(payer, payee)) {
    throw new TengeError("E_CATEGORY", { purpose, payer_category: payer, payee_category: payee });
  }
}

/**
 * Caps and windows: E_PURPOSE_TIME, E_PURPOSE_CAP.
 * @param {number} purpose
 * @param {number[]} categories
 * @param {number} amountTiyn
 * @param {number} at
 * @param {any} trust
 */
export function checkPurposeLimits(purpose, categories, amountTiyn, at, trust) {
  for (const row of trust.purpose(purpose)?.limitsOf(categories[0], categories[1]) ?? []) {
    if (at < row.validFrom || at > row.validUntil) {
      const facts = { purpose, valid_from: row.validFrom, valid_until: row.validUntil, now: at };
      throw new TengeError("E_PURPOSE_TIME", facts);
    }
    if (row.capTiyn && amountTiyn > row.capTiyn) {
      throw new TengeError("E_PURPOSE_CAP", { purpose, amount_tiyn: amountTiyn, cap_tiyn: row.capTiyn });
    }
  }
}

// --- one step of a line, V5a ---

/** @param {any} parent */
const isNote = (parent) => parent.type === 4;

/** @param {any} parent @param {number} index */
export function outputOf(parent, index) {
  const { record } = parent;
  const outputs = isNote(parent) ? [{ amountTiyn: record.amountTiyn, owner: record.owner }] : record.outputs;
  if (index >= outputs.length) {
    throw new TengeError("E_INDEX", { index, outputs: outputs.length });
  }
  return outputs[index];
}

/** E_LINK unless `transfer` names `parent` as the object before it. @param {any} transfer @param {any} parent */
export function checkLink(transfer, parent) {
  if (!sameBytes(transfer.record.previous, parent.oid)) {
    throw new TengeError("E_LINK", { transfer: hex(transfer.oid), parent: hex(parent.oid) });
  }
}

/**
 * Return if the payer owns the output of `parent` that it spends; E_LINK, E_INDEX, E_KIND or E_OWNER.
 * @param {any} transfer @param {any} parent
 */
export function checkSpend(transfer, parent) {
  checkLink(transfer, parent);
  const { record } = transfer;
  const spent = outputOf(parent, record.index);
  if (!isNote(parent) && parent.record.kind === REDEEM && record.index === 0) {
    throw new TengeError("E_KIND", { kind: record.kind });
  }
  if (!sameBytes(spent.owner, record.payer)) {
    throw new TengeError("E_OWNER", { payer: hex(record.payer), owner: hex(spent.owner) });
  }
}

/**
 * Return if `transfer` rightly spends an output of `parent` on the line of `note` (V5a). A receiver takes payments
 * only; with `payOnly` false redemptions are right too, as settlement asks it.
 *
 * Raises, in this order, E_LINK, E_INDEX, E_KIND, E_OWNER, E_CERT_MISSING, E_KEY, E_SIG, E_KIND, E_SUM, E_SELF,
 * E_CHANGE, E_HOPS, E_PURPOSE, E_INHERIT, E_HOPS.
 * @param {any} transfer @param {any} parent @param {any} note
 * @param {any} certificate The payer's record, or undefined.
 * @param {boolean} [payOnly]
 */
export async function checkTransfer(transfer, parent, note, certificate, payOnly = true) {
  checkSpend(transfer, parent);
  const { record } = transfer;
  if (!certificate || !sameBytes(certificate.kid, record.payer)) {
    throw new TengeError("E_CERT_MISSING", { kid: hex(record.payer) });
  }
  await verifySigned(transfer, certificate.key);
  if (payOnly && record.kind !== PAY) {
    throw new TengeError("E_KIND", { kind: record.kind });
  }
  checkStatement(transfer, parent);
  if (record.kind === PAY) {
    checkCaps(record, note.record);
  }
}

/** E_HOPS unless a payment stays within its note's hops and length. @param {any} record @param {any} note */
export function checkCaps(record, note) {
  if (record.hop > note.maxHops || record.length > note.maxLength) {
    const problem = `its note allows ${note.maxHops} and ${note.maxLength}`;
    throw new TengeError("E_HOPS", { hop: record.hop, length: record.length, problem });
  }
}

/**
 * Return if what `transfer` states follows from the output of `parent` that it spends; E_KIND, E_SUM, E_SELF,
 * E_CHANGE, E_HOPS, E_PURPOSE, E_INHERIT.
 * @param {any} transfer @param {any} parent
 */
export function checkStatement(transfer, parent) {
  const { record } = transfer;
  if (record.kind !== PAY && record.kind !== REDEEM) {
    throw new TengeError("E_KIND", { kind: record.kind });
  }
  checkOutputs(record, outputOf(parent, record.index).amountTiyn);
  const before = parent.record;
  const change = !isNote(parent) && before.kind === PAY && record.index === 1;
  const hop = (isNote(parent) ? 0 : before.hop - (change ? 1 : 0)) + (record.kind === PAY ? 1 : 0);
  const length = (isNote(parent) ? 0 : before.length) + 1;
  if (record.hop !== hop || record.length !== length) {
    const problem = `by the object before it they are ${hop} and ${length}`;
    throw new TengeError("E_HOPS", { hop: record.hop, length: record.length, problem });
  }
  if (record.purpose !== before.purpose) {
    throw new TengeError("E_PURPOSE", { stated: record.purpose, inherited: before.purpose });
  }
  if (record.spendBy !== before.spendBy) {
    const facts = { field: "spend_by", stated: record.spendBy, inherited: before.spendBy };
    throw new TengeError("E_INHERIT", facts);
  }
}

/** @param {any} record @param {number} inputTiyn */
function checkOutputs(record, inputTiyn) {
  const amounts = record.outputs.map((/** @type {any} */ output) => output.amountTiyn);
  // Above 2^53 - 1 a sum is no longer exact, and it is above every input all the same.
  const outputsTiyn = amounts.reduce(
    (/** @type {number} */ total, /** @type {number} */ one) => total + one,
    0,
  );
  if (outputsTiyn !== inputTiyn || Math.min(...amounts) < 1) {
    throw new TengeError("E_SUM", { outputs_tiyn: outputsTiyn, input_tiyn: inputTiyn });
  }
  if (record.kind === PAY && sameBytes(record.outputs[0].owner, record.payer)) {
    throw new TengeError("E_SELF", { payer: hex(record.payer) });
  }
  if (record.outputs.length === 2 && !sameBytes(record.outputs[1].owner, record.payer)) {
    throw new TengeError("E_CHANGE", { owner: hex(record.outputs[1].owner), payer: hex(record.payer) });
  }
}
