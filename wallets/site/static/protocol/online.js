// @ts-check
/**
 * What the ledger signs, and how a holder checks it without believing anybody on the way: the journal's first entry,
 * the heads of the log, and the proofs that an entry is in it. As `cbdc/ledger/entry.py`.
 *
 *     entry   [index, time, transaction bytes]        leaf  SHA-256(0x00 || entry)
 *     head    [size, root, time], signed by a key of role LEDGER in its time
 *     entry 0 is the genesis: [1, ROOT envelope, [AUTH envelope...], policy envelope signed by ROOT]
 *
 * What a holder signs (orders, proofs of who asks) is here too, so that one module serves the online half.
 *
 * Source: RFC 6962, section 2.1; RFC 9162, sections 2.1.3.2 and 2.1.4.2.
 */

import { join, sameBytes, sha256 } from "./bytes.js";
import { decodeArray, encode } from "./canonical.js";
import { TengeError } from "./errors.js";
import { AMOUNT, HASH, NONCE, NUMBER, SMALL, group, items, kindOf, text, unsigned } from "./kinds.js";
import { encodeSigned, openEnvelope, schema, signRecord, verifySigned } from "./records.js";
import { LEDGER, openAuthority } from "./trust.js";

const GENESIS_VERSION = 1;
const HASH_BYTES = 32;
const DAY_LAST_SECOND = 86_399;

/** The log's size and root at a moment. */
export const LOG_HEAD = schema(81, "LogHead", { size: AMOUNT, root: HASH, time: NUMBER });
/** The limits of a ledger: [tier, holding, payment, day] in tiyn (0: none), and [tier, 1 month or 2 year, tiyn]. */
export const POLICY = schema(80, "Policy", {
  label: text(64),
  tiers: items(group([SMALL, NUMBER, NUMBER, NUMBER]), 64),
  dayOffsetSeconds: unsigned(0, DAY_LAST_SECOND),
  periods: items(group([SMALL, unsigned(1, 2), AMOUNT]), 64),
});
/** A customer's order to its bank: debit my deposit, and send digital tenge to my key `kid`. */
export const FUND_ORDER = schema(85, "FundOrder", {
  id: HASH,
  bankId: AMOUNT,
  kid: HASH,
  amountTiyn: AMOUNT,
  time: NUMBER,
});
/** "It is I who ask": the key `kid` asks for `purpose` at `time`; it never moves money. */
export const HOLDER_PROOF = schema(86, "HolderProof", {
  kid: HASH,
  purpose: text(128),
  time: NUMBER,
  nonce: NONCE,
});

/** @typedef {import("./trust.js").Authority} Authority */
/** @typedef {{ privateKey: CryptoKey, algorithm: number, raw: Uint8Array, kid: Uint8Array }} Signer */
/** @typedef {{ authority: Authority, network: Uint8Array, policy: any }} Genesis */

/**
 * An order to the bank, as the bytes of its envelope. `id` (32 bytes) is the customer's own: the same order is the same
 * sale. `amountTiyn` in tiyn, `time` in virtual Unix seconds. E_FIELD, E_TYPE.
 * @param {{ id: Uint8Array, bankId: number, amountTiyn: number, time: number }} order
 * @param {Uint8Array} network @param {Signer} signer
 * @returns {Promise<Uint8Array>}
 */
export async function fundOrder(order, network, signer) {
  return encodeSigned(await signRecord(FUND_ORDER, { ...order, kid: signer.kid }, network, signer));
}

/**
 * A proof of who asks, as the bytes of its envelope. `time` is in real Unix seconds for readings. E_FIELD, E_TYPE.
 * @param {{ purpose: string, time: number, nonce: Uint8Array }} ask `nonce` has 16 bytes.
 * @param {Uint8Array} network @param {Signer} signer
 * @returns {Promise<Uint8Array>}
 */
export async function holderProof(ask, network, signer) {
  return encodeSigned(await signRecord(HOLDER_PROOF, { ...ask, kid: signer.kid }, network, signer));
}

/**
 * The genesis in the payload of entry 0, every signature verified from ROOT. Raises the decoding errors, E_FIELD,
 * E_VERSION, E_KEY, E_SIG. Whether this ROOT is to be believed is not asked here.
 * @param {Uint8Array} payload
 * @returns {Promise<Genesis>}
 */
export async function openGenesis(payload) {
  const values = decodeArray(payload);
  if (values.length !== 4) {
    throw new TengeError("E_FIELD", { field: "genesis", problem: `${values.length} items, not 4` });
  }
  const [version, root, auths, policyPart] = values;
  if (version !== GENESIS_VERSION) {
    throw new TengeError("E_VERSION", { version: String(version).slice(0, 20), expected: GENESIS_VERSION });
  }
  const trusted = await openAuthority(root, []);
  if (!Array.isArray(auths)) {
    throw new TengeError("E_TYPE", { type: `auths: ${kindOf(auths)}` });
  }
  const authority = await openAuthority(root, auths);
  const policy = openEnvelope(POLICY, policyPart, authority.network);
  await verifySigned(policy, trusted.root.record.key);
  return { authority, network: authority.network, policy: policy.record };
}

/**
 * A head of the log, signed by a ledger's key that was certified at the head's own time; the decoding errors, E_SIG.
 * @param {Uint8Array} envelope @param {{ authority: Authority, network: Uint8Array }} genesis
 * @returns {Promise<import("./records.js").Signed>} `record` is `{ size, root, time }`.
 */
export async function openHead(envelope, { authority, network }) {
  const head = openEnvelope(LOG_HEAD, envelope, network);
  const { time } = head.record;
  /** @type {unknown} */
  let refusal = new TengeError("E_SIG", { kid: "" });
  for (const auth of authority.withRole(LEDGER)) {
    if (auth.notBefore <= time && time <= auth.expires) {
      try {
        await verifySigned(head, auth.key);
        return head;
      } catch (error) {
        if (!(error instanceof TengeError)) {
          throw error;
        }
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
const half = (/** @type {number} */ number) => Math.floor(number / 2);

/**
 * Return if `proof` shows that `leaf` stands at `index` in the log of `size` leaves with this root; E_LOG_PROOF.
 * @param {Uint8Array} leaf @param {number} index @param {number} size
 * @param {Uint8Array[]} proof @param {Uint8Array} root
 */
export function checkInclusion(leaf, index, size, proof, root) {
  const refusal = new TengeError("E_LOG_PROOF", { index, size });
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw refusal;
  }
  let [place, last, node] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0 || sibling.length !== HASH_BYTES) {
      throw refusal;
    }
    if (place % 2 || place === last) {
      node = nodeOf(sibling, node);
      while (place % 2 === 0 && place) {
        [place, last] = [half(place), half(last)];
      }
    } else {
      node = nodeOf(node, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last !== 0 || !sameBytes(node, root)) {
    throw refusal;
  }
}

/**
 * Return if `proof` shows that the log of size `size` continues the log of size `old`; E_LOG_PROOF otherwise.
 * @param {number} old @param {Uint8Array} oldRoot @param {number} size @param {Uint8Array} root
 * @param {Uint8Array[]} proof
 */
export function checkConsistency(old, oldRoot, size, root, proof) {
  const refusal = new TengeError("E_LOG_PROOF", { index: old, size });
  if (!(old > 0 && old <= size) || proof.some((node) => node.length !== HASH_BYTES)) {
    throw refusal;
  }
  if (old === size) {
    if (proof.length || !sameBytes(oldRoot, root)) {
      throw refusal;
    }
    return;
  }
  if (!proof.length) {
    throw refusal;
  }
  const path = Number.isInteger(Math.log2(old)) ? [oldRoot, ...proof] : proof;
  let [place, last] = [old - 1, size - 1];
  while (place % 2) {
    [place, last] = [half(place), half(last)];
  }
  let [first, second] = [path[0], path[0]];
  for (const sibling of path.slice(1)) {
    if (last === 0) {
      throw refusal;
    }
    if (place % 2 || place === last) {
      [first, second] = [nodeOf(sibling, first), nodeOf(sibling, second)];
      while (place % 2 === 0 && place) {
        [place, last] = [half(place), half(last)];
      }
    } else {
      second = nodeOf(second, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  if (last !== 0 || !sameBytes(first, oldRoot) || !sameBytes(second, root)) {
    throw refusal;
  }
}

/**
 * Return if the log behind a verified head holds this transaction at this place and time; E_LOG_PROOF otherwise.
 * @param {{ index: number, time: number }} receipt @param {Uint8Array} payload The transaction's wire bytes, as sent.
 * @param {import("./records.js").Signed} head As `openHead` gives it. @param {Uint8Array[]} proof
 */
export function checkReceiptInLog({ index, time }, payload, head, proof) {
  const { size, root } = head.record;
  checkInclusion(leafOf(index, time, payload), index, size, proof, root);
}
