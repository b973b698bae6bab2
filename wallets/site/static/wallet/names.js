// @ts-check
/** What keys are called: by the person's contacts, by the bank, by their own beginning. */

import { short } from "./format.js";
import { t } from "./text.js";

/** @param {any} app @param {string} kid @returns {Promise<string>} */
export async function nameOf(app, kid) {
  const { member, settings } = app.wallet;
  if (kid === member?.inventoryKid) {
    return member.bankName;
  }
  if (kid === settings.escrow || kid === settings.device) {
    return t("This device");
  }
  const contact = (await app.store.all("contacts")).find(
    (/** @type {any} */ one) => one.kid === kid || one.deviceKid === kid,
  );
  return contact?.name ?? (kid ? short(kid) : "");
}

/** Marks by id: label and words. @param {any} app @returns {Promise<Map<string, any>>} */
export async function marksOf(app) {
  const rows = await app.store.all("marks");
  return new Map(rows.map((/** @type {any} */ mark) => [mark.mark, mark]));
}
