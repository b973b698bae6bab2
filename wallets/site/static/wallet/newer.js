// @ts-check
/**
 * When a word was said of which the newer counts. The bank compares whole seconds of real time and refuses one that is
 * not after the last, so a person who changes their mind within a second says the second word of the next.
 */

/** @typedef {import("./store.js").WalletStore} WalletStore */

const AHEAD_SECONDS = 60; // A clock that was set back is not waited for longer than this; the bank allows five minutes.

/** Real time, in whole seconds. @returns {number} */
export function realSecond() {
  return Math.floor(Date.now() / 1000);
}

/**
 * A second after every earlier one about the same thing, and kept before it is said; E_HOST_STORE.
 * @param {WalletStore} store @param {string} about @returns {Promise<number>}
 */
export async function newerSecond(store, about) {
  const now = realSecond();
  const last = Math.min((await store.get("meta", about)) ?? 0, now + AHEAD_SECONDS);
  const second = Math.max(now, last + 1);
  await store.write([["meta", about, second]]);
  return second;
}
