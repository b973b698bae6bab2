// @ts-check
/**
 * Where a device in a browser keeps what it knows: one IndexedDB database, changed by one transaction a step.
 *
 *   element   "state"        the element's whole state, one value (`state.js`)
 *             "step"         the number of the last step
 *             "key"          the key: a CryptoKey that cannot be taken out, and its public half
 *   rows      [kind, key]    what the host keeps beside it (`rows.js`)
 *
 * Rules kept here:
 *
 * - a step is one transaction with durability "strict" over both stores, so a page that is closed anywhere leaves the
 *   state before or the state after, of the element and of the host together;
 * - steps exclude each other by a Web Lock, across tabs and workers; inside the transaction the number of the step is
 *   compared once more, so a browser without locks refuses instead of writing over a newer state;
 * - every step reads the newest state; what was read is remembered only as long as its number is still the newest;
 * - a full disk refuses with E_HOST_STORE, and the transaction is gone as a whole.
 *
 * Source: DTO/1, sections 5.7 (I2, I9) and 5.8.
 */

import { TengeError } from "./wire.js";

const FORMAT = 1;
const ELEMENT = "element";
const ROWS = "rows";
const PREFIX = "tenge-device-";

/**
 * What one step read: the element's state (null in a new store), the key, and the rows by kind.
 * @typedef {object} Snapshot
 * @property {number} step The number of the last step; 0 in a new store.
 * @property {any} state
 * @property {any} key
 * @property {Map<string, Map<string, any>>} rows
 */

/**
 * What one step writes. `rows` holds [kind, key, value]; a value of undefined takes the row out.
 * @typedef {object} Changes
 * @property {any} state The state after, or the state before when only rows change.
 * @property {any} [key] Given once, when the key is made.
 * @property {[string, string, any][]} rows
 */

/**
 * Give the answer of one request inside a transaction to a function.
 * @typedef {(asked: IDBRequest, then: (result: any) => void) => void} Ask
 */

/** The name of the database (and of the lock) of the device called `name`. @param {string} name */
export function databaseName(name) {
  return PREFIX + name;
}

/** One device's store. Open it with `openStore`. */
export class DeviceStore {
  #database;
  /** @type {Snapshot | null} */
  #known = null;
  #channel;

  /**
   * @param {string} name
   * @param {IDBDatabase} database
   */
  constructor(name, database) {
    this.name = name;
    this.#database = database;
    this.#channel = new BroadcastChannel(databaseName(name));
    database.onversionchange = () => this.close();
  }

  /**
   * Run `work` while no other tab, worker or call on this device runs one.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  exclusively(work) {
    if (!navigator.locks) {
      return work();
    }
    return navigator.locks.request(databaseName(this.name), () => work());
  }

  /** The newest snapshot; E_HOST_STORE when the store does not answer. @returns {Promise<Snapshot>} */
  async read() {
    const known = this.#known;
    return this.#transact("readonly", (transaction, ask, done) => {
      ask(transaction.objectStore(ELEMENT).get("step"), (step = 0) => {
        if (known && step === known.step) {
          done(known);
        } else {
          this.#readAll(transaction, ask, step, done);
        }
      });
    });
  }

  /**
   * @param {IDBTransaction} transaction
   * @param {Ask} ask
   * @param {number} step
   * @param {(snapshot: Snapshot) => void} done
   */
  #readAll(transaction, ask, step, done) {
    const element = transaction.objectStore(ELEMENT);
    const rowStore = transaction.objectStore(ROWS);
    ask(element.get("state"), (state = null) =>
      ask(element.get("key"), (key = null) =>
        ask(rowStore.getAllKeys(), (names) =>
          ask(rowStore.getAll(), (values) => {
            const rows = new Map();
            for (const [place, [kind, name]] of names.entries()) {
              kindOf(rows, kind).set(name, values[place]);
            }
            this.#known = { step, state, key, rows };
            done(this.#known);
          }),
        ),
      ),
    );
  }

  /**
   * Write one step, all or nothing, and give the snapshot after it. It is on the disk when this returns.
   *
   * `writing` is called when everything has been handed to the database and nothing is certain yet. Raises
   * E_HOST_STORE when the store is full or does not answer, and when another step came between; then nothing has
   * changed.
   * @param {Snapshot} before
   * @param {Changes} changes
   * @param {() => void} [writing]
   * @returns {Promise<Snapshot>}
   */
  async commit(before, changes, writing = () => undefined) {
    const after = { step: before.step + 1, state: changes.state };
    await this.#transact("readwrite", (transaction, ask, done) => {
      const element = transaction.objectStore(ELEMENT);
      ask(element.get("step"), (step = 0) => {
        if (step !== before.step) {
          throw new TengeError("E_HOST_STORE", {
            store: this.name,
            detail: "another window wrote in between",
          });
        }
        element.put(after.step, "step");
        if (after.state !== before.state) {
          element.put(after.state, "state");
        }
        if (changes.key) {
          element.put(changes.key, "key");
        }
        const rows = transaction.objectStore(ROWS);
        for (const [kind, name, value] of changes.rows) {
          if (value === undefined) {
            rows.delete([kind, name]);
          } else {
            rows.put(value, [kind, name]);
          }
        }
        writing();
        done(undefined);
      });
    });
    this.#known = follow(before, after, changes);
    this.#channel.postMessage(after.step);
    return this.#known;
  }

  /**
   * Run one transaction; `body` calls `done` with the answer, which is given when the transaction is complete. What a
   * handler of `ask` throws aborts the transaction and is thrown on.
   * @param {IDBTransactionMode} mode
   * @param {(transaction: IDBTransaction, ask: Ask, done: (answer: any) => void) => void} body
   * @returns {Promise<any>}
   */
  #transact(mode, body) {
    return new Promise((resolve, reject) => {
      /** @type {any} */
      let answer;
      /** @type {any} */
      let thrown = null;
      try {
        const transaction = this.#database.transaction([ELEMENT, ROWS], mode, { durability: "strict" });
        transaction.oncomplete = () => resolve(answer);
        transaction.onabort = () =>
          reject(
            thrown && !(thrown instanceof DOMException)
              ? thrown
              : this.#unavailable(thrown ?? transaction.error),
          );
        /** @type {Ask} */
        const ask = (asked, then) => {
          asked.onsuccess = () => {
            try {
              then(asked.result);
            } catch (error) {
              thrown = error;
              transaction.abort();
            }
          };
        };
        body(transaction, ask, (given) => (answer = given));
      } catch (error) {
        reject(this.#unavailable(error));
      }
    });
  }

  /** @param {any} error */
  #unavailable(error) {
    return new TengeError("E_HOST_STORE", { store: this.name, detail: error?.name ?? "it does not answer" });
  }

  /**
   * Call `listener` whenever another tab has changed this device; gives back how to stop.
   * @param {() => void} listener
   * @returns {() => void}
   */
  onChange(listener) {
    const heard = () => listener();
    this.#channel.addEventListener("message", heard);
    return () => this.#channel.removeEventListener("message", heard);
  }

  /** Let go of the database. */
  close() {
    this.#channel.close();
    this.#database.close();
  }
}

/**
 * Open the store of the device called `name`, or make an empty one; E_HOST_STORE when the browser refuses.
 * @param {string} name
 * @returns {Promise<DeviceStore>}
 */
export function openStore(name) {
  return new Promise((resolve, reject) => {
    /** @param {any} error */
    const refused = (error) =>
      reject(new TengeError("E_HOST_STORE", { store: name, detail: error?.name ?? "it does not open" }));
    try {
      const opening = indexedDB.open(databaseName(name), FORMAT);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore(ELEMENT);
        opening.result.createObjectStore(ROWS);
      };
      opening.onsuccess = () => resolve(new DeviceStore(name, opening.result));
      opening.onerror = () => refused(opening.error);
      opening.onblocked = () => refused({ name: "another window holds an older form" });
    } catch (error) {
      refused(error);
    }
  });
}

/**
 * @param {Snapshot} before
 * @param {{ step: number, state: any }} after
 * @param {Changes} changes
 * @returns {Snapshot}
 */
function follow(before, after, changes) {
  const rows = new Map(before.rows);
  const fresh = new Set();
  for (const [kind, name, value] of changes.rows) {
    if (!fresh.has(kind)) {
      rows.set(kind, new Map(rows.get(kind) ?? []));
      fresh.add(kind);
    }
    if (value === undefined) {
      kindOf(rows, kind).delete(name);
    } else {
      kindOf(rows, kind).set(name, value);
    }
  }
  return { ...after, key: changes.key ?? before.key, rows };
}

/**
 * @param {Map<string, Map<string, any>>} rows
 * @param {string} kind
 * @returns {Map<string, any>}
 */
function kindOf(rows, kind) {
  let found = rows.get(kind);
  if (!found) {
    found = new Map();
    rows.set(kind, found);
  }
  return found;
}
