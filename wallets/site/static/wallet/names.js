// @ts-check
/** What keys and banks are called: by the person's contacts, by the bank, by their own beginning. */

import { lookUp } from "./aliases.js";
import { short } from "./format.js";
import { language, t } from "./text.js";

/** @param {any} app @param {string} kid @returns {Promise<string>} */
export async function nameOf(app, kid) {
  const { member, settings } = app.wallet;
  if (kid === member?.inventoryKid) {
    return bankName(app.wallet);
  }
  if (kid === settings.escrow || kid === settings.device) {
    return t("This device");
  }
  const contact = (await app.store.all("contacts")).find(
    (/** @type {any} */ one) => one.kid === kid || one.deviceKid === kid,
  );
  return contact?.name ?? (kid ? short(kid) : "");
}

/**
 * The key behind what a person writes: a contact's name, a phone number, or a key. E_ALIAS_NUMBER, E_ALIAS_UNKNOWN.
 * @param {any} app @param {string} text
 * @returns {Promise<string>}
 */
export async function keyOf(app, text) {
  const wanted = text.trim();
  if (/^[0-9a-f]{64}$/i.test(wanted)) {
    return wanted.toLowerCase();
  }
  const contact = (await app.store.all("contacts")).find(
    (/** @type {any} */ one) => one.name.toLocaleLowerCase() === wanted.toLocaleLowerCase(),
  );
  return contact?.kid || lookUp(app.wallet, contact?.alias || wanted);
}

/** The bank as people call it, in the language of the page. @param {import("./online.js").OnlineWallet} wallet */
export function bankName({ member }) {
  return titleIn(member.bankTitles, member.bankName);
}

/** @param {any} titles By language. @param {string} otherwise */
export const titleIn = (titles, otherwise) => titles?.[language()] ?? titles?.en ?? otherwise;

/**
 * Learn once what the own bank is called in every language, for a day without a network.
 * @param {import("./online.js").OnlineWallet} wallet
 */
export async function learnBankName(wallet) {
  if (!wallet.member.bankTitles) {
    const { banks } = await wallet.api.get("/v1/bank-titles");
    const own = banks.find((/** @type {any} */ bank) => bank.bank_id === wallet.member.bankId);
    wallet.member = { ...wallet.member, bankTitles: own?.titles ?? {} };
    await wallet.store.write([["meta", "member", wallet.member]]);
  }
}

/** Marks by id: label and words. @param {any} app @returns {Promise<Map<string, any>>} */
export async function marksOf(app) {
  const rows = await app.store.all("marks");
  return new Map(rows.map((/** @type {any} */ mark) => [mark.mark, mark]));
}
