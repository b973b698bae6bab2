// @ts-check
/**
 * The receiving half of a device: notes, requests, and payments judged, taken, or set aside.
 *
 * The history of the money, the element's new slots and the receipt are written in one transaction, and the receipt
 * is given out after it. What names this device and fails is kept for the next sync, and a contradiction found on the
 * way is kept as evidence.
 *
 * Source: DTO/1, sections 5.5, 5.6 (V0 to V8, V5b, the inbox) and 5.8, as `offline/host_receive.py`.
 */

import { extended, lineRow, tipOf } from "./lines.js";
import { MAX_TOKENS, checkIn, checkSlots, sum } from "./purse.js";
import { checkActive } from "./rules.js";
import { balanceTiyn } from "./state.js";
import {
  PARAMETERS,
  TengeError,
  bytesOfBundle,
  bytesOfRequest,
  envelopeOf,
  hashHex,
  hex,
  openBundle,
  openMessage,
  openOffer,
  openSigned,
  outpointKey,
  sameBytes,
  verifyCommit,
  verifyOffer,
  verifyPayment,
} from "./wire.js";

const MAX_INBOX = 64;
const LARGEST_MESSAGE_BYTES = 1 << 20;

/** @typedef {import("./step.js").Step} Step */

/**
 * @param {Step} step @param {number[]} amountsTiyn
 * @returns {Promise<{ loadNumber: number }>}
 */
export async function beforeLoad(step, amountsTiyn) {
  const { element, state } = step;
  checkActive(state);
  checkIn(sum(amountsTiyn), balanceTiyn(state), element.reserved().tiyn, element.limits);
  checkSlots(amountsTiyn.length, state.purse.size, element.reserved().slots, element.maxSlots);
  return { loadNumber: state.loadNumber + 1 };
}

/** @param {Step} step @param {Uint8Array} bytes */
export async function loadNote(step, bytes) {
  const note = await openSigned("NOTE", bytes, step.network);
  const id = hex(note.oid);
  if (step.row("loaded", id) !== undefined) {
    return;
  }
  if (!step.take(await step.element.load(note))) {
    return;
  }
  step.put("line", outpointKey(note.oid, 0), lineRow({ note, transfers: [] }));
  step.put("loaded", id, note.record.redeemBy);
  step.remember({
    id: `load:${id}`,
    kind: "load",
    amountTiyn: note.record.amountTiyn,
    purpose: note.record.purpose,
    peer: "",
    reference: id,
    words: "",
  });
}

/**
 * @param {Step} step
 * @param {Uint8Array} requestId
 * @param {number} amountTiyn
 * @param {{ purpose?: number, memo?: Uint8Array, offer?: Uint8Array, words?: string, expires?: number,
 *   near?: boolean }} wishes
 */
export async function invoice(step, requestId, amountTiyn, wishes) {
  const { element } = step;
  const { trust } = element;
  const { purpose = 0, memo = new Uint8Array(), offer = new Uint8Array(), words = "" } = wishes;
  const kept = step.row("request", hex(requestId));
  const asked = { amountTiyn, purpose, memo, offer };
  if (kept && !sameWishes(kept, asked)) {
    throw new TengeError("E_REQUEST_REUSED", { request: hex(requestId) });
  }
  const bytesNumber = wishes.near ? PARAMETERS.maxBytes : PARAMETERS.maxBytesQr;
  const limits = kept?.limits ?? {
    expires: wishes.expires ?? element.moment + trust.parameter(PARAMETERS.invoiceSeconds),
    maxParts: mostParts(element),
    maxBytes: trust.parameter(bytesNumber),
  };
  const signed = step.take(await element.invoice(requestId, { ...asked, ...limits }));
  const id = hex(signed.oid);
  const bytes = envelopeOf(signed);
  if (step.elementChanged) {
    step.put("request", hex(requestId), { ...asked, limits });
    step.put("invoice", id, bytes);
    const about = { amountTiyn, purpose, peer: "", reference: id, words, invoice: bytes };
    step.remember({ id: `in:${id}`, kind: "ask", ...about, expires: limits.expires });
  }
  return {
    id,
    request: bytesOfRequest(signed, element.certificate),
    invoice: bytes,
    expires: limits.expires,
  };
}

/** @param {Step} step */
export async function takingLimits(step) {
  const { element } = step;
  const { trust } = element;
  return {
    payee: step.state.papers.certificate,
    maxParts: mostParts(element),
    maxBytes: trust.parameter(PARAMETERS.maxBytes),
    trustSequence: trust.sequence,
  };
}

/** @param {import("./element.js").Element} element */
function mostParts(element) {
  return Math.max(1, Math.min(MAX_TOKENS, element.trust.parameter(PARAMETERS.maxParts), element.freeSlots()));
}

/** @param {any} kept @param {any} asked */
function sameWishes(kept, asked) {
  return (
    kept.amountTiyn === asked.amountTiyn &&
    kept.purpose === asked.purpose &&
    sameBytes(kept.memo, asked.memo) &&
    sameBytes(kept.offer, asked.offer)
  );
}

/**
 * @param {Step} step
 * @param {Uint8Array} bytes
 * @param {{ amountTiyn: number, purpose: number }} wanted
 */
export async function consider(step, bytes, { amountTiyn, purpose }) {
  const { element } = step;
  const { bundle: data, picks } = await openOffer(bytes);
  const limitBytes = element.trust.parameter(PARAMETERS.maxBytes);
  const category = element.certificate.record.category;
  let bundle;
  try {
    bundle = await verifyOffer(data, element.trust, element.moment, limitBytes, await step.known(), category);
  } catch (error) {
    await keepEvidence(step, error);
    throw error;
  }
  const tokens = new Map(bundle.tokens.map((/** @type {any} */ token) => [hex(tipOf(token)), token]));
  let offeredTiyn = 0;
  for (const pick of picks) {
    const token = tokens.get(pick.slice(0, 64));
    const outputTiyn = token ? outputsOf(token)[Number.parseInt(pick.slice(64), 16)] : undefined;
    if (outputTiyn === undefined || token.note.record.purpose !== purpose) {
      const problem = "it names money that it does not show, or of another purpose";
      throw new TengeError("E_OFFER", { problem });
    }
    offeredTiyn += outputTiyn;
  }
  const most = Math.min(MAX_TOKENS, element.freeSlots());
  if (new Set(picks).size !== picks.length || picks.length > most || offeredTiyn < amountTiyn) {
    const problem = `${picks.length} parts hold ${offeredTiyn} tiyn; ${amountTiyn} in ${most} are asked for`;
    throw new TengeError("E_OFFER", { problem });
  }
  return { offer: bytes, bundle };
}

/** @param {any} token @returns {number[]} */
function outputsOf(token) {
  const last = token.transfers[token.transfers.length - 1];
  return last
    ? last.record.outputs.map((/** @type {any} */ output) => output.amountTiyn)
    : [token.note.record.amountTiyn];
}

/**
 * Judge a whole payment and take it; again: the same receipt.
 * @param {Step} step
 * @param {Uint8Array} data A BUNDLE, or a COMMIT with what was considered.
 * @param {{ bundle: any }} [considered]
 */
export async function receive(step, data, considered) {
  const message = considered ? await openMessage(data, step.network) : null;
  const commit = message?.type === "COMMIT" ? message.transfers : null;
  const claimed = commit ?? (await lastTransfers(step, data));
  const id = claimed.length ? hex(claimed[0].record.reference) : "";
  const given = step.row("receipt", id);
  if (given) {
    return answer(step, id, given);
  }
  const kept = step.row("invoice", id) ?? ownInvoice(step, id);
  if (!kept) {
    const refusal = new TengeError("E_INVOICE_UNKNOWN", { invoice: id });
    await setAside(step, data, id, refusal);
    throw refusal;
  }
  const asked = await openSigned("INVOICE", kept, step.network);
  try {
    const payment = await judge(step, data, asked, commit && considered ? { commit, considered } : null);
    return await take(step, payment, asked);
  } catch (error) {
    const whole = commit && considered ? joined(considered.bundle, commit) : data;
    await setAside(step, whole, id, error);
    throw error;
  }
}

/** @param {Step} step @param {Uint8Array} data */
async function lastTransfers(step, data) {
  const limitBytes = step.element.trust.parameter(PARAMETERS.maxBytes);
  const { tokens } = await openBundle(data, step.network, limitBytes);
  return tokens.flatMap((/** @type {any} */ token) => token.transfers.slice(-1));
}

/** An invoice that a sync has closed is known from the history. @param {Step} step @param {string} id */
function ownInvoice(step, id) {
  const entry = step.row("history", `in:${id}`);
  return entry && !entry.restored ? entry.invoice : undefined;
}

/** @param {Step} step @param {Uint8Array} data @param {any} asked @param {any} near */
async function judge(step, data, asked, near) {
  const { trust, moment, certificate } = step.element;
  const category = certificate.record.category;
  const known = await step.known();
  if (near) {
    return verifyCommit(near.considered.bundle, near.commit, asked, category, trust, moment, known);
  }
  return verifyPayment(data, asked, category, trust, moment, known);
}

/** @param {Step} step @param {any} payment @param {any} asked */
async function take(step, payment, asked) {
  const { bundle, transfers, payerCertificate } = payment;
  const id = hex(asked.oid);
  const lines = new Map(bundle.tokens.map((/** @type {any} */ token) => [hex(tipOf(token)), token]));
  const caps = transfers.map((/** @type {any} */ transfer) => lines.get(hex(transfer.oid)).note.record);
  const receipt = step.take(await step.element.accept(asked.oid, transfers, caps, payerCertificate));
  const bytes = envelopeOf(receipt);
  if (step.elementChanged) {
    for (const transfer of transfers) {
      step.put("line", outpointKey(transfer.oid, 0), lineRow(lines.get(hex(transfer.oid))));
    }
    step.put("incoming", id, bytesOfBundle(bundle));
    await step.keepCertificates(bundle.certificates);
  }
  step.put("receipt", id, bytes);
  const { amountTiyn, purpose } = asked.record;
  step.remember({
    id: `in:${id}`,
    kind: "receive",
    time: step.element.moment,
    amountTiyn,
    purpose,
    peer: hex(payerCertificate.record.kid),
    reference: id,
    hops: Math.max(...transfers.map((/** @type {any} */ transfer) => transfer.record.hop)),
    receipt: bytes,
  });
  return answer(step, id, bytes);
}

/** @param {Step} step @param {string} id @param {Uint8Array} receipt */
async function answer(step, id, receipt) {
  const { amountTiyn, purpose, peer } = step.row("history", `in:${id}`);
  return { id, receipt, amountTiyn, purpose, payer: peer };
}

// --- what cannot be taken ---

/** @param {Step} step @param {unknown} error */
async function keepEvidence(step, error) {
  const evidence = /** @type {any} */ (error).evidence;
  if (error instanceof TengeError && evidence instanceof Uint8Array && evidence.length) {
    step.setAside("evidence", await hashHex(evidence), evidence);
  }
}

/** @param {Step} step @param {Uint8Array} data @param {string} id @param {unknown} error */
async function setAside(step, data, id, error) {
  if (!(error instanceof TengeError)) {
    return;
  }
  await keepEvidence(step, error);
  let tokens;
  try {
    ({ tokens } = await openBundle(data, step.network, LARGEST_MESSAGE_BYTES));
  } catch (problem) {
    if (problem instanceof TengeError) {
      return;
    }
    throw problem;
  }
  const mine = tokens.some((/** @type {any} */ token) => {
    const last = token.transfers[token.transfers.length - 1];
    return (
      last && hex(last.record.reference) === id && sameBytes(last.record.outputs[0].owner, step.element.kid)
    );
  });
  const key = await hashHex(data);
  const rows = step.rows("inbox");
  if (mine && (rows.has(key) || rows.size < MAX_INBOX)) {
    step.setAside("inbox", key, { code: error.code, bundle: data, time: step.element.moment, reference: id });
  }
}

/**
 * For the inbox only: the lines of an offer with the transfers that follow on them, whatever is wrong with them.
 * @param {any} bundle @param {any[]} transfers
 */
function joined(bundle, transfers) {
  const tokens = new Map(bundle.tokens.map((/** @type {any} */ token) => [hex(tipOf(token)), token]));
  const lines = transfers
    .filter((transfer) => tokens.has(hex(transfer.record.previous)))
    .map((transfer) => extended(tokens.get(hex(transfer.record.previous)), transfer));
  return lines.length
    ? bytesOfBundle({ certificates: bundle.certificates, tokens: lines })
    : new Uint8Array();
}
