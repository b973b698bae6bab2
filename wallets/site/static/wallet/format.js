// @ts-check
/** Money, moments and names as a person reads and types them. Amounts are whole tiyn. */

import { language } from "./text.js";

const DASHES = /[\s\u00a0\u202f']/g;

/** The language for the browser's own formatting. */
const locale = () => ({ kk: "kk-KZ", ru: "ru-KZ", en: "en-GB" })[language()] ?? "en-GB";

/** An amount, "1 234,50 ₸", as every page of the site writes it. @param {number} tiyn @returns {string} */
export function money(tiyn) {
  return `${plainAmount(tiyn)}\u00a0₸`;
}

/** An amount without its sign, "1 234,50". @param {number} tiyn */
export function plainAmount(tiyn) {
  const whole = Math.floor(Math.abs(tiyn) / 100);
  const rest = Math.abs(tiyn) % 100;
  const digits = String(whole).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
  const comma = language() === "en" ? "." : ",";
  return `${tiyn < 0 ? "−" : ""}${digits}${rest ? comma + String(rest).padStart(2, "0") : ""}`;
}

/**
 * What a person typed, in tiyn: "1 000", "1000.50", "12,5". Null when it is no amount above zero.
 * @param {string} text
 * @returns {number | null}
 */
export function readAmount(text) {
  const found = /^(\d{1,13})(?:[.,](\d{1,2}))?$/.exec(text.replace(DASHES, "").replace(/₸$/, ""));
  if (!found) {
    return null;
  }
  const tiyn = Number(found[1]) * 100 + Number((found[2] ?? "").padEnd(2, "0"));
  return tiyn > 0 && Number.isSafeInteger(tiyn) ? tiyn : null;
}

/** A day and a time of Kazakhstan. @param {number} seconds Unix. */
export function moment(seconds) {
  return new Intl.DateTimeFormat(locale(), {
    dateStyle: "medium",
    timeStyle: "short",
    timeZone: "Etc/GMT-5",
  }).format(seconds * 1000);
}

/** A day of Kazakhstan. @param {number} seconds Unix. */
export function day(seconds) {
  return new Intl.DateTimeFormat(locale(), { dateStyle: "long", timeZone: "Etc/GMT-5" }).format(
    seconds * 1000,
  );
}

/** The beginning of a long id, as a person compares it. @param {string} id Hexadecimal. */
export function short(id) {
  return id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
}
