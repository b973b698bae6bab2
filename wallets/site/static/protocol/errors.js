// @ts-check
/**
 * A refusal: a stable code and the facts of the case, named as the catalogue's sentences name them
 * (`docs/errors.md`). Facts are whole numbers and texts; bytes stand as hexadecimal texts.
 */
export class TengeError extends Error {
  /**
   * @param {string} code
   * @param {Record<string, unknown>} [facts]
   */
  constructor(code, facts = {}) {
    super(code);
    this.name = "TengeError";
    this.code = code;
    this.facts = facts;
  }
}
