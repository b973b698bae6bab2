// @ts-check
/** Paying by phone number: claim one's own, look up another's. As `cbdc/aliases.py`. */

import { TengeError, ascii, encode, hex, holderProof, join, randomBytes, sha256 } from "./core.js";

const LOOKUP = "/v1/aliases/lookups";

/**
 * A phone number in its one form, +77010000000; E_ALIAS_NUMBER. A leading 8 is how Kazakhstan dials +7.
 * @param {string} text
 */
export function normalNumber(text) {
  const found = text
    .replace(/[\s()-]/g, "")
    .replace(/^8(?=7\d{9}$)/, "+7")
    .replace(/^7(?=7\d{9}$)/, "+7");
  if (text.length > 40 || !/^\+[1-9][0-9]{7,14}$/.test(found)) {
    throw new TengeError("E_ALIAS_NUMBER");
  }
  return found;
}

/** @param {string} number */
const digest = (number) => hex(sha256(join(ascii("kzt-dt/alias/v1\0"), ascii(number)))).slice(0, 32);

/** @param {import("./online.js").OnlineWallet} wallet @param {string} purpose @param {number} time */
function word(wallet, purpose, time) {
  return holderProof(purpose, time, wallet.network, wallet.api.signer);
}

/** Be found under a number. @param {import("./online.js").OnlineWallet} wallet @param {string} text */
export async function claimNumber(wallet, text) {
  const number = normalNumber(text);
  const proof = await word(wallet, `alias claim ${digest(number)}`, wallet.now());
  await wallet.api.post("/v1/aliases/claims", encode([number, proof]));
  await wallet.set({ phone: number });
}

/** Be found under it no more. @param {import("./online.js").OnlineWallet} wallet */
export async function removeNumber(wallet) {
  const number = wallet.settings.phone;
  const proof = await word(wallet, `alias remove ${digest(number)}`, wallet.now());
  await wallet.api.post("/v1/aliases/removals", encode([number, proof]));
  await wallet.set({ phone: "" });
}

/**
 * The key id behind a number.
 * @param {import("./online.js").OnlineWallet} wallet @param {string} text
 * @returns {Promise<string>}
 */
export async function lookUp(wallet, text) {
  const number = normalNumber(text);
  const proof = await word(wallet, `POST ${LOOKUP}`, Math.floor(Date.now() / 1000));
  return (await wallet.api.post(LOOKUP, encode([randomBytes(32), number, proof]))).kid;
}
