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
 * The device that stood here last, the number of its last step, and those of devices that stood here before it.
 * @typedef {{ kid: string, step: number, earlier: Record<string, number> }} Mark
 *
 * @typedef {object} Anchor
 * @property {(name: string) => Mark | null} read
 * @property {(name: string, kid: string, step: number) => void} write
 */

const PREFIX = "tenge-device-";

/** The anchor in localStorage. @type {Anchor} */
export const localAnchor = Object.freeze({
  read(/** @type {string} */ name) {
    try {
      const text = localStorage.getItem(PREFIX + name);
      return text ? { earlier: {}, ...JSON.parse(text) } : null;
    } catch {
      return null;
    }
  },
  write(/** @type {string} */ name, /** @type {string} */ kid, /** @type {number} */ step) {
    try {
      const before = localAnchor.read(name);
      const earlier =
        before && before.kid !== kid ? { ...before.earlier, [before.kid]: before.step } : before?.earlier;
      localStorage.setItem(PREFIX + name, JSON.stringify({ kid, step, earlier: earlier ?? {} }));
    } catch {
      // A full or forbidden localStorage costs this one protection, never the payment that is already on the disk.
    }
  },
});

/**
 * The highest step at which the device with this key was ever seen here.
 * @param {Mark | null} mark
 * @param {string} kid
 */
export function lastSeen(mark, kid) {
  return mark?.kid === kid ? mark.step : (mark?.earlier[kid] ?? 0);
}
