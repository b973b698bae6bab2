// @ts-check
/**
 * What a holder signs online, and what the ledger signs: transactions, orders, proofs, heads. As `cbdc/transaction.py`,
 * `cbdc/orders.py` and `cbdc/ledger/entry.py`.
 *
 *     object id   SHA-256("kzt-dt/online/v1\0" || type || network || body)
 *     signed      "kzt-dt/online/v1\0sig\0" || type || object id
 *
 * A signer is `{ kid, algorithm, raw, privateKey }`. Only what this wallet makes or checks stands here.
 */

import {
  TengeError, ascii, decode, decodeArray, encode, hex, join, openAuthority, sameBytes, sha256, signMessage, verify,
} from "./core.js";

export const DOMAIN = ascii("kzt-dt/online/v1\0");
export const TRANSFER = 65;
export const LOAD_OFFLINE = 72;
export const SETTLE_OFFLINE = 73;
const HEAD = 81;
const FUND_ORDER = 85;
const HOLDER_PROOF = 86;
const LEDGER_ROLE = 20;
const GENESIS_VERSION = 1;

/** Where a transaction's inputs and outputs stand in its body. @type {Record<number, [number, number]>} */
const PLACES = { 64: [-1, 2], 65: [1, 2], 66: [2, 3], 69: [1, 2], 70: [1, 2], 71: [1, 2], 72: [1, 2], 73: [3, 4], 79: [3, 4] };

/** @param {number} type @param {Uint8Array} network @param {Uint8Array} body */
export function objectId(type, network, body) {
  return sha256(join(DOMAIN, Uint8Array.of(type), network, body));
}

/** @param {number} type @param {Uint8Array} oid */
function messageOf(type, oid) {
  return join(DOMAIN, ascii("sig\0"), Uint8Array.of(type), oid);
}

/**
 * A signed record's envelope, `[type, body, signature]` as bytes.
 * @param {number} type @param {any[]} fields @param {Uint8Array} network @param {any} signer
 */
async function envelope(type, fields, network, signer) {
  const body = encode(fields);
  const signature = await signMessage(signer.privateKey, messageOf(type, objectId(type, network, body)));
  return encode([type, body, signature]);
}

/**
 * An order to the bank: digital tenge for a deposit. Amounts in tiyn, `time` virtual Unix seconds.
 * @param {{ id: Uint8Array, bankId: number, amountTiyn: number, time: number }} order
 * @param {Uint8Array} network @param {any} signer
 */
export function fundOrder({ id, bankId, amountTiyn, time }, network, signer) {
  return envelope(FUND_ORDER, [id, bankId, signer.kid, amountTiyn, time], network, signer);
}

/**
 * "It is I who ask", for a purpose. `time` is real seconds for readings, virtual for aliases and devices.
 * @param {string} purpose @param {number} time @param {Uint8Array} nonce 16 bytes.
 * @param {Uint8Array} network @param {any} signer
 */
export function holderProof(purpose, time, nonce, network, signer) {
  return envelope(HOLDER_PROOF, [signer.kid, purpose, time, nonce], network, signer);
}

/**
 * A signed transaction: its bytes on the wire and its id.
 * @param {number} type @param {any[]} fields @param {Uint8Array} network @param {any} signer
 * @returns {Promise<{ id: Uint8Array, bytes: Uint8Array }>}
 */
export async function signTransaction(type, fields, network, signer) {
  const body = encode(fields);
  const id = objectId(type, network, body);
  const signature = await signMessage(signer.privateKey, messageOf(type, id));
  return { id, bytes: encode([type, body, [[signer.kid, signature]]]) };
}

/**
 * The fields of a Transfer. Inputs are `{ id: "txid:output" }`, outputs `{ kid, amountTiyn, mark }`.
 * @param {{ id: string }[]} inputs @param {any[]} outputs @param {Uint8Array} nonce
 */
export function transferFields(inputs, outputs, nonce) {
  return [nonce, inputs.map(wireInput), outputs.map(wireOutput), new Uint8Array(), [], [], []];
}

/**
 * The fields of a LoadOffline: the leading outputs go to the escrow, one for each note.
 * @param {{ id: string }[]} inputs @param {any[]} outputs @param {Uint8Array} nonce
 * @param {Uint8Array} device @param {number} loadNumber
 */
export function loadFields(inputs, outputs, nonce, device, loadNumber) {
  return [nonce, inputs.map(wireInput), outputs.map(wireOutput), device, loadNumber];
}

/** @param {{ id: string }} token */
function wireInput({ id }) {
  const [transaction, output] = id.split(":");
  return [Uint8Array.from(transaction.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)), Number(output)];
}

/** @param {{ kid: Uint8Array, amountTiyn: number, mark: Uint8Array }} output */
function wireOutput({ kid, amountTiyn, mark }) {
  return [amountTiyn, [1, kid], mark];
}

/**
 * What a transaction of the journal says: who signed, what it spends, what it makes.
 * @param {Uint8Array} bytes @param {Uint8Array} network
 * @returns {{ type: number, id: string, signers: string[], spends: string[],
 *   creates: { amountTiyn: number, kid: string, mark: string }[], fields: any[] }}
 */
export function readTransaction(bytes, network) {
  const [type, body, witnesses] = decodeArray(bytes);
  const fields = decodeArray(body, 65_000);
  const [inputs, outputs] = PLACES[type] ?? [-1, -1];
  return {
    type,
    id: hex(objectId(type, network, body)),
    signers: witnesses.map((/** @type {any[]} */ pair) => hex(pair[0])),
    spends: inputs < 0 ? [] : fields[inputs].map((/** @type {any[]} */ one) => `${hex(one[0])}:${one[1]}`),
    creates: outputs < 0 ? [] : fields[outputs].map(readOutput),
    fields,
  };
}

/** @param {any[]} output */
function readOutput([amountTiyn, lock, mark]) {
  return { amountTiyn, kid: lock[0] === 1 ? hex(lock[1]) : "", mark: hex(mark) };
}

/**
 * Entry 0 of the journal: ROOT, its certificates, and the network they make. Everything signed is verified from ROOT.
 *
 * Raises E_VERSION, E_SIG and the decoding errors.
 * @param {Uint8Array} payload
 */
export async function openGenesis(payload) {
  const values = decodeArray(payload);
  if (values[0] !== GENESIS_VERSION) {
    throw new TengeError("E_VERSION", { version: String(values[0]).slice(0, 20), expected: GENESIS_VERSION });
  }
  const authority = await openAuthority(encode(values[1]), values[2].map((/** @type {any} */ one) => encode(one)));
  return { root: encode(values[1]), network: authority.network, ledgers: authority.withRole(LEDGER_ROLE) };
}

/**
 * A head of the log, signed by the ledger at its own time; E_SIG otherwise.
 * @param {Uint8Array} bytes The envelope. @param {{ network: Uint8Array, ledgers: any[] }} genesis
 * @returns {Promise<{ size: number, root: Uint8Array, time: number }>}
 */
export async function openHead(bytes, genesis) {
  const [type, body, signature] = decodeArray(bytes);
  if (type !== HEAD) {
    throw new TengeError("E_OBJTYPE", { type, expected: HEAD });
  }
  const [size, root, time] = /** @type {any[]} */ (decode(body));
  const message = messageOf(HEAD, objectId(HEAD, genesis.network, body));
  /** @type {unknown} */
  let refusal = new TengeError("E_SIG", { kid: "" });
  for (const ledger of genesis.ledgers) {
    if (ledger.notBefore <= time && time <= ledger.expires) {
      try {
        await verify(ledger.key, signature, message);
        return { size, root, time };
      } catch (error) {
        refusal = error;
      }
    }
  }
  throw refusal;
}

/** The leaf of a journal entry. @param {number} index @param {number} time @param {Uint8Array} payload */
export function leafOf(index, time, payload) {
  return sha256(join(Uint8Array.of(0), encode([index, time, payload])));
}

/** @param {Uint8Array} left @param {Uint8Array} right */
const nodeOf = (left, right) => sha256(join(Uint8Array.of(1), left, right));

/**
 * Return if the proof shows that the leaf stands at `index` in the log of `size` leaves; E_LOG_PROOF otherwise.
 * Source: RFC 9162, section 2.1.3.2.
 * @param {Uint8Array} leaf @param {number} index @param {number} size
 * @param {Uint8Array[]} proof @param {Uint8Array} root
 */
export function checkInclusion(leaf, index, size, proof, root) {
  const refusal = new TengeError("E_LOG_PROOF", { index, size });
  if (!(index >= 0 && index < size)) {
    throw refusal;
  }
  let place = index;
  let last = size - 1;
  let node = leaf;
  for (const sibling of proof) {
    if (last === 0 || sibling.length !== 32) {
      throw refusal;
    }
    if (place % 2 || place === last) {
      node = nodeOf(sibling, node);
      while (place % 2 === 0 && place) {
        place = Math.floor(place / 2);
        last = Math.floor(last / 2);
      }
    } else {
      node = nodeOf(node, sibling);
    }
    place = Math.floor(place / 2);
    last = Math.floor(last / 2);
  }
  if (last !== 0 || !sameBytes(node, root)) {
    throw refusal;
  }
}

/**
 * Which tokens pay an amount: as few as suffice, the largest first, the last as small as still suffices.
 * As `cbdc/selection.py`. Raises E_FUNDS and E_FUNDS_SCATTERED.
 * @template {{ id: string, amountTiyn: number }} T
 * @param {T[]} available @param {number} amountTiyn @param {number} [most]
 * @returns {{ chosen: T[], changeTiyn: number }}
 */
export function choose(available, amountTiyn, most = 250) {
  const total = available.reduce((sum, one) => sum + one.amountTiyn, 0);
  if (total < amountTiyn) {
    throw new TengeError("E_FUNDS", { available_tiyn: total, amount_tiyn: amountTiyn });
  }
  const byId = (/** @type {T} */ one, /** @type {T} */ other) => orderOf(one.id, other.id);
  const ordered = [...available].sort((one, other) => other.amountTiyn - one.amountTiyn || byId(one, other));
  const chosen = [];
  let missing = amountTiyn;
  while (missing > 0) {
    if (chosen.length === most) {
      throw new TengeError("E_FUNDS_SCATTERED", { amount_tiyn: amountTiyn, most });
    }
    const rest = ordered.slice(chosen.length);
    const enough = rest.filter((one) => one.amountTiyn >= missing);
    const pick = enough.length
      ? enough.reduce((best, one) => (one.amountTiyn - best.amountTiyn || byId(one, best)) < 0 ? one : best)
      : rest[0];
    chosen.push(pick);
    missing -= pick.amountTiyn;
  }
  return { chosen: chosen.sort(byId), changeTiyn: -missing };
}

/** Token ids in the order of their bytes. @param {string} one @param {string} other */
function orderOf(one, other) {
  const [first, output] = one.split(":");
  const [second, otherOutput] = other.split(":");
  return first < second ? -1 : first > second ? 1 : Number(output) - Number(otherOutput);
}

/** The fields of a body. @param {Uint8Array} body @returns {any[]} */
export function fieldsOf(body) {
  return decodeArray(body);
}

/** What a witness of a record signs. @param {number} type @param {Uint8Array} body @param {Uint8Array} network */
export function messageFor(type, body, network) {
  return messageOf(type, objectId(type, network, body));
}
