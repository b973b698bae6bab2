// @ts-check
/**
 * How a device takes a step: wait for the turn, read the newest state, judge, write one transaction, then answer.
 *
 * Source: DTO/1, sections 5.7 (I1, I2, I9) and 5.8.
 */

import { lastSeen, localAnchor } from "./anchor.js";
import { Element, Stopped } from "./element.js";
import { makeKey } from "./key.js";
import { PaperCache } from "./papers.js";
import { NEW, checkStep, newState } from "./state.js";
import { Step } from "./step.js";
import { openStore } from "./store.js";
import { TengeError, genesisLink, hex } from "./wire.js";

/**
 * The steps that write. A test may kill the page at each of them: the checkpoint is called with "NAME/before"
 * (nothing is written), "NAME/writing" (handed to the database, not certain) and "NAME/after" (on the disk, nobody
 * was told).
 */
export const WRITE_STEPS = Object.freeze([
  "create",
  "adopt",
  "renew",
  "authority",
  "trust",
  "load",
  "invoice",
  "pay",
  "receive",
  "receipt",
  "redeem",
  "sync begin",
  "sync commit",
  "contact",
  "restore",
]);

/**
 * @typedef {object} DeviceOptions
 * @property {() => number} [now] The host's clock in Unix seconds; the machine's by default.
 * @property {(point: string) => void | Promise<void>} [checkpoint] Called at every write point; for tests.
 * @property {CryptoKeyPair} [keyPair] A key made by the caller, for a new device only; made here, not extractable,
 *   by default.
 * @property {number} [algorithm] 1 Ed25519 or 2 ES256 (the default) of a key made here.
 * @property {import("./anchor.js").Anchor} [anchor] Where the last step is remembered a second time.
 * @property {(bytesCount: number) => Uint8Array} [random] Chance for nonces; the browser's by default.
 */

/**
 * A runner that has its key, for the device called `name`; E_HOST_STORE.
 * @param {string} name @param {DeviceOptions} options
 */
export async function openRunner(name, options) {
  const runner = new Runner(await openStore(name), options);
  await runner.prepare();
  return runner;
}

/** The store of one device, its options, and its papers as they were read last. */
export class Runner {
  #store;
  #options;
  #papers = new PaperCache();

  /** @param {import("./store.js").DeviceStore} store @param {DeviceOptions} options */
  constructor(store, options) {
    this.#store = store;
    this.#options = {
      now: () => Math.floor(Date.now() / 1000),
      checkpoint: () => undefined,
      anchor: localAnchor,
      algorithm: 2,
      random: (/** @type {number} */ count) => crypto.getRandomValues(new Uint8Array(count)),
      ...options,
    };
    /** @type {import("./key.js").DeviceKey} */
    this.key = /** @type {any} */ (null);
  }

  /** The name of the device. */
  get name() {
    return this.#store.name;
  }

  /** The host's clock. */
  now() {
    return this.#options.now();
  }

  /** @param {() => void} listener */
  onChange(listener) {
    return this.#store.onChange(listener);
  }

  /** Let go of the database. */
  close() {
    this.#store.close();
  }

  /** Make the key of a new device, and see whether the database is as new as it should be. */
  async prepare() {
    await this.#store.exclusively(async () => {
      let snapshot = await this.#store.read();
      const mark = this.#options.anchor.read(this.name);
      if (!snapshot.state) {
        const key = await makeKey(this.#options);
        const state = newState(await genesisLink(key.kid));
        const lost = mark ? [["lost", mark.kid, { noticed: this.#options.now() }]] : [];
        snapshot = await this.#write("create", snapshot, { state, key, rows: /** @type {any} */ (lost) });
      } else {
        const seen = lastSeen(mark, hex(snapshot.key.kid));
        if (seen > snapshot.step && !snapshot.state.rolledBack) {
          const state = { ...snapshot.state, rolledBack: seen };
          snapshot = await this.#store.commit(snapshot, { state, rows: [] });
        }
      }
      this.key = snapshot.key;
    });
  }

  // --- the one way to change ---

  /**
   * Look at the newest state; nothing is written.
   * @template T
   * @param {(step: Step) => Promise<T>} work
   * @returns {Promise<T>}
   */
  read(work) {
    return this.#store
      .read()
      .then((snapshot) => this.#open(snapshot))
      .then(work);
  }

  /**
   * Take one step. `unprovisioned` lets it run before the device has its papers.
   * @template T
   * @param {string} name
   * @param {(step: Step) => Promise<T>} work
   * @param {{ unprovisioned?: boolean }} [allowed]
   * @returns {Promise<T>}
   */
  step(name, work, allowed = {}) {
    return this.#store.exclusively(async () => {
      const snapshot = await this.#store.read();
      checkNotRolledBack(snapshot);
      const step = await this.#open(snapshot);
      if (snapshot.state.status === NEW && name !== "adopt" && !allowed.unprovisioned) {
        throw new TengeError("E_ELEMENT_STATE", { status: "not provisioned" });
      }
      let answer;
      try {
        answer = await work(step);
      } catch (error) {
        await this.#writeRefusal(name, snapshot, step, error);
        throw error;
      }
      if (step.changed) {
        checkStep(snapshot.state, step.state, step.element.bounds(step.syncing));
        await this.#write(name, snapshot, { state: step.state, rows: step.changes });
      }
      return answer;
    });
  }

  /** @param {string} name @param {any} snapshot @param {Step} step @param {unknown} error */
  async #writeRefusal(name, snapshot, step, error) {
    if (error instanceof Stopped) {
      await this.#write(name, snapshot, { state: error.state, rows: [] });
    } else if (error instanceof TengeError && step.aside.length) {
      await this.#write(name, snapshot, { state: snapshot.state, rows: step.aside });
    }
  }

  /**
   * @param {string} name
   * @param {import("./store.js").Snapshot} snapshot
   * @param {import("./store.js").Changes} changes
   */
  async #write(name, snapshot, changes) {
    const { checkpoint, anchor } = this.#options;
    await checkpoint(`${name}/before`);
    const after = await this.#store.commit(snapshot, changes, () => void checkpoint(`${name}/writing`));
    anchor.write(this.name, hex(after.key.kid), after.step);
    await checkpoint(`${name}/after`);
    return after;
  }

  /** @param {import("./store.js").Snapshot} snapshot @returns {Promise<Step>} */
  async #open(snapshot) {
    const { trust, certificate } = await this.#papers.of(snapshot.state.papers);
    const { now, random } = this.#options;
    const { key } = snapshot;
    const element = new Element(snapshot.state, {
      key,
      kid: key.kid,
      trust,
      certificate,
      now: now(),
      random,
    });
    return new Step(snapshot, element);
  }
}

/** @param {import("./store.js").Snapshot} snapshot */
function checkNotRolledBack(snapshot) {
  if (snapshot.state.rolledBack) {
    throw new TengeError("E_DEVICE_ROLLBACK", { step: snapshot.step, seen: snapshot.state.rolledBack });
  }
}
