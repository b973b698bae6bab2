// @ts-check
/**
 * The exchange between two devices as state machines without I/O: messages in, messages out, safe to cut anywhere.
 *
 * A session decides what to say next; it holds no value and nothing that may be lost. Any message may be dropped,
 * repeated, delayed or brought by somebody else, and either side may be closed and start a new session with the same
 * id. A message of another exchange, or one that comes at the wrong time, is refused with E_SESSION and changes
 * nothing.
 *
 * Between REQUEST (or DRAFT) and the payment stands a person: `PayerSession.confirm` is called only after the payer
 * has seen who asks, and for how much. As `offline/link` and its sessions in Python.
 *
 * Source: DTO/1, sections 5.5, 5.8 and 5.12 (gossip).
 */

import {
  TengeError,
  bytesOfDraft,
  bytesOfHello,
  bytesOfOfferMessage,
  bytesOfRequest,
  hashOfOffer,
  hex,
  openMessage,
} from "./wire.js";

const SESSION_BYTES = 16;

/**
 * @typedef {import("./device.js").Device} Device
 * @typedef {"start" | "asked" | "offered" | "drafted" | "confirm" | "paid" | "done"} SessionState
 */

/** @param {string} problem */
function outOfPlace(problem) {
  return new TengeError("E_SESSION", { problem });
}

/** The side that asks. `start` gives the first message, `receive` answers; `receipt` is set when it is paid. */
export class PayeeSession {
  /** @type {SessionState} */
  state = "start";
  /** @type {Uint8Array | null} */
  receipt = null;
  /** @type {{ offer: Uint8Array, bundle: any } | null} */
  #considered = null;
  /** @type {{ id: string, request: Uint8Array, invoice: Uint8Array } | null} */
  #asked = null;

  /**
   * `id` is 16 bytes, chosen once for this request and kept by the caller: the same id asks for the same payment
   * again. `near` chooses flow I (both ways, NFC or BLE) instead of flow Q (QR).
   * @param {Device} device
   * @param {Uint8Array} id
   * @param {{ amountTiyn: number, purpose?: number, near?: boolean, words?: string }} wanted
   */
  constructor(device, id, { amountTiyn, purpose = 0, near = false, words = "" }) {
    if (id.length !== SESSION_BYTES) {
      throw new TengeError("E_FIELD", { field: "session", problem: "not 16 bytes long" });
    }
    this.device = device;
    this.id = id;
    this.amountTiyn = amountTiyn;
    this.purpose = purpose;
    this.near = near;
    this.words = words;
  }

  /** REQUEST or HELLO, the same as often as it is asked. @returns {Promise<Uint8Array>} */
  async start() {
    this.state = this.state === "start" ? "asked" : this.state;
    if (this.near) {
      const limits = await this.device.takingLimits();
      return bytesOfHello({
        session: this.id,
        amountTiyn: this.amountTiyn,
        purpose: this.purpose,
        ...limits,
      });
    }
    const { purpose, words } = this;
    this.#asked = await this.device.invoice(this.id, this.amountTiyn, { purpose, words });
    return this.#asked.request;
  }

  /**
   * The answer to one message: DRAFT to an OFFER, RECEIPT to a BUNDLE or COMMIT.
   * @param {Uint8Array} data
   * @returns {Promise<Uint8Array>}
   */
  async receive(data) {
    const message = await openMessage(data, await this.device.network());
    if (message.type === "OFFER") {
      return this.#consider(message);
    }
    if (message.type === "BUNDLE") {
      return this.#paid(await this.device.receive(data));
    }
    if (message.type === "COMMIT") {
      const id = this.#asked?.id;
      if (!id || message.transfers.some((/** @type {any} */ one) => hex(one.record.reference) !== id)) {
        throw outOfPlace("the transfers answer another request");
      }
      if (!this.#considered) {
        throw outOfPlace("its offer was forgotten; the whole payment is needed");
      }
      return this.#paid(await this.device.receive(data, this.#considered));
    }
    throw outOfPlace("a payee does not expect this message");
  }

  /** @param {any} message */
  async #consider(message) {
    if (hex(message.session) !== hex(this.id) || !this.near) {
      throw outOfPlace("the offer is for another exchange");
    }
    await adopt(this.device, message);
    const { amountTiyn, purpose, words } = this;
    this.#considered = await this.device.consider(message.offer, { amountTiyn, purpose });
    const offer = await hashOfOffer(message.offer);
    this.#asked = await this.device.invoice(this.id, amountTiyn, { purpose, offer, near: true, words });
    this.state = this.state === "done" ? "done" : "drafted";
    const chain = await this.device.trustNewerThan(message.trustSequence);
    return bytesOfDraft({ session: this.id, invoice: this.#asked.invoice, chain });
  }

  /** @param {{ receipt: Uint8Array }} taken */
  #paid({ receipt }) {
    this.state = "done";
    this.receipt = receipt;
    return receipt;
  }
}

/**
 * The side that pays. While `state` is "confirm", `asked` says what is being agreed to.
 */
export class PayerSession {
  /** @type {SessionState} */
  state = "start";
  /** What the person agrees to: the answer of `Device.readRequest`. @type {any} */
  asked = null;
  /** @type {any} */
  #hello = null;
  /** @type {Uint8Array | null} */
  #offer = null;
  /** @type {Uint8Array | null} */
  #request = null;

  /** @param {Device} device */
  constructor(device) {
    this.device = device;
  }

  /**
   * The answer to one message: OFFER to a HELLO; null where the person is asked, or to a RECEIPT.
   * @param {Uint8Array} data
   * @returns {Promise<Uint8Array | null>}
   */
  async receive(data) {
    const message = await openMessage(data, await this.device.network());
    if (message.type === "HELLO") {
      return this.#answer(message);
    }
    if (message.type === "REQUEST") {
      await this.#expect(data);
      return null;
    }
    if (message.type === "DRAFT") {
      await this.#drafted(message);
      return null;
    }
    if (message.type === "RECEIPT") {
      if (this.asked && hex(message.receipt.record.invoice) !== this.asked.id) {
        throw outOfPlace("the receipt is for another request");
      }
      await this.device.keepReceipt(data);
      this.state = "done";
      return null;
    }
    throw outOfPlace("a payer does not expect this message");
  }

  /**
   * Pay: the BUNDLE (flow Q) or COMMIT (flow I) to send, again and again if need be.
   * @param {string} [words]
   * @returns {Promise<Uint8Array>}
   */
  async confirm(words = "") {
    if (!["confirm", "paid", "done"].includes(this.state) || !this.#request) {
      throw outOfPlace("there is nothing to confirm");
    }
    const offer = this.#offer ?? undefined;
    const { payment, commit } = await this.device.pay(this.#request, { offer, words });
    this.state = this.state === "confirm" ? "paid" : this.state;
    return this.#offer ? commit : payment;
  }

  /** @param {any} hello */
  async #answer(hello) {
    const known = this.#hello;
    if (known && hex(hello.session) !== hex(known.session)) {
      throw outOfPlace("this exchange is with another payee");
    }
    if (!known && this.state !== "start") {
      throw outOfPlace("this exchange has begun with a request");
    }
    if (!known) {
      // The history of money is not shown to a stranger.
      await this.device.checkPayee(hello.payee);
      this.#offer = await this.device.offer(hello);
      this.#hello = hello;
      this.state = "offered";
    }
    const { trust } = await this.device.status();
    const chain = await this.device.trustNewerThan(hello.trustSequence);
    return bytesOfOfferMessage({
      session: hello.session,
      offer: /** @type {Uint8Array} */ (this.#offer),
      trustSequence: trust.sequence,
      chain,
    });
  }

  /** @param {any} draft */
  async #drafted(draft) {
    const hello = this.#hello;
    if (!hello || hex(draft.session) !== hex(hello.session)) {
      throw outOfPlace("the request is for another exchange");
    }
    const { record } = draft.invoice;
    const bound = await hashOfOffer(/** @type {Uint8Array} */ (this.#offer));
    const fits = hex(record.offer) === hex(bound) && record.amountTiyn === hello.amountTiyn;
    if (!fits || record.purpose !== hello.purpose) {
      throw outOfPlace("the request is not for what was offered");
    }
    await adopt(this.device, draft);
    await this.#expect(bytesOfRequest(draft.invoice, hello.payee));
  }

  /** @param {Uint8Array} request */
  async #expect(request) {
    const asked = await this.device.readRequest(request);
    if (this.asked) {
      if (this.asked.id !== asked.id) {
        throw outOfPlace("another request was received before");
      }
      return;
    }
    if (this.state !== "start" && this.state !== "offered") {
      throw outOfPlace("this exchange is over");
    }
    this.#request = request;
    this.asked = asked;
    this.state = "confirm";
  }
}

/** @param {Device} device @param {{ chain: Uint8Array[], chainSequence: number }} message */
async function adopt(device, { chain, chainSequence }) {
  const { trust } = await device.status();
  if (chain.length && chainSequence > trust.sequence) {
    await device.adoptTrust(chain);
  }
}
