// @ts-check
/**
 * Lines: the history of one piece of money, as the host keeps it, and how lines are packed for others.
 *
 * A line is a note and the straight run of transfers that leads to one outpoint. Packing for settlement drops every
 * line that another one contains, shares certificates, and keeps each bundle within the counts that any reader
 * accepts; what does not fit a bundle travels loose. As `offline/lines.py`.
 *
 * Source: DTO/1, sections 5.4 (containers), 5.5 and 5.9.
 */

import { MAX_TOKENS, MAX_TRANSFERS, sum } from "./purse.js";
import { bytesOfBundle, envelopeOf, hex, openSigned } from "./wire.js";

export const MAX_CERTIFICATES = 24;
const MAX_BUNDLE_BYTES = 65535;
/** No transfer is longer than this on the wire, whatever its numbers: what a payment adds to each line it uses. */
export const TRANSFER_BYTES = 380;
const BUNDLE_OVERHEAD_BYTES = 16;

/**
 * A note and the transfers that lead from it, opened.
 * @typedef {{ note: any, transfers: any[] }} Line
 *
 * A line as it is kept: the bytes of its envelopes.
 * @typedef {{ note: Uint8Array, transfers: Uint8Array[] }} LineRow
 *
 * Certificates, signed, by key id in hexadecimal.
 * @typedef {Map<string, any>} Certificates
 */

/** @type {WeakMap<object, Promise<Line>>} */
const opened = new WeakMap();

/** The row of a line. @param {Line} line @returns {LineRow} */
export function lineRow(line) {
  return { note: envelopeOf(line.note), transfers: line.transfers.map(envelopeOf) };
}

/**
 * The line in a row; signatures are not verified, they were when it came.
 * @param {LineRow} row
 * @param {Uint8Array} network
 * @returns {Promise<Line>}
 */
export function openLine(row, network) {
  let found = opened.get(row);
  if (!found) {
    found = Promise.all([
      openSigned("NOTE", row.note, network),
      ...row.transfers.map((item) => openSigned("TRANSFER", item, network)),
    ]).then(([note, ...transfers]) => ({ note, transfers }));
    opened.set(row, found);
  }
  return found;
}

/** The bytes of a line's history: what the choice of coins looks at. @param {LineRow} row */
export function lineBytes(row) {
  return row.note.length + sum(row.transfers.map((item) => item.length));
}

/** The id of the last object on the line. @param {Line} line @returns {Uint8Array} */
export function tipOf(line) {
  return line.transfers.length ? line.transfers[line.transfers.length - 1].oid : line.note.oid;
}

/** `line` with one more transfer at its end. @param {Line} line @param {any} transfer @returns {Line} */
export function extended(line, transfer) {
  return { note: line.note, transfers: [...line.transfers, transfer] };
}

/** The key ids (hexadecimal) of every payer on these lines, each once, in order. @param {Line[]} lines */
export function people(lines) {
  return [...new Set(lines.flatMap((line) => line.transfers.map(({ record }) => hex(record.payer))))];
}

/**
 * A bundle of these lines with the certificates of their payers that are known, and the owner's if it is named.
 * @param {Line[]} lines
 * @param {Certificates} certificates
 * @param {string} [owner]
 */
export function bundleOf(lines, certificates, owner) {
  const kids = people(lines);
  if (owner && !kids.includes(owner)) {
    kids.push(owner);
  }
  const known = kids.map((kid) => certificates.get(kid)).filter(Boolean);
  return { certificates: known, tokens: lines };
}

/**
 * Bundles (as bytes) that together hold all these lines, and the transfers that fit in none.
 * @param {Line[]} lines
 * @param {Certificates} certificates
 * @returns {{ bundles: Uint8Array[], loose: any[] }}
 */
export function pack(lines, certificates) {
  const loose = [];
  const bundles = [];
  /** @type {Line[]} */
  let group = [];
  for (const line of longest(lines)) {
    loose.push(...line.transfers.slice(MAX_TRANSFERS));
    const short = { note: line.note, transfers: line.transfers.slice(0, MAX_TRANSFERS) };
    if (group.length && !fits([...group, short], certificates)) {
      bundles.push(bytesOfBundle(bundleOf(group, certificates)));
      group = [];
    }
    group.push(short);
  }
  if (group.length) {
    bundles.push(bytesOfBundle(bundleOf(group, certificates)));
  }
  return { bundles, loose };
}

/** @param {Line[]} lines @returns {Line[]} */
function longest(lines) {
  const byTip = new Map(lines.map((line) => [hex(tipOf(line)), line]));
  const inner = new Set(
    [...byTip.values()].flatMap((line) => line.transfers.map((t) => hex(t.record.previous))),
  );
  return [...byTip]
    .filter(([tip]) => !inner.has(tip))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, line]) => line);
}

/** @param {Line[]} lines @param {Certificates} certificates */
function fits(lines, certificates) {
  return (
    lines.length <= MAX_TOKENS &&
    people(lines).length <= MAX_CERTIFICATES &&
    bundleSize(lines, certificates) <= MAX_BUNDLE_BYTES
  );
}

/**
 * An upper bound of the bytes of `bundleOf` for the same arguments.
 * @param {Line[]} lines
 * @param {Certificates} certificates
 * @param {string} [owner]
 */
export function bundleSize(lines, certificates, owner) {
  const { certificates: known } = bundleOf(lines, certificates, owner);
  const objects = [...known, ...lines.flatMap((line) => [line.note, ...line.transfers])];
  const bytes = objects.map((signed) => 7 + signed.body.length + signed.signature.length);
  return BUNDLE_OVERHEAD_BYTES + sum(bytes) + 4 * lines.length;
}
