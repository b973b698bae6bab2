// @ts-check
/**
 * Where the online half keeps what it knows: one IndexedDB database for each profile, changed all or nothing.
 *
 *   meta      key -> value: the signing key (a CryptoKey that cannot be taken out), the bank, the network, settings
 *   tokens    "txid:output" -> a token: amount, mark, "unspent" or held by an intent
 *   intents   id -> what was asked of the institutions, saved before it is sent
 *   history   transaction id -> what happened
 *   contacts  id -> whom the person knows        marks  mark -> its definition in words
 *   flows     id -> an exchange by QR codes that is not over
 */

import { TengeError } from "./core.js";

const FORMAT = 1;
const PREFIX = "tenge-wallet-";
export const STORES = Object.freeze(["meta", "tokens", "intents", "history", "contacts", "marks", "flows"]);

/** @typedef {[store: string, key: string, value: any]} Change `undefined` takes the row out. */

/** @param {unknown} error */
function failed(error) {
  const detail = error instanceof Error || error instanceof DOMException ? error.name : String(error);
  return new TengeError("E_HOST_STORE", { path: "IndexedDB", detail });
}

/** Open the store of a profile; E_HOST_STORE. @param {string} profile @returns {Promise<WalletStore>} */
export function openStore(profile) {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(PREFIX + profile, FORMAT);
    asked.onupgradeneeded = () => STORES.forEach((name) => asked.result.createObjectStore(name));
    asked.onsuccess = () => resolve(new WalletStore(profile, asked.result));
    asked.onerror = () => reject(failed(asked.error));
    asked.onblocked = () => reject(failed("blocked"));
  });
}

/** The store of one profile. */
export class WalletStore {
  #database;
  #channel;

  /** @param {string} profile @param {IDBDatabase} database */
  constructor(profile, database) {
    this.profile = profile;
    this.#database = database;
    this.#channel = new BroadcastChannel(PREFIX + profile);
    database.onversionchange = () => database.close();
  }

  /** Call `listener` when another tab has changed the store. @param {() => void} listener */
  onChange(listener) {
    this.#channel.onmessage = () => listener();
  }

  /**
   * Run `work` while no other tab of this profile runs any.
   * @template T @param {() => Promise<T>} work @returns {Promise<T>}
   */
  exclusively(work) {
    return navigator.locks ? navigator.locks.request(PREFIX + this.profile, () => work()) : work();
  }

  /** One value, or undefined. @param {string} store @param {string} key @returns {Promise<any>} */
  get(store, key) {
    return this.#ask("readonly", [store], (transaction) => transaction.objectStore(store).get(key));
  }

  /** Every value of a store. @param {string} store @returns {Promise<any[]>} */
  all(store) {
    return this.#ask("readonly", [store], (transaction) => transaction.objectStore(store).getAll());
  }

  /** All changes or none; on the disk when it returns. E_HOST_STORE. @param {Change[]} changes */
  async write(changes) {
    await this.#ask("readwrite", [...new Set(changes.map(([store]) => store))], (transaction) => {
      for (const [store, key, value] of changes) {
        if (value === undefined) {
          transaction.objectStore(store).delete(key);
        } else {
          transaction.objectStore(store).put(value, key);
        }
      }
    });
    this.#channel.postMessage("changed");
  }

  /**
   * @param {IDBTransactionMode} mode @param {string[]} stores
   * @param {(transaction: IDBTransaction) => IDBRequest | void} work
   * @returns {Promise<any>}
   */
  #ask(mode, stores, work) {
    return new Promise((resolve, reject) => {
      try {
        const transaction = this.#database.transaction(stores, mode, { durability: "strict" });
        const asked = work(transaction);
        transaction.oncomplete = () => resolve(asked?.result);
        transaction.onabort = () => reject(failed(transaction.error ?? "aborted"));
        transaction.onerror = () => reject(failed(transaction.error ?? "error"));
      } catch (error) {
        reject(failed(error));
      }
    });
  }
}
