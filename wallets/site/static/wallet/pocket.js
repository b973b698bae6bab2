// @ts-check
/**
 * The offline half as the screens use it: the device of this profile, its papers, loads, syncs and the way home. What
 * a device may and may not is judged by `../device`; this module only brings it together with the institutions.
 */

import { TengeError, encode, enrolmentId, hex, holderProof, randomBytes, sameBytes, unhex } from "./core.js";

const SHARES = Object.freeze([5, 3, 2]);

/** The code of the device, loaded after the first paint. */
export function loadDevice() {
  return import("../device/device.js");
}

/** The offline half over the online one. */
export class Pocket {
  /** @type {Promise<import("../device/device.js").Device> | null} */
  #opening = null;

  /** @param {import("./online.js").OnlineWallet} wallet */
  constructor(wallet) {
    this.wallet = wallet;
  }

  /** The device, opened when it is first wanted. E_HOST_STORE. */
  async device() {
    this.#opening ??= loadDevice()
      .then(({ openDevice }) => openDevice(this.wallet.store.profile, { now: () => this.wallet.now() }))
      .catch((error) => {
        this.#opening = null;
        throw error;
      });
    return this.#opening;
  }

  /** Whether this browser has a device with papers. */
  get ready() {
    return Boolean(this.wallet.settings.device);
  }

  /** What the device is and holds. */
  async status() {
    return (await this.device()).status();
  }

  /**
   * Make this browser a device of the wallet's owner: papers, certificate, TRUST. Harmless again.
   *
   * Raises E_DEVICE_WORD, E_BANK_UNKNOWN and what the device's checks raise.
   */
  async enable() {
    const { api, member, network } = this.wallet;
    const device = await this.device();
    if ((await device.status()).state === "new") {
      const papers = await api.get("/v1/offline/papers");
      if (!sameBytes(unhex(papers.root), this.wallet.root)) {
        throw new TengeError("E_PEER_ANSWER", { answer: "papers" });
      }
      const name = device.kid.slice(0, 16);
      const { challenge } = await api.post("/v1/offline/challenges", encode([member.bankId, name]));
      const enrol = await device.enrolment(network, member.bankId, unhex(challenge));
      const purpose = `enrol device ${enrolmentId(enrol, network)}`;
      const word = await holderProof(purpose, this.wallet.now(), network, api.signer);
      const { certificate } = await api.post("/v1/offline/devices", encode([enrol, word]));
      const { lists } = await api.get("/v1/offline/lists/0");
      await device.adopt({
        root: unhex(papers.root),
        auths: papers.certificates.map(unhex),
        trust: lists.map(unhex),
        certificate: unhex(certificate),
      });
      await this.wallet.set({ device: hex(device.kid), escrow: papers.escrow_kid });
    } else if (!this.ready) {
      const papers = await api.get("/v1/offline/papers");
      await this.wallet.set({ device: hex(device.kid), escrow: papers.escrow_kid });
    }
  }

  /**
   * Take money along: lock tokens at the ledger, fetch the notes, put them into the device. The wish is kept until it
   * is done, so a cut anywhere is taken up again by `finishLoad`.
   * @param {number} amountTiyn @param {string} [mark]
   */
  async takeAlong(amountTiyn, mark = "") {
    await this.enable();
    const device = await this.device();
    const amountsTiyn = notesOf(amountTiyn);
    const { loadNumber } = await device.beforeLoad(amountsTiyn);
    const wish = { id: hex(randomBytes(32)), amountsTiyn, mark, loadNumber };
    await this.wallet.store.write([
      ["flows", "load", { key: "load", kind: "load", wish, time: this.wallet.now() }],
    ]);
    await this.finishLoad();
  }

  /** Complete a load that was begun; nothing to do where there is none. */
  async finishLoad() {
    const { store, settings } = this.wallet;
    const flow = await store.get("flows", "load");
    if (!flow) {
      return;
    }
    const device = await this.device();
    try {
      await this.wallet.load({ ...flow.wish, device: device.kid, escrow: unhex(settings.escrow) });
    } catch (error) {
      if (/** @type {any} */ (error).family === "refused" || /** @type {any} */ (error).code === "E_FUNDS") {
        await store.write([["flows", "load", undefined]]);
      }
      throw error;
    }
    await this.fetchNotes();
    await store.write([["flows", "load", undefined]]);
  }

  /** Take in every note that the ledger made for this device and that it has not. */
  async fetchNotes() {
    const device = await this.device();
    const { loadNumber } = await device.status();
    const path = `/v1/offline/devices/${hex(device.kid)}/notes/${loadNumber}`;
    for (const note of (await this.wallet.api.get(path, true)).notes) {
      await device.loadNote(unhex(note));
    }
  }

  /** Hand in what the device has seen, and be answered. */
  async sync() {
    const { api } = this.wallet;
    const device = await this.device();
    return device.sync(async (batch, { last, trustSequence }) => {
      if (!last) {
        await api.post("/v1/offline/batches", batch);
        return undefined;
      }
      const answer = await api.post("/v1/offline/syncs", batch);
      const { lists } = await api.get(`/v1/offline/lists/${trustSequence}`);
      return { ack: unhex(answer.sync), trust: lists.map(unhex) };
    });
  }

  /**
   * Send money of the device home, all of it or an amount, and sync so that it counts.
   * @param {number} [amountTiyn]
   */
  async sendHome(amountTiyn) {
    const { api, network, store } = this.wallet;
    const device = await this.device();
    const flow = (await store.get("flows", "home")) ?? {
      key: "home",
      kind: "home",
      id: hex(randomBytes(16)),
      amountTiyn,
    };
    await store.write([["flows", "home", flow]]);
    const id = unhex(flow.id);
    const purpose = `redeem ${hex(device.kid).slice(0, 32)} ${flow.id}`;
    const word = await holderProof(purpose, this.wallet.now(), network, api.signer);
    const { order } = await api.post("/v1/offline/orders", encode([id, device.kid, word]));
    const done = await device.redeem(unhex(order), flow.amountTiyn ? { amountTiyn: flow.amountTiyn } : {});
    await this.sync();
    await store.write([["flows", "home", undefined]]);
    return done;
  }

  /** Evidence against a device that the institutions hold. @param {string} kid @returns {Promise<Uint8Array[]>} */
  async evidenceAgainst(kid) {
    return (await this.wallet.api.get(`/v1/offline/evidence/${kid}`)).files.map(unhex);
  }
}

/** An amount in up to three notes, so that small payments need no long chain of change. @param {number} amountTiyn */
export function notesOf(amountTiyn) {
  if (amountTiyn < 100_000) {
    return [amountTiyn];
  }
  const parts = SHARES.map((share) => Math.floor((amountTiyn * share) / 1000) * 100);
  parts[0] += amountTiyn - parts.reduce((sum, part) => sum + part, 0);
  return parts;
}
