// @ts-check
/**
 * Proofs of guilt that a device meets itself: two transfers of one output (E1), or one counter or link in two transfers
 * (E2). A file needs ROOT and nothing else, and is verified here before it is handed out. As `offline/evidence.py`.
 *
 *     [1, [AUTH envelope...], [type, DEVCERT envelope, TRANSFER envelope, TRANSFER envelope]]
 *
 * The other types (E3 to E8) are made and judged where statements, logs and the journal are: at settlement and in
 * court. A file of theirs is refused here with E_EVIDENCE_ELSEWHERE, which says that this reader does not know, and
 * not that nothing is proved.
 *
 * Source: DTO/1, section 5.10.
 */

import { compareBytes, hex, sameBytes } from "./bytes.js";
import { decodeArray, encode } from "./canonical.js";
import { checkCertificateBy } from "./checks.js";
import { TengeError } from "./errors.js";
import { envelopeItems, openPart, verifySigned } from "./records.js";
import { BANK_CA, openAuthority } from "./trust.js";

/** @typedef {import("./trust.js").Authority} Authority */

export const DOUBLE_SPEND = 1;
export const EQUIVOCATION = 2;
const LAST_TYPE = 8;
const VERSION = 1;
const MAX_AUTHS = 4;
const MAX_FILE_BYTES = 512 * 1024;

/**
 * Who is guilty of what: the key, the device it is certified for (hexadecimal), and the money at stake (tiyn; 0 for
 * E2). Whole tiyn up to 2^54: two outputs of the largest amount.
 * @typedef {{ type: number, kid: string, deviceId: string, amountTiyn: number }} Verdict
 */

/** @param {string} problem */
const nothing = (problem) => new TengeError("E_EVIDENCE", { problem });

/**
 * What contradicts in two signed transfers of one payer: E_DOUBLE_SPEND, E_EQUIVOCATION, or null when nothing does.
 * Two signatures over one body are one transfer.
 * @param {any} one @param {any} other
 * @returns {"E_DOUBLE_SPEND" | "E_EQUIVOCATION" | null}
 */
export function contradiction(one, other) {
  if (sameBytes(one.oid, other.oid) || !sameBytes(one.record.payer, other.record.payer)) {
    return null;
  }
  if (sameOutpoint(one.record, other.record)) {
    return "E_DOUBLE_SPEND";
  }
  return sameStep(one.record, other.record) ? "E_EQUIVOCATION" : null;
}

/** @param {any} one @param {any} other */
const sameOutpoint = (one, other) => one.index === other.index && sameBytes(one.previous, other.previous);
/** @param {any} one @param {any} other */
const sameStep = (one, other) => one.counter === other.counter || sameBytes(one.link, other.link);

/**
 * The evidence file of two transfers of one device; E_EVIDENCE when they prove nothing.
 * @param {number} type `DOUBLE_SPEND` or `EQUIVOCATION`.
 * @param {Authority} authority
 * @param {any} certificate The payer's, signed.
 * @param {any} one @param {any} other Signed transfers, in any order.
 * @returns {Promise<Uint8Array>}
 */
export async function proveTwoTransfers(type, authority, certificate, one, other) {
  const { caReference, notBefore } = certificate.record;
  const bank = authority.find(caReference, BANK_CA, notBefore);
  if (typeof bank === "string") {
    throw nothing(`the certificate's bank: ${bank}`);
  }
  const signedBank = authority.auths.find((auth) => auth.record === bank);
  const pair = [one, other].sort((first, second) => compareBytes(first.oid, second.oid));
  const items = [type, envelopeItems(certificate), ...pair.map(envelopeItems)];
  const file = encode([VERSION, [envelopeItems(signedBank)], items]);
  await judge(file, authority.root);
  return file;
}

/**
 * The verdict of an evidence file of type E1 or E2 to anyone who trusts `root`.
 *
 * Raises E_EVIDENCE when it proves nothing, whatever is wrong; E_EVIDENCE_TYPE for a type that is not 1 to 8;
 * E_EVIDENCE_ELSEWHERE for a type that this reader does not judge.
 * @param {Uint8Array} data
 * @param {Uint8Array} root The envelope of ROOT.
 * @returns {Promise<Verdict>}
 */
export async function verifyEvidence(data, root) {
  return judge(data, (await openAuthority(root, [])).root);
}

/** @param {Uint8Array} data @param {any} root Signed. @returns {Promise<Verdict>} */
async function judge(data, root) {
  try {
    const file = await openFile(data, root);
    if (file.type < 1 || file.type > LAST_TYPE) {
      throw new TengeError("E_EVIDENCE_TYPE", { type: file.type });
    }
    if (file.type > EQUIVOCATION) {
      throw new TengeError("E_EVIDENCE_ELSEWHERE", { type: file.type });
    }
    return await judgePair(file);
  } catch (error) {
    const known = ["E_EVIDENCE", "E_EVIDENCE_TYPE", "E_EVIDENCE_ELSEWHERE"];
    if (!(error instanceof TengeError) || known.includes(error.code)) {
      throw error;
    }
    throw nothing(error.code);
  }
}

/** @param {any} value @param {string} name @param {number} least @param {number} most @returns {any[]} */
function listed(value, name, least, most) {
  if (!Array.isArray(value) || value.length < least || value.length > most) {
    throw nothing(`it has no list of ${name}`);
  }
  return value;
}

/**
 * The file, its AUTHs verified.
 * @param {Uint8Array} data @param {any} root
 * @returns {Promise<{ type: number, items: any[], authority: Authority }>}
 */
async function openFile(data, root) {
  const values = decodeArray(data, MAX_FILE_BYTES);
  if (values.length !== 3 || values[0] !== VERSION) {
    throw nothing("it is no evidence file of version 1");
  }
  const auths = listed(values[1], "certificates", 1, MAX_AUTHS);
  if (auths.some((auth) => !Array.isArray(auth))) {
    throw nothing("a certificate is given as bytes");
  }
  const [type, ...items] = listed(values[2], "evidence with a type", 1, Infinity);
  if (typeof type !== "number") {
    throw nothing("it has no evidence with a type");
  }
  return { type, items, authority: await openAuthority(envelopeItems(root), auths) };
}

/** E1 and E2. @param {{ type: number, items: any[], authority: Authority }} file @returns {Promise<Verdict>} */
async function judgePair({ type, items, authority }) {
  if (items.length !== 3) {
    throw nothing("it needs one certificate and two transfers");
  }
  const certificate = openPart("DEVCERT", items[0], authority.network);
  const { record } = certificate;
  const bank = authority.find(record.caReference, BANK_CA, record.notBefore);
  if (typeof bank === "string") {
    throw nothing(`the certificate's bank: ${bank}`);
  }
  await checkCertificateBy(certificate, bank);
  const pair = [];
  for (const item of items.slice(1)) {
    const transfer = openPart("TRANSFER", item, authority.network);
    if (!sameBytes(transfer.record.payer, record.kid)) {
      throw nothing("an object names another device than the certified key");
    }
    await verifySigned(transfer, record.key);
    pair.push(transfer);
  }
  const [first, second] = pair;
  if (compareBytes(first.oid, second.oid) >= 0) {
    throw nothing("the transfers are one and the same, or not in the order of their ids");
  }
  const proved = type === DOUBLE_SPEND ? sameOutpoint : sameStep;
  if (!proved(first.record, second.record)) {
    throw nothing("the transfers do not contradict each other");
  }
  const amountTiyn = type === DOUBLE_SPEND ? Math.min(...pair.map(({ record: one }) => totalTiyn(one))) : 0;
  return { type, kid: hex(record.kid), deviceId: hex(record.deviceId), amountTiyn };
}

/** @param {any} transfer A record. @returns {number} */
function totalTiyn({ outputs }) {
  return outputs.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.amountTiyn, 0);
}
