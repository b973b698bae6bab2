// @ts-check
/**
 * The one place where the device meets the protocol code: what it uses of `../protocol`, under the names it uses.
 */
