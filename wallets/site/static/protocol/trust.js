// @ts-check
/**
 * What one party believes at one moment: ROOT's certificates and the newest TRUST list it has adopted, with the
 * numbers of the policy. As `offline/trust.py`, `offline/parameters.py` and `cbdc/authority.py`. Nothing here
 * changes; `adopt` gives a new view.
 *
 * Source: DTO/1, sections 5.2, 5.12, 5.13 and 5.18.
 */

import { hex } from "./bytes.js";
import { TengeError } from "./errors.js";
import { openEnvelope, openRoot, verifySigned } from "./records.js";

export const ISSUER = 1;
export const BANK_CA = 2;
export const STATUS = 3;
export const SETTLE = 4;
export const LEDGER = 20;
const TIER_SW = 1;
const MAX_CHAIN = 64;
const DAY_SECONDS = 86400;
const BUSINESS = Object.freeze([2, 4, 5]);
const PEOPLE = Object.freeze([1, 3]);

/** @typedef {{ id: number, default: number }} Parameter */
const number = (/** @type {number} */ id, /** @type {number} */ value) =>
  Object.freeze({ id, default: value });

/** The numbers of the policy that a device asks for, each an assumption. */
export const PARAMETERS = Object.freeze({
  maxBalanceSw: number(1, 1_297_500),
  maxBalanceTee: number(2, 3_000_000),
  maxBalanceSe: number(3, 5_000_000),
  maxBalanceMerchant: number(4, 50_000_000),
  maxPaymentPermille: number(5, 500),
  maxOutPermille: number(6, 2000),
  maxCount: number(7, 50),
  maxAgeDays: number(8, 14),
  maxHops: number(9, 5),
  maxHopsSw: number(10, 3),
  maxParts: number(12, 8),
  maxSlots: number(13, 64),
  maxBytes: number(14, 24 * 1024),
  maxBytesQr: number(15, 4 * 1024),
  maxTrustAgeSeconds: number(16, 14 * DAY_SECONDS),
  marginSeconds: number(17, DAY_SECONDS),
  clockSkewSeconds: number(18, 600),
  invoiceSeconds: number(19, 600),
  rejectRevokedAncestor: number(25, 1),
  closedTiers: number(30, 0),
});

/** ROOT and its AUTH certificates, all verified. */
export class Authority {
  /** @param {any} root @param {Uint8Array} network @param {any[]} auths Signed. */
  constructor(root, network, auths) {
    this.root = root;
    this.network = network;
    this.auths = auths;
  }

  /** All certificates of one role, in the order given. @param {number} role @returns {any[]} */
  withRole(role) {
    return this.auths.filter(({ record }) => record.role === role).map(({ record }) => record);
  }

  /**
   * The certificate of `role` whose key id starts with `reference`, valid at `at`; else what is wrong, in words.
   * @param {Uint8Array} reference @param {number} role @param {number} at
   */
  find(reference, role, at) {
    const found = this.withRole(role).filter(({ kid }) => hex(kid.subarray(0, 8)) === hex(reference));
    if (new Set(found.map(({ kid }) => hex(kid))).size !== 1) {
      return "no certificate, or more than one key, has this reference";
    }
    return (
      found.find((auth) => auth.notBefore <= at && at <= auth.expires) ??
      `its certificate is not valid at ${at}`
    );
  }
}

/**
 * ROOT and AUTHs from envelopes (bytes, or arrays of a container), verified; E_SIG, E_KEY and decoding errors.
 * @param {any} rootBytes
 * @param {any[]} auths
 */
export async function openAuthority(rootBytes, auths) {
  const { root, network } = await openRoot(rootBytes);
  const opened = [];
  for (const item of auths) {
    const auth = openEnvelope("AUTH", item, network);
    await verifySigned(auth, root.record.key);
    auth.record.key;
    opened.push(auth);
  }
  return new Authority(root, network, opened);
}

/** What marked money may do offline. */
class Purpose {
  /** @param {any} row */
  constructor([id, edges, personToPerson, maxHops, converts, limits]) {
    this.id = id;
    /** @type {Map<number, number[]>} */
    this.edges = new Map(edges);
    this.personToPerson = Boolean(personToPerson);
    this.maxHops = maxHops;
    this.converts = Boolean(converts);
    this.limits = limits.map((/** @type {any} */ [payers, payees, capTiyn, validFrom, validUntil]) => ({
      payers,
      payees,
      capTiyn,
      validFrom,
      validUntil,
    }));
  }

  /** @param {number} payer @param {number} payee Categories. */
  allows(payer, payee) {
    const people = this.personToPerson && PEOPLE.includes(payer) && PEOPLE.includes(payee);
    return people || (this.edges.get(payer) ?? []).includes(payee);
  }

  /** The limits that a payment between these categories keeps. @param {number} payer @param {number} payee */
  limitsOf(payer, payee) {
    return this.limits.filter(
      (/** @type {any} */ row) =>
        (!row.payers.length || row.payers.includes(payer)) &&
        (!row.payees.length || row.payees.includes(payee)),
    );
  }
}

const NO_LISTS = Object.freeze({
  kids: new Set(),
  references: new Set(),
  tainted: new Set(),
  policy: new Map(),
  purposes: new Map(),
});

/** @param {any} lists @param {any} record */
function withChanges(lists, record) {
  return {
    kids: new Set([...lists.kids, ...record.revokedKids.map(hex)]),
    references: new Set([...lists.references, ...record.revokedReferences.map(hex)]),
    tainted: new Set([...lists.tainted, ...record.taintedNotes.map(hex)]),
    policy: new Map([...lists.policy, ...record.policy]),
    purposes: new Map([
      ...lists.purposes,
      ...record.purposes.map((/** @type {any} */ row) => [row[0], new Purpose(row)]),
    ]),
  };
}

/** The adopted lists over ROOT's certificates. */
export class TrustView {
  #lists;

  /** @param {Authority} authority @param {any} [lists] @param {any[]} [chain] */
  constructor(authority, lists = NO_LISTS, chain = []) {
    this.authority = authority;
    this.#lists = lists;
    /** The full list and the changes adopted after it, oldest first. */
    this.chain = chain;
  }

  /** The 8-byte network id. */
  get network() {
    return this.authority.network;
  }

  /** The adopted number; 0 when there is no list. @returns {number} */
  get sequence() {
    return this.chain.at(-1)?.record.sequence ?? 0;
  }

  /** When the adopted list was issued. @returns {number} */
  get issued() {
    return this.chain.at(-1)?.record.issued ?? 0;
  }

  /** What a party that has list number `sequence` needs of this chain. @param {number} sequence @returns {any[]} */
  chainAfter(sequence) {
    if (this.sequence <= sequence) {
      return [];
    }
    const place = this.chain.findIndex(({ record }) => record.sequence === sequence);
    const needed = this.chain.slice(place + 1);
    return needed.length <= MAX_CHAIN ? needed : [];
  }

  /** The bank's certificate, valid at `at`; E_CA. @param {Uint8Array} reference @param {number} at */
  bankCa(reference, at) {
    return this.#standing(reference, BANK_CA, at, "E_CA", "the bank's key is revoked");
  }

  /** The issuer's certificate, valid at `at`; E_ISSUER. @param {Uint8Array} reference @param {number} at */
  issuer(reference, at) {
    return this.#standing(reference, ISSUER, at, "E_ISSUER", "this issuer's epoch is revoked");
  }

  /**
   * @param {Uint8Array} reference
   * @param {number} role
   * @param {number} at
   * @param {string} code
   * @param {string} revoked
   */
  #standing(reference, role, at, code, revoked) {
    const found = this.authority.find(reference, role, at);
    if (typeof found === "string") {
      throw new TengeError(code, { reference: hex(reference), problem: found });
    }
    if (this.isRevokedAuthority(found.kid)) {
      throw new TengeError(code, { reference: hex(reference), problem: revoked });
    }
    return found;
  }

  /** @param {Uint8Array} kid */
  isRevoked(kid) {
    return this.#lists.kids.has(hex(kid.subarray(0, 16)));
  }

  /** @param {Uint8Array} kid */
  isRevokedAuthority(kid) {
    return this.isRevoked(kid) || this.#lists.references.has(hex(kid.subarray(0, 8)));
  }

  /** @param {Uint8Array} note A serial or an object id. */
  isTainted(note) {
    return this.#lists.tainted.has(hex(note.subarray(0, 16)));
  }

  /** @param {number} id @returns {Purpose | undefined} */
  purpose(id) {
    return this.#lists.purposes.get(id);
  }

  /** @param {number} tier */
  isClosedTier(tier) {
    return Math.floor(this.parameter(PARAMETERS.closedTiers) / 2 ** tier) % 2 === 1;
  }

  /** @param {Parameter} parameter @returns {number} */
  parameter(parameter) {
    return this.#lists.policy.get(parameter.id) ?? parameter.default;
  }

  /**
   * The limits of a device now: for each the stricter of its certificate and the adopted list. E_DEVICE_TIER.
   * @param {any} certificate A DEVCERT's record.
   */
  limits({ limits, tier, category }) {
    const balances = [PARAMETERS.maxBalanceSw, PARAMETERS.maxBalanceTee, PARAMETERS.maxBalanceSe];
    const plain = balances[tier - 1];
    if (!plain) {
      throw new TengeError("E_DEVICE_TIER", { tier });
    }
    const balance = BUSINESS.includes(category) && tier !== TIER_SW ? PARAMETERS.maxBalanceMerchant : plain;
    const hops = tier === TIER_SW ? PARAMETERS.maxHopsSw : PARAMETERS.maxHops;
    const { maxPaymentPermille, maxOutPermille, maxCount, maxAgeDays } = PARAMETERS;
    const most = this.parameter(balance);
    const part = (/** @type {Parameter} */ permille) =>
      Number((BigInt(most) * BigInt(this.parameter(permille))) / 1000n);
    const bounds = /** @type {[string, number, Parameter[]][]} */ ([
      ["maxBalanceTiyn", most, [balance]],
      ["maxPaymentTiyn", part(maxPaymentPermille), [balance, maxPaymentPermille]],
      ["maxOutTiyn", part(maxOutPermille), [balance, maxOutPermille]],
      ["maxCount", this.parameter(maxCount), [maxCount]],
      ["maxAgeDays", this.parameter(maxAgeDays), [maxAgeDays]],
      ["maxHops", this.parameter(hops), [hops]],
    ]);
    const named = (/** @type {Parameter[]} */ ids) => ids.some(({ id }) => this.#lists.policy.has(id));
    return Object.fromEntries(
      bounds.map(([name, bound, ids]) => [name, named(ids) ? Math.min(limits[name], bound) : limits[name]]),
    );
  }

  /**
   * A view with `trust` adopted. Raises E_AUTHORITY, E_SIG, E_TRUST_OLD, E_TRUST_BASE.
   * @param {any} trust
   * @returns {Promise<TrustView>}
   */
  async adopt(trust) {
    const newest = this.chain.at(-1);
    if (newest && hex(newest.oid) === hex(trust.oid)) {
      return this;
    }
    await this.#checkStatus(trust);
    const { record } = trust;
    if (record.sequence <= this.sequence) {
      throw new TengeError("E_TRUST_OLD", { sequence: record.sequence, adopted: this.sequence });
    }
    if (record.baseSequence !== 0 && record.baseSequence !== this.sequence) {
      throw new TengeError("E_TRUST_BASE", { base: record.baseSequence, adopted: this.sequence });
    }
    const full = record.baseSequence === 0;
    const lists = withChanges(full ? NO_LISTS : this.#lists, record);
    return new TrustView(this.authority, lists, full ? [trust] : [...this.chain, trust]);
  }

  /**
   * Catch up with another party's chain; this view itself when it is not newer.
   * @param {any[]} chain
   * @returns {Promise<TrustView>}
   */
  async adoptAll(chain) {
    let newer = chain.filter(({ record }) => record.sequence > this.sequence);
    if (!newer.length) {
      return this;
    }
    /** @type {TrustView} */
    let view = this;
    const { baseSequence } = newer[0].record;
    if (baseSequence !== 0 && baseSequence !== this.sequence) {
      view = new TrustView(this.authority);
      newer = chain;
    }
    for (const trust of newer) {
      view = await view.adopt(trust);
    }
    return view;
  }

  /** @param {any} trust */
  async #checkStatus(trust) {
    const at = trust.record.issued;
    const keys = this.authority
      .withRole(STATUS)
      .filter((auth) => auth.notBefore <= at && at <= auth.expires)
      .map((auth) => auth.key);
    if (!keys.length) {
      throw new TengeError("E_AUTHORITY", { kid: "of the list", role: "status and revocation" });
    }
    for (const [place, key] of keys.entries()) {
      try {
        await verifySigned(trust, key);
        return;
      } catch (error) {
        if (place === keys.length - 1 || !(error instanceof TengeError)) {
          throw error;
        }
      }
    }
  }
}
