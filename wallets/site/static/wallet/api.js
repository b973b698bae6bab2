// @ts-check
/**
 * The institutions behind HTTP, as documented in `docs/http.md`: answers are JSON, what is judged is canonical bytes,
 * refusals are problems. Nothing is repeated here; ids make repeating safe, and the caller's.
 */

import { TengeError, hex, holderProof } from "./core.js";
import { language } from "./text.js";

const TIMEOUT_MILLISECONDS = 15_000;

/** What a refusal is: said by a rule, not a failure on the way. @param {any} error */
export function isVerdict(error) {
  return error instanceof TengeError && !isUnavailable(error);
}

/** Whether the same request may succeed later without any change. @param {any} error */
export function isUnavailable(error) {
  const { family, code } = /** @type {any} */ (error ?? {});
  return (
    family === "unavailable" || ["E_PEER_DOWN", "E_PEER_ANSWER", "E_HTTP_RATE", "E_INTERNAL"].includes(code)
  );
}

/** @param {any} body A problem. @returns {TengeError} */
export function problemOf(body) {
  if (typeof body?.code !== "string") {
    return new TengeError("E_PEER_ANSWER", { answer: "problem" });
  }
  const error = new TengeError(body.code, body.facts ?? {});
  return Object.assign(error, {
    sentence: body.detail ?? "",
    next: body.next ?? "",
    rule: body.rule ?? "",
    family: body.family ?? "",
  });
}

/** The interface as one wallet sees it. `signer` and `network` are known once the wallet has joined. */
export class Api {
  /** @type {any} */
  signer = null;
  /** @type {Uint8Array | null} */
  network = null;

  /** Read. `proven` shows that the holder of the key asks. @param {string} path @param {boolean} [proven] */
  async get(path, proven = false) {
    return this.#ask(path, { headers: proven ? await this.#proof("GET", path) : {} });
  }

  /** Hand in canonical bytes. @param {string} path @param {Uint8Array} body */
  post(path, body) {
    const headers = { "Content-Type": "application/octet-stream" };
    return this.#ask(path, { method: "POST", headers, body: /** @type {BodyInit} */ (body) });
  }

  /** @param {string} method @param {string} path */
  async #proof(method, path) {
    const now = Math.floor(Date.now() / 1000);
    const network = /** @type {Uint8Array} */ (this.network);
    const bytes = await holderProof(`${method} ${path}`, now, network, this.signer);
    const text = btoa(String.fromCharCode(...bytes));
    return { "Tenge-Proof": text.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "") };
  }

  /** @param {string} path @param {any} options @returns {Promise<any>} */
  async #ask(path, options) {
    const headers = { "Accept-Language": language(), ...options.headers };
    if (this.signer) {
      headers["Tenge-Wallet"] = hex(this.signer.kid);
    }
    const signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    let answer;
    let body;
    try {
      answer = await fetch(path, { ...options, headers, signal, cache: "no-store", credentials: "omit" });
      body = await answer.json();
    } catch (error) {
      const detail = error instanceof Error ? error.name : "no answer";
      throw new TengeError(
        answer ? "E_PEER_ANSWER" : "E_PEER_DOWN",
        answer ? { answer: path.slice(0, 60) } : { address: location.origin, detail },
      );
    }
    if (!answer.ok) {
      throw problemOf(body);
    }
    return body;
  }
}
