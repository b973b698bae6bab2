// @ts-check
/**
 * The online half of the wallet: a key of its own, tokens at the ledger, payments that survive any interruption.
 *
 *     prepare   choose tokens, build and sign, SAVE the intent with its tokens held
 *     send      hand the saved bytes in, and close the intent with the answer
 *
 * The same bytes are sent until they are answered, so nothing is lost and nothing is paid twice. Receipts are believed
 * only with a head that the ledger's key signed; that key is certified by ROOT, which is remembered from the first
 * visit on.
 */

import { isUnavailable, isVerdict } from "./api.js";
import * as core from "./core.js";
import { TengeError, encode, hex, randomBytes, signMessage, unhex } from "./core.js";
import { checkOffer, newSigner } from "./joining.js";
import { lineOf } from "./journal.js";
import { arrivals, unknownMark } from "./marks.js";

const MOST_PAGES = 50;
const MOST_INPUTS = 250;
const ORDERS = "/v1/partner-orders/";

/** The online half. Make it with a store and an `Api`, then `open` it. */
export class OnlineWallet {
  /** @type {any} */
  #genesis = null;

  /** @param {import("./store.js").WalletStore} store @param {import("./api.js").Api} api */
  constructor(store, api) {
    this.store = store;
    this.api = api;
    /** @type {any} What is known of the membership; null before joining. */
    this.member = null;
    /** @type {any} */
    this.settings = {};
    this.shiftSeconds = 0;
  }

  /** Read what is kept. */
  async open() {
    const [signer, member, settings, genesis] = await Promise.all(
      ["signer", "member", "settings", "genesis"].map((name) => this.store.get("meta", name)),
    );
    this.api.signer = signer ?? null;
    this.member = member ?? null;
    this.settings = settings ?? {};
    if (genesis) {
      await this.#believe(genesis);
    }
  }

  /** @param {Uint8Array} payload */
  async #believe(payload) {
    this.#genesis = await core.openGenesis(payload);
    this.api.network = this.#genesis.network;
  }

  /** The network's id. @returns {Uint8Array} */
  get network() {
    return this.#genesis.network;
  }

  /** ROOT as this wallet first saw it. @returns {Uint8Array} */
  get root() {
    return this.#genesis.root;
  }

  /** The key id in hexadecimal; "" before there is a key. */
  get kid() {
    return this.api.signer ? hex(this.api.signer.kid) : "";
  }

  /** Unix seconds: the machine's clock, or the ledger's where that is ahead. */
  now() {
    return Math.floor(Date.now() / 1000) + this.shiftSeconds;
  }

  /** @param {number} time What the ledger last signed. */
  #hear(time) {
    this.shiftSeconds = Math.max(this.shiftSeconds, time - Math.floor(Date.now() / 1000), 0);
  }

  /** Keep settings. @param {any} changes */
  async set(changes) {
    this.settings = { ...this.settings, ...changes };
    await this.store.write([["meta", "settings", this.settings]]);
  }

  // --- joining ---

  /**
   * Join a bank account with a code: the key is made and saved first, then the same key is shown until it is taken.
   *
   * Raises E_JOIN_CODE, E_JOIN_USED, E_JOIN_EXPIRED, E_BANK_UNKNOWN, and E_PEER_DOWN.
   * @param {string} code @param {number} bankId @param {string} name How the person calls this wallet.
   */
  async join(code, bankId, name) {
    const signer = await this.begin();
    const shown = [code, signer.algorithm, signer.raw];
    const offer = await this.api.post(`/v1/banks/${bankId}/offers`, encode(shown));
    const message = checkOffer(unhex(offer.body), this.network, signer);
    const possession = await signMessage(signer.privateKey, message);
    const receipt = await this.api.post(`/v1/banks/${bankId}/joins`, encode([...shown, possession]));
    await this.become(signer, bankId, name, receipt);
  }

  /** The ledger to believe and this wallet's key: kept before anything is sent. @returns {Promise<any>} The key. */
  async begin() {
    const genesis =
      (await this.store.get("meta", "genesis")) ?? unhex((await this.api.get("/v1/entries/0")).payload);
    await this.#believe(genesis);
    const signer = (await this.store.get("meta", "signer")) ?? (await newSigner());
    await this.store.write([
      ["meta", "signer", signer],
      ["meta", "genesis", genesis],
    ]);
    return signer;
  }

  /** A wallet of this bank from now on. @param {any} signer @param {number} bankId @param {string} name
   *  @param {any} receipt */
  async become(signer, bankId, name, receipt) {
    await this.checkReceipt(receipt);
    const { name: bankName, inventory_kid: inventoryKid } = await this.api.get(`/v1/banks/${bankId}`);
    this.api.signer = signer;
    this.member = { bankId, bankName, inventoryKid, name, since: receipt.index };
    await this.store.write([["meta", "member", this.member]]);
  }

  // --- what is there ---

  /** Tokens by state. @returns {Promise<any[]>} */
  tokens() {
    return this.store.all("tokens");
  }

  /** What can be spent of each mark, and what is on its way. */
  async balances() {
    /** @type {Map<string, { mark: string, freeTiyn: number, heldTiyn: number }>} */
    const found = new Map([["", { mark: "", freeTiyn: 0, heldTiyn: 0 }]]);
    for (const { mark, amountTiyn, heldBy } of await this.tokens()) {
      const row = found.get(mark) ?? { mark, freeTiyn: 0, heldTiyn: 0 };
      row[heldBy ? "heldTiyn" : "freeTiyn"] += amountTiyn;
      found.set(mark, row);
    }
    return [...found.values()];
  }

  /**
   * Ask the ledger: close what is open, then tokens, history, deposit, limits. Raises E_PEER_DOWN and the like; what
   * was learned until then is kept.
   */
  refresh() {
    return this.store.exclusively(async () => {
      await this.#resume();
      await this.#readTokens();
      await this.#readJournal();
      await this.#readAccount();
    });
  }

  async #readTokens() {
    const { tokens } = await this.api.get(`/v1/keys/${this.kid}/tokens`, true);
    const spendable = tokens.filter(
      (/** @type {any} */ one) => one.lock[0] === 1 && one.lock[1] === this.kid,
    );
    const known = new Map((await this.tokens()).map((token) => [token.id, token]));
    /** @type {import("./store.js").Change[]} */
    const changes = [];
    for (const one of spendable) {
      const id = `${one.transaction_id}:${one.output}`;
      if (!known.delete(id)) {
        changes.push(["tokens", id, { id, amountTiyn: one.amount_tiyn, mark: one.mark, heldBy: "" }]);
        changes.push(...(await unknownMark(this, one.mark)));
      }
    }
    changes.push(...[...known.keys()].map((id) => /** @type {any} */ (["tokens", id, undefined])));
    if (changes.length) {
      await this.store.write(changes);
    }
  }

  async #readJournal() {
    const banks = new Set([this.member.inventoryKid]);
    let since = (await this.store.get("meta", "read")) ?? this.member.since;
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const found = await this.api.get(`/v1/keys/${this.kid}/entries/${since}`);
      /** @type {import("./store.js").Change[]} */
      const changes = [["meta", "read", found.next]];
      for (const entry of found.entries) {
        this.#hear(entry.time);
        const line = lineOf(entry, this.kid, this.network, banks);
        if (line) {
          const before = await this.store.get("history", line.id);
          const { words, kind, receipt, direction } = before ?? {};
          const told = before ? { words, kind, receipt, direction } : {};
          changes.push(["history", line.id, { ...line, ...told }]);
        }
      }
      await this.store.write(changes);
      since = found.next;
      if (found.next >= found.size) {
        return;
      }
    }
  }

  async #readAccount() {
    const [deposit, limits] = await Promise.all([
      this.api.get(`/v1/banks/${this.member.bankId}/deposits/${this.kid}`, true),
      this.api.get(`/v1/keys/${this.kid}/limits`, true),
    ]);
    const account = { depositTiyn: deposit.deposit_tiyn, limits, time: this.now() };
    await this.store.write([["meta", "account", account]]);
  }

  // --- intents ---

  /**
   * Pay. `payment.id` is the caller's (hexadecimal): the same id is the same payment. The answer is the line of the
   * history; with no network the intent stays open and E_PEER_DOWN is raised.
   *
   * Raises E_FUNDS, E_FUNDS_SCATTERED, E_REQUEST_PAID and what the ledger refuses.
   * @param {{ id: string, kid: string, amountTiyn: number, mark?: string, words?: string, request?: string }} payment
   */
  async pay({ id, kid, amountTiyn, mark = "", words = "", request = "" }) {
    return this.once(id, "pay", { kid, amountTiyn, mark, words, request }, async () => {
      await this.#requireUnpaid(request, id);
      const parts = await arrivals(this, kid, mark, amountTiyn);
      const outputs = parts.map(([name, tiyn]) => core.outputFor(unhex(kid), tiyn, name));
      return this.transfer(outputs, amountTiyn, mark);
    });
  }

  /** @param {string} request @param {string} id */
  async #requireUnpaid(request, id) {
    const before = request
      ? (await this.store.all("intents")).find((one) => one.about.request === request)
      : null;
    if (before && before.id !== id && before.state !== "refused") {
      throw new TengeError("E_REQUEST_PAID");
    }
  }

  /** Digital tenge for a deposit. @param {{ id: string, amountTiyn: number }} wish */
  topUp({ id, amountTiyn }) {
    const { bankId, inventoryKid } = this.member;
    return this.once(id, "fund", { kid: inventoryKid, amountTiyn, mark: "", words: "" }, async () => {
      const order = { id: unhex(id), bankId, amountTiyn, time: this.now() };
      const body = await core.fundOrder(order, this.network, this.api.signer);
      return { path: `/v1/banks/${bankId}/fund`, body, tokens: [], transaction: "" };
    });
  }

  /** A deposit for digital tenge. @param {{ id: string, amountTiyn: number }} wish */
  cashBack({ id, amountTiyn }) {
    const { bankId, inventoryKid } = this.member;
    return this.once(id, "defund", { kid: inventoryKid, amountTiyn, mark: "", words: "" }, async () => {
      const outputs = [core.outputFor(unhex(inventoryKid), amountTiyn, "")];
      const made = await this.transfer(outputs, amountTiyn, "");
      return { ...made, path: `/v1/banks/${bankId}/defund` };
    });
  }

  /**
   * Lock tokens for the offline device: one note an amount.
   * @param {{ id: string, amountsTiyn: number[], mark: string, device: Uint8Array, loadNumber: number,
   *   escrow: Uint8Array }} wish
   */
  load({ id, amountsTiyn, mark, device, loadNumber, escrow }) {
    const amountTiyn = amountsTiyn.reduce((sum, one) => sum + one, 0);
    return this.once(id, "load", { kid: hex(escrow), amountTiyn, mark, words: "" }, async () => {
      const outputs = amountsTiyn.map((one) => core.outputFor(escrow, one, mark));
      const { chosen, record } = await this.#chosen(outputs, amountTiyn, mark);
      return this.signed(core.LOAD_OFFLINE, { ...record, device, loadNumber }, chosen);
    });
  }

  /**
   * Hand in what an order of a third party asks for: just these outputs, or the one body that opens a lock. The answer
   * is the line of the history; null while signatures of others are missing. Raises as `pay`.
   * @param {{ id: string, order: string, kind: string, kid: string, amountTiyn: number, words: string,
   *   outputs: any[], body: Uint8Array | null, way: "in" | "out" }} answer
   */
  answerOrder({ id, order, kind, kid, amountTiyn, words, outputs, body, way }) {
    const request = `order:${order}`;
    return this.once(id, kind, { kid, amountTiyn, mark: "", words, request, way }, async () => {
      await this.#requireUnpaid(request, id);
      const made = body
        ? await this.signed(core.TRANSFER, core.readTransfer(body), [])
        : await this.transfer(outputs, amountTiyn, "");
      return { ...made, path: `${ORDERS}${order}/pay` };
    });
  }

  /** @param {any[]} outputs @param {number} amountTiyn @param {string} mark */
  async transfer(outputs, amountTiyn, mark) {
    const { chosen, record } = await this.#chosen(outputs, amountTiyn, mark);
    return this.signed(core.TRANSFER, record, chosen);
  }

  /** @param {any[]} outputs @param {number} amountTiyn @param {string} mark */
  async #chosen(outputs, amountTiyn, mark) {
    const free = (await this.tokens()).filter((token) => token.mark === mark && !token.heldBy);
    const { chosen, changeTiyn } = core.choose(free, amountTiyn, MOST_INPUTS);
    const change = changeTiyn ? [core.outputFor(this.api.signer.kid, changeTiyn, mark)] : [];
    const inputs = chosen.map((token) => core.inputOf(token.id));
    return { chosen, record: { nonce: randomBytes(16), inputs, outputs: [...outputs, ...change] } };
  }

  /** @param {number} type @param {any} record @param {any[]} chosen */
  async signed(type, record, chosen) {
    const { id, bytes } = await core.signTransaction(type, record, this.network, this.api.signer);
    return { path: "/v1/transactions", body: bytes, tokens: chosen, transaction: hex(id) };
  }

  /**
   * Save an intent and send it; a known id is sent again, or answered as it was.
   * @param {string} id @param {string} kind @param {any} about
   * @param {() => Promise<{ path: string, body: Uint8Array, tokens: any[], transaction: string }>} prepare
   */
  once(id, kind, about, prepare) {
    return this.store.exclusively(async () => {
      const known = await this.store.get("intents", id);
      if (known) {
        const same = ["kid", "amountTiyn", "mark"].every((name) => known.about[name] === about[name]);
        if (known.kind !== kind || !same) {
          throw new TengeError("E_ID_REUSED", { id });
        }
      }
      return this.#answered(known ?? (await this.#saved(id, kind, about, await prepare())));
    });
  }

  /** @param {string} id @param {string} kind @param {any} about @param {any} made */
  async #saved(id, kind, about, { path, body, tokens, transaction }) {
    const held = tokens.map((/** @type {any} */ token) => token.id);
    const intent = {
      id,
      kind,
      about,
      path,
      body,
      held,
      transaction,
      state: "saved",
      time: this.now(),
      result: null,
    };
    const holding = tokens.map((/** @type {any} */ token) => ["tokens", token.id, { ...token, heldBy: id }]);
    await this.store.write([["intents", id, intent], .../** @type {any} */ (holding)]);
    return intent;
  }

  /** @param {any} intent @returns {Promise<any>} */
  async #answered(intent) {
    if (intent.state === "refused") {
      throw Object.assign(new TengeError(intent.result.code, intent.result.facts), intent.result.words);
    }
    if (intent.state === "done") {
      return this.store.get("history", intent.result);
    }
    return this.#send(intent);
  }

  /** @param {any} intent */
  async #send(intent) {
    let receipt;
    try {
      receipt = await this.#handIn(intent);
    } catch (error) {
      if (isVerdict(error)) {
        await this.#refuse(intent, /** @type {any} */ (error));
      }
      throw error;
    }
    if (!receipt) {
      await this.store.write([["intents", intent.id, { ...intent, state: "done", result: "" }]]);
      return null;
    }
    await this.checkReceipt(receipt, intent.transaction);
    return this.#close(intent, receipt);
  }

  /** The receipt; null where others must sign as well. @param {any} intent */
  async #handIn({ path, body, transaction }) {
    const answer = await this.api.post(path, body);
    if (!path.startsWith(ORDERS)) {
      return answer;
    }
    return answer.receipt ? this.api.get(`/v1/transactions/${transaction}`) : null;
  }

  /** @param {any} intent @param {any} error */
  async #refuse(intent, error) {
    const { code, facts, sentence, next, rule } = error;
    const result = { code, facts, words: { sentence, next, rule } };
    const tokens = await this.tokens();
    const freed = tokens.filter((token) => token.heldBy === intent.id);
    await this.store.write([
      ["intents", intent.id, { ...intent, state: "refused", result }],
      ...freed.map((token) => /** @type {any} */ (["tokens", token.id, { ...token, heldBy: "" }])),
    ]);
  }

  /** @param {any} intent @param {any} receipt */
  async #close(intent, receipt) {
    const { transaction_id: id, index, time } = receipt;
    const { kid, amountTiyn, mark, words } = intent.about;
    const fund = intent.kind === "fund";
    const payload = fund ? "" : hex(intent.body);
    const direction = intent.about.way ?? (fund ? "in" : "out");
    const line = {
      id,
      index,
      time,
      direction,
      kind: intent.kind,
      amountTiyn,
      mark,
      peer: kid,
      words,
      payload,
      receipt,
    };
    this.#hear(time);
    /** @type {import("./store.js").Change[]} */
    const changes = [
      ["intents", intent.id, { ...intent, state: "done", result: id }],
      ["history", id, line],
    ];
    changes.push(...intent.held.map((/** @type {string} */ token) => ["tokens", token, undefined]));
    if (!fund) {
      for (const [place, made] of core.readTransaction(intent.body, this.network).creates.entries()) {
        if (made.kid === this.kid) {
          const token = { id: `${id}:${place}`, amountTiyn: made.amountTiyn, mark: made.mark, heldBy: "" };
          changes.push(["tokens", token.id, token]);
        }
      }
    }
    await this.store.write(changes);
    return line;
  }

  /** Send every open intent again. */
  async #resume() {
    for (const intent of (await this.store.all("intents")).filter(({ state }) => state === "saved")) {
      try {
        await this.#send(intent);
      } catch (error) {
        if (isUnavailable(error)) {
          throw error;
        }
      }
    }
  }

  /** The id of a person's next try: another once it was refused under this one. @param {string} id */
  async idForNextTry(id) {
    const known = await this.store.get("intents", id);
    return known?.state === "refused" ? hex(randomBytes(32)) : id;
  }

  /** What waits to be sent. @returns {Promise<any[]>} */
  async openIntents() {
    return (await this.store.all("intents")).filter(({ state }) => state === "saved");
  }

  // --- certainty ---

  /**
   * Return if a receipt is the ledger's: its head is signed, and covers the entry. E_SIG, E_LOG_PROOF, E_PEER_ANSWER.
   * @param {any} receipt @param {string} [transaction] Whose it must be.
   */
  async checkReceipt(receipt, transaction = "") {
    const head = await core.openHead(unhex(receipt.head.envelope), this.#genesis);
    if (transaction && receipt.transaction_id !== transaction) {
      throw new TengeError("E_PEER_ANSWER", { answer: "receipt" });
    }
    if (receipt.index >= head.size) {
      throw new TengeError("E_LOG_PROOF", { index: receipt.index, size: head.size });
    }
  }

  /**
   * Prove that a line of the history stands in the ledger's log, against a signed head.
   * @param {any} line
   * @returns {Promise<{ size: number, time: number }>} The head's.
   */
  async prove(line) {
    const found = await this.api.get(`/v1/transactions/${line.id}/proof`);
    const head = await core.openHead(unhex(found.head.envelope), this.#genesis);
    const payload = line.payload || (await this.api.get(`/v1/entries/${line.index}`)).payload;
    const leaf = core.leafOf(line.index, line.time, unhex(payload));
    core.checkInclusion(leaf, found.index, head.size, found.proof.map(unhex), head.root);
    return head;
  }
}
