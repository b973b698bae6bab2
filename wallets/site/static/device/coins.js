// @ts-check
/**
 * Which coins the host picks: to pay, so that the payee will take them, and to send home.
 *
 * The element asks whether money may move at all; the host also knows its history. Money with a history that any
 * payee would refuse (a revoked earlier holder, a tainted note, a certificate that is missing here, a redemption on
 * the way) is left for the next sync. As `offline/host_coins.py`.
 *
 * Source: DTO/1, sections 5.5 (coin selection), 5.6 (V3 to V5) and 5.12 (ancestors).
 */

import { MAX_CERTIFICATES, TRANSFER_BYTES, bundleSize, lineBytes, people } from "./lines.js";
import { MAX_REDEEM_PARTS, MAX_TOKENS, chooseCoins, mayMove, spendable, sum } from "./purse.js";
import { hopLimit } from "./rules.js";
import { PARAMETERS, PAY, REDEEM, TengeError, checkStanding, hex } from "./wire.js";

/**
 * Return if a payee who believes what we believe would take this history; no signature is verified.
 *
 * Raises E_ISSUER, E_TAINTED, E_KIND (the change of a redemption), E_CERT_MISSING, E_CA, E_REVOKED or E_TIER_CLOSED.
 * @param {import("./lines.js").Line} line
 * @param {import("./lines.js").Certificates} certificates
 * @param {any} trust
 */
export function checkStands(line, certificates, trust) {
  const note = line.note.record;
  trust.issuer(note.issuerReference, note.issued);
  if (trust.isTainted(note.serial) || trust.isTainted(line.note.oid)) {
    throw new TengeError("E_TAINTED", { serial: hex(note.serial) });
  }
  if (line.transfers.some(({ record }) => record.kind !== PAY)) {
    throw new TengeError("E_KIND", { kind: REDEEM });
  }
  for (const kid of people([line])) {
    const certificate = certificates.get(kid);
    if (!certificate) {
      throw new TengeError("E_CERT_MISSING", { kid });
    }
    trust.bankCa(certificate.record.caReference, certificate.record.notBefore);
    if (trust.parameter(PARAMETERS.rejectRevokedAncestor)) {
      checkStanding(certificate.record, trust, "earlier holder");
    }
  }
}

/**
 * The outpoints that pay `amountTiyn` in a message of at most `maxBytes`, the last of them giving change.
 *
 * Raises E_COINS when the money that may move does not suffice, E_COINS_BYTES when its history is too long.
 * @param {import("./step.js").Step} step
 * @param {{ amountTiyn: number, purpose: number, maxParts: number, maxBytes: number }} wanted
 * @returns {Promise<string[]>}
 */
export async function coinsToPay(step, { amountTiyn, purpose, maxParts, maxBytes }) {
  const { element } = step;
  const certificates = await step.certificates();
  /** @type {Map<string, import("./lines.js").Line>} */
  const lines = new Map();
  const usable = await usableCoins(step, purpose, lines);
  const most = Math.min(maxParts, MAX_TOKENS);
  let covered = false;
  for (const choice of chooseCoins(usable, amountTiyn, most)) {
    covered = true;
    const chosen = choice.map((coin) => /** @type {any} */ (lines.get(coin.outpoint)));
    const kids = new Set([...people(chosen), hex(element.kid)]);
    const size = bundleSize(chosen, certificates, hex(element.kid)) + TRANSFER_BYTES * chosen.length;
    if (kids.size <= MAX_CERTIFICATES && size <= maxBytes) {
      return choice.map((coin) => coin.outpoint);
    }
  }
  if (covered) {
    throw new TengeError("E_COINS_BYTES", { amount_tiyn: amountTiyn, limit_bytes: maxBytes });
  }
  const usableTiyn = sum(usable.map(({ slot }) => slot.amountTiyn));
  const facts = { amount_tiyn: amountTiyn, purpose, parts: most, usable_tiyn: usableTiyn };
  throw new TengeError("E_COINS", facts);
}

/**
 * The coins of a purpose that may pay now, in order of preference; their lines are put into `lines`.
 * @param {import("./step.js").Step} step
 * @param {number} purpose
 * @param {Map<string, import("./lines.js").Line>} [lines]
 */
export async function usableCoins(step, purpose, lines = new Map()) {
  const { element } = step;
  const { trust } = element;
  const certificates = await step.certificates();
  const coins = [];
  for (const [outpoint, slot] of element.state.purse) {
    const row = step.row("line", outpoint);
    if (!row || slot.purpose !== purpose) {
      continue;
    }
    const line = await step.line(outpoint);
    if (stands(line, certificates, trust)) {
      lines.set(outpoint, line);
      coins.push({ outpoint, slot, historyBytes: lineBytes(row) });
    }
  }
  const hops = hopLimit(element.limits, trust.purpose(purpose));
  return spendable(coins, purpose, hops, element.moment, trust.parameter(PARAMETERS.marginSeconds));
}

/** @param {any} line @param {any} certificates @param {any} trust */
function stands(line, certificates, trust) {
  try {
    checkStands(line, certificates, trust);
    return true;
  } catch (error) {
    if (error instanceof TengeError) {
      return false;
    }
    throw error;
  }
}

/**
 * The outpoints to send home and their amount: all money (of one purpose), or enough for `amountTiyn`.
 *
 * What can pay no more goes first, then what expires first. One order takes at most 255 pieces; "all" is then what
 * fits. Raises E_COINS when there is none or too little.
 * @param {import("./element.js").Element} element
 * @param {number | null} amountTiyn
 * @param {number | null} purpose
 * @returns {{ picks: string[], amountTiyn: number }}
 */
export function coinsToRedeem(element, amountTiyn, purpose) {
  const hops = element.limits?.maxHops ?? 0;
  const candidates = [...element.state.purse]
    .filter(([, slot]) => purpose === null || slot.purpose === purpose)
    .sort(
      ([one, a], [other, b]) =>
        Number(mayMove(a, hops)) - Number(mayMove(b, hops)) ||
        a.spendBy - b.spendBy ||
        (one < other ? -1 : 1),
    )
    .slice(0, MAX_REDEEM_PARTS);
  const heldTiyn = sum(candidates.map(([, slot]) => slot.amountTiyn));
  const wantedTiyn = amountTiyn ?? heldTiyn;
  if (wantedTiyn < 1 || wantedTiyn > heldTiyn) {
    throw new TengeError("E_COINS", {
      amount_tiyn: wantedTiyn,
      purpose: purpose ?? 0,
      parts: candidates.length,
      usable_tiyn: heldTiyn,
    });
  }
  const picks = [];
  let missingTiyn = wantedTiyn;
  for (const [outpoint, slot] of candidates) {
    if (missingTiyn <= 0) {
      break;
    }
    picks.push(outpoint);
    missingTiyn -= slot.amountTiyn;
  }
  return { picks, amountTiyn: wantedTiyn };
}
