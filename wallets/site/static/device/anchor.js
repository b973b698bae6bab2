// @ts-check
/**
 * A second memory of how far a device has come, so that an old copy of its database is recognised.
 *
 * After each step the number of the step and the device's key id are written to localStorage, which is kept apart
 * from IndexedDB. When the database is then found older than that number, somebody has put back an old state: its
 * coins may be spent, so the device stops for good (E_DEVICE_ROLLBACK). When the database is gone and the number is
 * not, the browser lost the device, and says which.
 *
 * What this cannot see: a copy of the whole profile, in which both memories are old. See `docs/browser-device.md`.
 */

/**
 * @typedef {{ kid: string, step: number }} Mark
 * @typedef {object} Anchor
 * @property {(name: string) => Mark | null} read
 * @property {(name: string, mark: Mark) => void} write
 */

const PREFIX = "tenge-device-";

/** The anchor in localStorage. @type {Anchor} */
export const localAnchor = Object.freeze({
  read(name) {
    try {
      const text = localStorage.getItem(PREFIX + name);
      return text ? JSON.parse(text) : null;
    } catch {
      return null;
    }
  },
  write(name, mark) {
    try {
      localStorage.setItem(PREFIX + name, JSON.stringify(mark));
    } catch {
      // A full or forbidden localStorage costs this one protection, never the payment that is already on the disk.
    }
  },
});
