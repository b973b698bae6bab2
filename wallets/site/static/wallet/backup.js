// @ts-check
/**
 * Backup of a wallet: history, contacts, settings, and what shows settlement who owns what offline. No key and no token
 * is in it, because the keys cannot leave the browser: a restored backup spends nothing. The money of a lost wallet
 * comes back through the bank.
 *
 * A file is one line that names it and JSON; with a passphrase the JSON is sealed (PBKDF2, AES-GCM).
 */

import { TengeError, hex, randomBytes, unhex } from "./core.js";

const HEADER = "tenge web wallet backup 1";
const ROUNDS = 600_000;
const MOST_BYTES = 1 << 25;

/** @param {string} problem */
const noBackup = (problem) => new TengeError("E_BACKUP", { problem });

/** @param {string} passphrase @param {Uint8Array} salt */
async function keyOf(passphrase, salt) {
  const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(passphrase), "PBKDF2", false, [
    "deriveKey",
  ]);
  const how = {
    name: "PBKDF2",
    hash: "SHA-256",
    salt: /** @type {BufferSource} */ (salt),
    iterations: ROUNDS,
  };
  return crypto.subtle.deriveKey(how, secret, { name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
}

/**
 * The backup as a file's bytes.
 * @param {any} app @param {string} passphrase "" for an open file.
 */
export async function exportWallet(app, passphrase) {
  const device = app.pocket.ready ? hex(await (await app.pocket.device()).exportBackup()) : "";
  const lines = (await app.store.all("history")).map((/** @type {any} */ { receipt, ...line }) => line);
  const content = {
    kid: app.wallet.kid,
    made: app.wallet.now(),
    settings: app.wallet.settings,
    contacts: await app.store.all("contacts"),
    lines,
    device,
  };
  const text = JSON.stringify(content);
  if (!passphrase) {
    return new TextEncoder().encode(`${HEADER}\n${JSON.stringify({ open: text })}`);
  }
  const [salt, nonce] = [randomBytes(16), randomBytes(12)];
  const how = { name: "AES-GCM", iv: /** @type {BufferSource} */ (nonce) };
  const sealed = await crypto.subtle.encrypt(
    how,
    await keyOf(passphrase, salt),
    new TextEncoder().encode(text),
  );
  const parts = { salt: hex(salt), nonce: hex(nonce), sealed: hex(new Uint8Array(sealed)) };
  return new TextEncoder().encode(`${HEADER}\n${JSON.stringify(parts)}`);
}

/**
 * Take a backup in: lines and contacts that are not here, and the offline claims. Raises E_BACKUP.
 * @param {any} app @param {Uint8Array} file @param {string} passphrase
 * @returns {Promise<{ lines: number, contacts: number }>}
 */
export async function importWallet(app, file, passphrase) {
  const content = await opened(file, passphrase);
  /** @type {any[]} */
  const changes = [];
  for (const contact of content.contacts) {
    changes.push(["contacts", String(contact.id), contact]);
  }
  let lines = 0;
  for (const line of content.lines) {
    if (!(await app.store.get("history", line.id))) {
      lines += 1;
      changes.push(["history", String(line.id), { ...line, restored: true }]);
    }
  }
  if (content.device) {
    await app.pocket.enable();
    await (await app.pocket.device()).importBackup(unhex(content.device));
  }
  if (changes.length) {
    await app.store.write(changes);
  }
  return { lines, contacts: content.contacts.length };
}

/** @param {Uint8Array} file @param {string} passphrase @returns {Promise<any>} */
async function opened(file, passphrase) {
  if (file.length > MOST_BYTES) {
    throw noBackup("it is too large");
  }
  const [header, ...rest] = new TextDecoder().decode(file).split("\n");
  if (header !== HEADER) {
    throw noBackup("it does not begin as one");
  }
  try {
    const parts = JSON.parse(rest.join("\n"));
    const content = JSON.parse(parts.open ?? (await unsealed(parts, passphrase)));
    if (!Array.isArray(content.contacts) || !Array.isArray(content.lines)) {
      throw noBackup("something is missing");
    }
    return content;
  } catch (error) {
    throw error instanceof TengeError
      ? error
      : noBackup(passphrase ? "the passphrase does not open it" : "it is sealed or damaged");
  }
}

/** @param {any} parts @param {string} passphrase */
async function unsealed({ salt, nonce, sealed }, passphrase) {
  const how = { name: "AES-GCM", iv: /** @type {BufferSource} */ (unhex(nonce)) };
  const key = await keyOf(passphrase, unhex(salt));
  return new TextDecoder().decode(
    await crypto.subtle.decrypt(how, key, /** @type {BufferSource} */ (unhex(sealed))),
  );
}
