// @ts-check
/**
 * The paying half of a device: requests read, offers, payments to hand over again and again, receipts, money sent
 * home.
 *
 * The element's transfers, the message that carries them, the histories and the entry of the history are written in
 * one transaction, so there is never a payment without its message.
 *
 * Source: DTO/1, sections 5.5, 5.7 (`pay`, `redeem`) and 5.8, as `offline/host_pay.py`.
 */

import { coinsToPay, coinsToRedeem } from "./coins.js";
import { bundleOf, extended, lineRow, tipOf } from "./lines.js";
import { checkOpenInvoice } from "./rules.js";
import {
  TengeError,
  bytesOfBundle,
  bytesOfCommit,
  bytesOfOffer,
  checkCertificate,
  checkReceipt,
  checkStanding,
  envelopeOf,
  hashOfOffer,
  hex,
  openBundleKept,
  openMessage,
  openOffer,
  openSigned,
  outpointKey,
  paymentRoot,
  sameBytes,
} from "./wire.js";

/**
 * @typedef {import("./step.js").Step} Step
 */

/**
 * Open a REQUEST and check it and its payee.
 * @param {Step} step @param {Uint8Array} request
 */
export async function readRequest(step, request) {
  const { invoice, payee } = await opened(step, request);
  const { element } = step;
  await checkOpenInvoice(invoice, payee, element.kid, element.trust, element.moment);
  const { record } = invoice;
  return {
    id: hex(invoice.oid),
    amountTiyn: record.amountTiyn,
    purpose: record.purpose,
    payee: hex(record.payee),
    category: payee.record.category,
    tier: payee.record.tier,
    expires: record.expires,
    memo: hex(record.memo),
    paid: Boolean(step.row("payment", hex(invoice.oid))),
  };
}

/** @param {Step} step @param {any} payee A signed certificate. */
export async function checkPayee(step, payee) {
  const { trust, moment } = step.element;
  await checkCertificate(payee, trust, moment);
  checkStanding(payee.record, trust, "payee");
}

/** @param {Step} step @param {Uint8Array} request */
async function opened(step, request) {
  if (!step.element.trust) {
    throw new TengeError("E_ELEMENT_STATE", { status: "not provisioned" });
  }
  const message = await openMessage(request, step.network);
  if (message.type !== "REQUEST") {
    throw new TengeError("E_SESSION", { problem: "it is no request for a payment" });
  }
  return { invoice: message.invoice, payee: message.payee };
}

/**
 * @param {Step} step
 * @param {{ amountTiyn: number, purpose: number, maxParts: number, maxBytes: number }} wanted
 */
export async function offer(step, wanted) {
  const picks = await coinsToPay(step, wanted);
  const lines = await Promise.all(picks.map((pick) => step.line(pick)));
  const distinct = [...new Map(lines.map((line) => [hex(tipOf(line)), line])).values()];
  const certificates = await step.certificates();
  return bytesOfOffer(bytesOfBundle(bundleOf(distinct, certificates, hex(step.element.kid))), picks);
}

/**
 * Pay an invoice once and for ever.
 * @param {Step} step
 * @param {Uint8Array} request
 * @param {{ offer?: Uint8Array, words?: string }} wishes
 */
export async function pay(step, request, wishes) {
  const { invoice, payee } = await opened(step, request);
  const id = hex(invoice.oid);
  const amountTiyn = invoice.record.amountTiyn;
  const made = step.row("payment", id);
  if (made) {
    return { id, payment: made.bundle, commit: await commitOf(step, made.bundle), amountTiyn };
  }
  const bound = wishes.offer ? await hashOfOffer(wishes.offer) : new Uint8Array();
  if (!sameBytes(invoice.record.offer, bound)) {
    throw new TengeError("E_OFFER", { problem: "the request was made for another offer, or for none" });
  }
  const picks = wishes.offer
    ? (await openOffer(wishes.offer)).picks
    : await picksFor(step, id, invoice.record);
  if (!picks.every((pick) => step.row("line", pick)) && !step.state.outbox.has(id)) {
    throw new TengeError("E_OFFER", { problem: "the histories it shows are not kept here any more" });
  }
  const transfers = step.take(await step.element.pay(invoice, payee, picks));
  const lines = await spent(step, transfers);
  if (lines.length < transfers.length) {
    throw new TengeError("E_HISTORY_LOST", { invoice: id });
  }
  const payment = bytesOfBundle(bundleOf(lines, await step.certificates()));
  step.put("payment", id, { bundle: payment, invoice: envelopeOf(invoice), payee: envelopeOf(payee) });
  step.remember({
    id: `out:${id}`,
    kind: "pay",
    amountTiyn,
    purpose: invoice.record.purpose,
    peer: hex(invoice.record.payee),
    reference: id,
    words: wishes.words ?? "",
    hops: Math.max(...transfers.map(({ record }) => record.hop)),
    invoice: envelopeOf(invoice),
  });
  return { id, payment, commit: bytesOfCommit(transfers), amountTiyn };
}

/** @param {Step} step @param {string} id @param {any} record */
async function picksFor(step, id, record) {
  if (step.state.outbox.has(id) || step.state.closed.has(id)) {
    return [];
  }
  return coinsToPay(step, record);
}

/**
 * Put the spent lines' ends into the rows: what was spent leaves, change comes in; gives the extended lines.
 * @param {Step} step @param {any[]} transfers
 */
async function spent(step, transfers) {
  const lines = [];
  for (const transfer of transfers) {
    const key = outpointKey(transfer.record.previous, transfer.record.index);
    if (!step.row("line", key)) {
      continue;
    }
    const line = extended(await step.line(key), transfer);
    lines.push(line);
    step.drop("line", key);
    if (transfer.record.outputs.length === 2) {
      step.put("line", outpointKey(transfer.oid, 1), lineRow(line));
    }
  }
  return lines;
}

/** @param {Step} step @param {Uint8Array} bundle */
async function transfersOf(step, bundle) {
  const { tokens } = await openBundleKept(bundle, step.network);
  const last = tokens.map((/** @type {any} */ line) => line.transfers[line.transfers.length - 1]);
  return last.sort((/** @type {any} */ one, /** @type {any} */ other) => one.record.part - other.record.part);
}

/** @param {Step} step @param {Uint8Array} bundle */
async function commitOf(step, bundle) {
  return bytesOfCommit(await transfersOf(step, bundle));
}

/** @param {Step} step @param {string} id */
export async function resend(step, id) {
  const made = step.row("payment", id) ?? restored(step, id);
  if (!made) {
    throw new TengeError("E_PAYMENT_UNKNOWN", { invoice: id });
  }
  return made.bundle;
}

/** A payment out of a backup: anyone may hand it over. @param {Step} step @param {string} id */
function restored(step, id) {
  return [...step.rows("claim").values()].find((claim) => claim.payment === id);
}

/** @param {Step} step @param {Uint8Array} bytes */
export async function keepReceipt(step, bytes) {
  const receipt = await openSigned("RECEIPT", bytes, step.network);
  const id = hex(receipt.record.invoice);
  const made = step.row("payment", id);
  if (!made) {
    throw new TengeError("E_PAYMENT_UNKNOWN", { invoice: id });
  }
  const invoice = await openSigned("INVOICE", made.invoice, step.network);
  const payee = await openSigned("DEVCERT", made.payee, step.network);
  const root = await paymentRoot(await transfersOf(step, made.bundle));
  await checkReceipt(receipt, invoice, root, payee);
  if (!step.row("proof", id)) {
    step.put("proof", id, bytes);
    step.remember({ ...step.row("history", `out:${id}`), id: `out:${id}`, receipt: bytes });
  }
  return { id };
}

/**
 * @param {Step} step
 * @param {Uint8Array} bytes
 * @param {{ amountTiyn?: number, purpose?: number }} wishes
 */
export async function redeem(step, bytes, wishes) {
  const order = await openSigned("REDEEM_ORDER", bytes, step.network);
  const id = hex(order.oid);
  const sent = step.state.outbox.get(id);
  if (sent) {
    return { id, amountTiyn: sent.amountTiyn };
  }
  const { element } = step;
  const wanted = step.state.closed.has(id)
    ? { picks: [], amountTiyn: 0 }
    : coinsToRedeem(element, wishes.amountTiyn ?? null, wishes.purpose ?? null);
  const transfers = step.take(await element.redeem(order, wanted.picks, wanted.amountTiyn));
  const lines = await spent(step, transfers);
  const held = new Set(lines.map((line) => hex(tipOf(line))));
  const loose = transfers.filter(({ oid }) => !held.has(hex(oid)));
  step.put("redemption", id, { order: bytes, lines: lines.map(lineRow), loose: loose.map(envelopeOf) });
  step.remember({
    id: `home:${id}`,
    kind: "redeem",
    amountTiyn: wanted.amountTiyn,
    purpose: transfers[0].record.purpose,
    peer: hex(order.record.account),
    reference: id,
    words: "",
  });
  return { id, amountTiyn: wanted.amountTiyn };
}
