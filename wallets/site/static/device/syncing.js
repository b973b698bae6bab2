// @ts-check
/**
 * What a device hands in at a sync, and what it may forget once settlement has acknowledged it.
 *
 * Handed in: the lines of everything paid, sent home or held, what lies in the inbox, what a backup brought, and the
 * invoices and receipts that show who asked for what. The last batch carries the SYNC_REQ, so an acknowledgement of
 * it speaks for all of them; batches must be submitted in their order.
 *
 * Forgotten: only what an acknowledged request covers, and of several hand-ins for it only the first. A payment
 * leaves when the element has let its transfers go, that is when settlement has the whole log (5.19.10). The history
 * stays.
 *
 * Source: DTO/1, section 5.9 and 5.19.10, as `offline/device_sync.py`.
 */

import { openLine, pack, tipOf } from "./lines.js";
import { SPEND_BLOCKED } from "./state.js";
import {
  bytesOfBatch,
  bytesOfBatchContent,
  envelopeOf,
  hex,
  openBundleKept,
  openSigned,
  outpointKey,
  sha256,
} from "./wire.js";

// One batch stays well below what settlement reads at once.
const BATCH_BYTES = 512 * 1024;
const BATCH_ITEMS = 1000;
const OBJECT_BYTES = 512;
const LET_GO = ["inbox", "invoice", "receipt", "proof", "incoming", "claim"];

/** @typedef {import("./step.js").Step} Step */

/**
 * The batches for the open statement, or for a new one.
 * @param {Step} step
 * @returns {Promise<{ batches: Uint8Array[], trustSequence: number }>}
 */
export async function begin(step) {
  const request = step.take(await step.element.syncBegin());
  const lines = await handedLines(step, request);
  const redemptions = [...step.rows("redemption").values()];
  for (const made of redemptions) {
    lines.push(
      ...(await Promise.all(made.lines.map((/** @type {any} */ row) => openLine(row, step.network)))),
    );
  }
  const { bundles, loose } = pack(lines, await step.certificates());
  const objects = [step.state.papers.certificate, ...loose.map(envelopeOf)];
  for (const made of redemptions) {
    objects.push(...made.loose, made.order);
  }
  for (const kind of ["invoice", "receipt", "proof"]) {
    objects.push(...step.rows(kind).values());
  }
  const claims = [...step.rows("claim").values()];
  bundles.push(...[...step.rows("inbox").values()].map((row) => row.bundle));
  bundles.push(...claims.filter((claim) => claim.bundle).map((claim) => claim.bundle));
  objects.push(...claims.filter((claim) => claim.object).map((claim) => claim.object));
  const id = hex(request.oid);
  if (!step.row("submitted", id)) {
    // Only the first hand-in is let go by the answer, which may be the answer to that one: what came since is handed
    // in as well, and again with the next statement.
    const handedIn = LET_GO.map((kind) => [kind, [...step.rows(kind).keys()]]);
    const tips = [...new Set(lines.map((line) => hex(tipOf(line))))].sort();
    step.put("submitted", id, { handedIn, tips, closedNumber: request.record.invoiceNumber });
  }
  return { batches: await batchesOf(bundles, objects, request), trustSequence: step.state.trustSequence };
}

/** @param {Step} step @param {any} request */
async function handedLines(step, request) {
  const settled = step.rows("settled");
  const lines = [];
  for (const [previous, position] of request.record.purse) {
    const key = outpointKey(previous, position);
    if (step.row("line", key)) {
      const line = await step.line(key);
      if (!settled.has(hex(tipOf(line)))) {
        lines.push(line);
      }
    }
  }
  const bundles = [...step.rows("payment").values()].map((made) => made.bundle);
  for (const bundle of [...bundles, ...step.rows("incoming").values()]) {
    lines.push(...(await openBundleKept(bundle, step.network)).tokens);
  }
  return lines;
}

/**
 * @param {Uint8Array[]} bundles @param {Uint8Array[]} objects Envelopes. @param {any} request
 * @returns {Promise<Uint8Array[]>}
 */
async function batchesOf(bundles, objects, request) {
  /** @type {{ bundles: Uint8Array[], objects: Uint8Array[], bytes: number }[]} */
  const groups = [{ bundles: [], objects: [], bytes: 0 }];
  /** @param {number} size */
  const group = (size) => {
    let last = groups[groups.length - 1];
    const items = last.bundles.length + last.objects.length;
    if (items && (last.bytes + size > BATCH_BYTES || items >= BATCH_ITEMS)) {
      last = { bundles: [], objects: [], bytes: 0 };
      groups.push(last);
    }
    last.bytes += size;
    return last;
  };
  for (const bundle of bundles) {
    group(bundle.length).bundles.push(bundle);
  }
  for (const object of objects) {
    group(OBJECT_BYTES).objects.push(object);
  }
  return Promise.all(
    groups.map(async (one, place) => {
      const carried = place === groups.length - 1 ? envelopeOf(request) : null;
      const content = bytesOfBatchContent(one.bundles, one.objects, carried);
      const batchId = (await sha256(content)).slice(0, 16);
      return bytesOfBatch(batchId, one.bundles, one.objects, carried);
    }),
  );
}

/**
 * Take settlement's answer, and let go what it covers.
 * @param {Step} step @param {Uint8Array} bytes
 * @returns {Promise<{ droppedTiyn: number, complete: boolean, blocked: boolean }>}
 */
export async function commit(step, bytes) {
  const ack = await openSigned("SYNC_ACK", bytes, step.network);
  const blocked = () => step.state.status === SPEND_BLOCKED;
  if (step.state.lastAck === hex(ack.oid)) {
    return { droppedTiyn: 0, complete: true, blocked: blocked() };
  }
  const before = step.state.purse;
  const done = step.take(await step.element.syncCommit(ack));
  await letGo(step, ack.record);
  for (const [key, slot] of before) {
    if (!step.state.purse.has(key)) {
      step.remember({
        id: `drop:${key}`,
        kind: "drop",
        amountTiyn: slot.amountTiyn,
        purpose: slot.purpose,
        peer: "",
        reference: key,
        words: "",
      });
    }
  }
  return { ...done, blocked: blocked() };
}

/** @param {Step} step @param {any} ack */
async function letGo(step, ack) {
  const kept = step.row("submitted", hex(ack.request));
  if (kept) {
    for (const [kind, keys] of kept.handedIn) {
      await forget(step, kind, keys, kept.closedNumber);
    }
    for (const tip of kept.tips) {
      step.put("settled", tip, 1);
    }
  }
  for (const request of step.rows("submitted").keys()) {
    step.drop("submitted", request);
  }
  for (const kind of ["payment", "redemption"]) {
    for (const key of step.rows(kind).keys()) {
      if (!step.state.outbox.has(key)) {
        step.drop(kind, key);
      }
    }
  }
  prune(step, ack.time);
}

/** @param {Step} step @param {string} kind @param {string[]} keys @param {number} closedNumber */
async function forget(step, kind, keys, closedNumber) {
  for (const key of keys) {
    const value = step.row(kind, key);
    if (value === undefined) {
      continue;
    }
    if (kind === "invoice") {
      const invoice = await openSigned("INVOICE", value, step.network);
      if (invoice.record.invoiceNumber > closedNumber) {
        continue;
      }
    }
    if (kind === "incoming") {
      const { tokens } = await openBundleKept(value, step.network);
      const until = Math.max(...tokens.map((/** @type {any} */ line) => line.note.record.redeemBy));
      step.put("seen", key, { until, bundle: value });
    }
    step.drop(kind, key);
  }
}

/** @param {Step} step @param {number} time */
function prune(step, time) {
  const { purse } = step.state;
  for (const key of step.rows("line").keys()) {
    if (!purse.has(key)) {
      step.drop("line", key);
    }
  }
  const tips = new Set([...purse.keys()].map((key) => key.slice(0, 64)));
  const gone = [
    ...[...step.rows("settled").keys()].filter((tip) => !tips.has(tip)).map((key) => ["settled", key]),
    ...[...step.rows("loaded")].filter(([, until]) => until < time).map(([key]) => ["loaded", key]),
    ...[...step.rows("seen")].filter(([, row]) => row.until < time).map(([key]) => ["seen", key]),
    ...[...step.rows("request")]
      .filter(([, row]) => row.limits.expires < time)
      .map(([key]) => ["request", key]),
  ];
  for (const [kind, key] of gone) {
    step.drop(kind, key);
  }
}
