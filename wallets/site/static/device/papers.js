// @ts-check
/**
 * Papers of a device: enrolment, certificate, anchors, TRUST lists.
 *
 * They stand in the element's state as envelopes. A page opens and verifies them once (`PaperCache`), and again only
 * when the state holds others.
 *
 * Source: DTO/1, sections 5.2 (certificates), 5.7 (`enrol`, `provision`, `renew`, `anchor`, `trust`) and 5.12.
 */

import { wrongStatus } from "./rules.js";
import { ACTIVE, NEW } from "./state.js";
import {
  TengeError,
  adoptChain,
  bytesOfLists,
  checkCertificate,
  envelopeOf,
  hex,
  openSigned,
  openTrust,
  sameBytes,
  signRecord,
  takeLists,
} from "./wire.js";

/**
 * @typedef {import("./state.js").Papers} Papers
 * @typedef {import("./step.js").Step} Step
 */

/** The papers of one device, opened; remembered while they are the same. */
export class PaperCache {
  #key = "";
  /** @type {Papers | null} */
  #seen = null;
  /** @type {{ trust: any, certificate: any }} */
  #opened = { trust: null, certificate: null };

  /**
   * The trust view and the certificate, or nulls before provisioning.
   * @param {Papers} papers
   * @returns {Promise<{ trust: any, certificate: any }>}
   */
  async of(papers) {
    if (papers === this.#seen) {
      return this.#opened;
    }
    if (!papers.root || !papers.certificate) {
      return { trust: null, certificate: null };
    }
    const key = [papers.root, ...papers.auths, ...papers.trust, papers.certificate].map(hex).join();
    if (key !== this.#key) {
      const trust = await openTrust(papers.root, papers.auths, papers.trust);
      const certificate = await openSigned("DEVCERT", papers.certificate, trust.network);
      this.#opened = { trust, certificate };
      this.#key = key;
    }
    this.#seen = papers;
    return this.#opened;
  }
}

/**
 * ENROL, proof of possession. It speaks of no money and changes nothing.
 * @param {Step} step @param {Uint8Array} network @param {number} bankId @param {Uint8Array} challenge
 */
export async function enrolment(step, network, bankId, challenge) {
  const { algorithm, raw } = step.snapshot.key;
  const record = { bankId, algorithm, publicKey: raw, challenge };
  return envelopeOf(await signRecord("ENROL", record, network, step.snapshot.key));
}

/**
 * Take the anchors, the first TRUST list and the certificate; once (again with the same: nothing happens).
 *
 * The age limit for paying counts from the list's issue until the first sync. Raises E_PROVISIONED,
 * E_CERTIFICATE_KEY.
 * @param {Step} step
 * @param {{ root: Uint8Array, auths: Uint8Array[], trust: Uint8Array[], certificate: Uint8Array }} given
 */
export async function adopt(step, given) {
  const { state } = step;
  if (state.status !== NEW) {
    if (state.papers.certificate && sameBytes(state.papers.certificate, given.certificate)) {
      return;
    }
    throw new TengeError("E_PROVISIONED", { kid: hex(step.element.kid) });
  }
  const trust = await openTrust(given.root, given.auths, given.trust);
  const certificate = await openSigned("DEVCERT", given.certificate, trust.network);
  await checkOwn(step, certificate, trust);
  step.state = {
    ...state,
    status: ACTIVE,
    papers: { root: given.root, auths: given.auths, trust: given.trust, certificate: given.certificate },
    trustSequence: trust.sequence,
    timeFloor: Math.max(state.timeFloor, trust.issued),
    syncTime: trust.issued,
  };
  step.put("certificate", hex(certificate.record.kid), given.certificate);
}

/** @param {Step} step @param {Uint8Array} bytes */
export async function renew(step, bytes) {
  const { trust } = step.element;
  const certificate = await openSigned("DEVCERT", bytes, trust.network);
  await checkOwn(step, certificate, trust);
  if (sameBytes(bytes, step.state.papers.certificate)) {
    return;
  }
  step.state = { ...step.state, papers: { ...step.state.papers, certificate: bytes } };
  step.put("certificate", hex(certificate.record.kid), bytes);
}

/** @param {Step} step @param {Uint8Array} bytes */
export async function addAuthority(step, bytes) {
  const { papers } = step.state;
  if (papers.auths.some((/** @type {Uint8Array} */ known) => sameBytes(known, bytes))) {
    return;
  }
  const auths = [...papers.auths, bytes];
  await openTrust(papers.root, auths, papers.trust);
  step.state = { ...step.state, papers: { ...papers, auths } };
}

/**
 * Adopt one newer TRUST list, or catch up with a chain; the adopted number.
 * @param {Step} step @param {Uint8Array[]} chain
 * @returns {Promise<number>}
 */
export async function adoptTrust(step, chain) {
  const { trust } = step.element;
  const lists = await Promise.all(chain.map((item) => openSigned("TRUST", item, trust.network)));
  return believe(step, await adoptChain(trust, lists));
}

/** @param {Step} step @param {any} view A trust view, the same or newer. @returns {number} */
function believe(step, view) {
  if (view !== step.element.trust) {
    step.state = {
      ...step.state,
      trustSequence: view.sequence,
      timeFloor: Math.max(step.state.timeFloor, view.issued),
      papers: { ...step.state.papers, trust: view.chain.map(envelopeOf) },
    };
  }
  return view.sequence;
}

/** @param {Step} step @param {Uint8Array} message @returns {Promise<number>} */
export async function readTrustMessage(step, message) {
  return believe(step, await takeLists(message, step.element.trust));
}

/** @param {Step} step @param {number} sequence @returns {Promise<Uint8Array>} */
export async function trustMessage(step, sequence) {
  await network(step);
  return bytesOfLists(step.element.trust.chainAfter(sequence));
}

/** @param {Step} step @param {number} sequence @returns {Promise<Uint8Array[]>} */
export async function trustNewerThan(step, sequence) {
  const { trust } = step.element;
  return trust ? trust.chainAfter(sequence).map(envelopeOf) : [];
}

/** @param {Step} step @returns {Promise<Uint8Array>} */
export async function certificate(step) {
  if (!step.element.certificate) {
    throw wrongStatus(NEW);
  }
  return step.state.papers.certificate;
}

/** @param {Step} step @param {any} found @param {any} trust */
async function checkOwn(step, found, trust) {
  const own = step.element.kid;
  if (!sameBytes(found.record.kid, own)) {
    throw new TengeError("E_CERTIFICATE_KEY", { kid: hex(found.record.kid), own: hex(own) });
  }
  await checkCertificate(found, trust);
}

/** @param {Step} step @returns {Promise<Uint8Array>} */
export async function network(step) {
  if (!step.element.trust) {
    throw wrongStatus(NEW);
  }
  return step.network;
}
