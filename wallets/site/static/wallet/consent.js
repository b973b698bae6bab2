// @ts-check
/**
 * What a third party wishes to be allowed, as a link or a QR code says it. It is a wish and nothing more: the person
 * sees every part of it, may make it smaller, and signs.
 *
 *     https://.../wallet/#consent=KEY&scopes=balance.pay&payment=50000&day=100000&days=30      amounts in tiyn
 */

import { SCOPES, TengeError } from "./core.js";
import { t } from "./text.js";

/**
 * @typedef {object} Wish
 * @property {string} partner The third party's key id, hexadecimal.
 * @property {string[]} scopes Words of SCOPES.
 * @property {number} paymentTiyn The most for one payment; 0 where it is not said.
 * @property {number} dayTiyn The most for a day; 0 where it is not said.
 * @property {number} days How long; 0 where it is not said.
 */

/** The wish in a link's parameters; E_WALLET_TEXT. @param {URLSearchParams} link @returns {Wish} */
export function readWish(link) {
  const partner = (link.get("consent") ?? "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(partner)) {
    throw new TengeError("E_WALLET_TEXT", { text: partner.slice(0, 16) });
  }
  const whole = (/** @type {string} */ name) => {
    const text = link.get(name) ?? "";
    return /^\d{1,15}$/.test(text) ? Number(text) : 0;
  };
  const asked = (link.get("scopes") ?? "").split(".");
  const scopes = SCOPES.filter((scope) => asked.includes(scope));
  return { partner, scopes, paymentTiyn: whole("payment"), dayTiyn: whole("day"), days: whole("days") };
}

/** What a scope allows, for a person. @param {string} scope */
export function scopeInWords(scope) {
  return (
    {
      balance: t("see how much is in the wallet"),
      history: t("see what was paid and received"),
      lock: t("ask to put money behind a lock, or to open one"),
      mandate: t("collect on my automatic payments"),
      pay: t("ask for a payment to one payee"),
      split: t("ask for one payment to several payees"),
    }[scope] ?? scope
  );
}

/**
 * How a consent or a mandate stands, for a person; "" when it stands.
 * @param {string} problem As the interface says it.
 */
export function standing(problem) {
  return (
    {
      "the holder took it back": t("taken back"),
      "the payer revoked it": t("taken back"),
      "it has not begun": t("not begun yet"),
      "its time is over": t("its time is over"),
    }[problem] ?? problem
  );
}
