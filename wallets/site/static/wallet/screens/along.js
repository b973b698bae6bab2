// @ts-check
/** Money on this device: take along, limits, sync, send home; and what a browser is as a device. */

import { DOUBLE_SPEND, verifyEvidence } from "../../protocol/evidence.js";
import { money, moment, readAmount } from "../format.js";
import { saveFile } from "../qr.js";
import { t } from "../text.js";
import {
  actionButton,
  actionForm,
  amountInput,
  announce,
  field,
  fill,
  formError,
  h,
  heading,
  refusal,
} from "../view.js";
import { follow } from "./home.js";
import { moneyChoice } from "./pay.js";

/** @param {any} app */
export async function along(app) {
  const body = h("div", { class: "along" });
  const summary = h("section", { "aria-label": t("On this device") });
  const proofs = evidence(app, app.wallet.settings.device);
  const draw = async () => {
    const status = app.pocket.ready ? await app.pocket.status() : null;
    proofs.hidden = status?.state !== "blocked";
    fill(summary, device(app, status));
  };
  const kinds = await moneyChoice(app);
  fill(
    body,
    heading(t("Take along")),
    h("p", {}, t("Money on this device can be paid with no network, from device to device, by QR codes.")),
    summary,
    proofs,
    actionForm(
      { action: t("Take along"), busy: t("Taking along …"), name: "load" },
      [field(t("Amount, tenge"), amountInput("amount")), kinds],
      async (values, form) => {
        const amountTiyn = readAmount(values.amount);
        if (!amountTiyn) {
          throw formError(t("Write an amount above zero, like 1 250.50."));
        }
        await app.pocket.takeAlong(amountTiyn, values.mark ?? "");
        form.reset();
        announce(t("{amount} are on this device.", { amount: money(amountTiyn) }));
        app.changed();
      },
    ),
    h(
      "div",
      { class: "row" },
      h("a", { class: "button", href: "#/ask" }, t("Receive offline")),
      h("a", { class: "button", href: "#/scan" }, t("Pay or receive by scanning")),
    ),
    home(app),
    h(
      "p",
      { class: "note" },
      t(
        "A browser is a device of the lowest tier: it has no secure element, so whoever copies this browser's profile copies the money, and pays for it. Small limits, and three hops by default.",
      ),
    ),
  );
  await draw();
  follow(body, draw);
  return body;
}

/** @param {any} app @param {any} status */
function device(app, status) {
  if (!status) {
    return [
      h(
        "p",
        { class: "empty" },
        t(
          "This browser is no offline device yet. It becomes one with the first money you take along, or here:",
        ),
      ),
      actionButton(t("Make it a device"), async () => {
        await app.pocket.enable();
        app.draw();
      }),
    ];
  }
  const { left, limits } = status;
  return [
    h(
      "p",
      { class: "sum", id: "device-balance", "data-tiyn": status.balanceTiyn },
      money(status.balanceTiyn),
    ),
    stateWarning(status),
    h(
      "dl",
      {},
      left && limits
        ? [
            row(t("Most for one payment now"), money(left.paymentTiyn)),
            row(t("Left to pay until the next sync"), money(left.outTiyn)),
            row(t("Payments left until the next sync"), String(left.count)),
            row(t("May still be taken in"), money(left.inTiyn)),
            row(t("Hops at most"), String(limits.maxHops)),
          ]
        : null,
      row(t("Last sync"), status.syncTime ? moment(status.syncTime) : t("never")),
      status.payUntil ? row(t("Pays until"), moment(status.payUntil)) : null,
      row(t("Waits for a sync"), String(status.outbox)),
      status.inbox
        ? [h("dt", {}, t("Inbox")), h("dd", {}, h("a", { href: "#/inbox" }, String(status.inbox)))]
        : null,
    ),
  ];
}

/** @param {string} name @param {string} value */
const row = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

/** @param {any} status */
function stateWarning(status) {
  if (status.state === "rolled back") {
    return refusal({ code: "E_DEVICE_ROLLBACK", facts: { step: "?", seen: "?" } });
  }
  if (status.state === "blocked") {
    return h(
      "p",
      { class: "warning", role: "alert" },
      t(
        "The bank has blocked this device: it can only send money home and sync. Money was spent twice with its key, or it was reported lost.",
      ),
    );
  }
  if (status.lost?.length) {
    return h(
      "p",
      { class: "warning", role: "alert" },
      t(
        "This browser had a device before and lost it. Report it lost to your bank; what it had not spent comes back.",
      ),
    );
  }
  return null;
}

/** The proofs against this device, checked here with ROOT alone. @param {any} app @param {string} kid */
function evidence(app, kid) {
  const place = h("ul", { class: "evidence" });
  return h(
    "div",
    {},
    actionButton(t("See the evidence"), async () => {
      const files = await app.pocket.evidenceAgainst(kid);
      const verdicts = await Promise.all(
        files.map((/** @type {Uint8Array} */ file) => verdictOf(file, app.wallet.root)),
      );
      fill(
        place,
        verdicts.length
          ? verdicts.map((/** @type {any} */ verdict, /** @type {number} */ number) =>
              h("li", {}, verdict, " ", saveButton(files[number], number)),
            )
          : h("li", {}, t("There is no proof against this device.")),
      );
    }),
    place,
  );
}

/** @param {Uint8Array} file @param {Uint8Array} root @returns {Promise<string>} */
async function verdictOf(file, root) {
  try {
    const { type, amountTiyn } = await verifyEvidence(file, root);
    return type === DOUBLE_SPEND
      ? t("Two signed payments of the same money, {amount}: proven.", { amount: money(amountTiyn) })
      : t("Two signed statements that contradict each other: proven.");
  } catch (error) {
    const { code, facts } = /** @type {any} */ (error);
    if (code !== "E_EVIDENCE_ELSEWHERE") {
      throw error;
    }
    return t("A proof of type E{type}, which this page does not check; anybody can, with ROOT.", facts);
  }
}

/** @param {Uint8Array} file @param {number} number */
function saveButton(file, number) {
  const button = h(
    "button",
    { type: "button", class: "quiet" },
    t("Save file {number}", { number: number + 1 }),
  );
  button.addEventListener("click", () =>
    saveFile(new Blob([/** @type {BlobPart} */ (file)]), `evidence-${number + 1}.bin`),
  );
  return button;
}

/** @param {any} app */
function home(app) {
  const said = h("p", { role: "status" });
  return h(
    "section",
    { "aria-labelledby": "back-online" },
    h("h2", { id: "back-online" }, t("Back online")),
    h(
      "div",
      { class: "row" },
      actionButton(t("Sync"), async () => {
        const done = await app.pocket.sync();
        await app.pocket.fetchNotes().catch(() => undefined);
        said.textContent = done.blocked ? t("Synced. The bank has blocked this device.") : t("Synced.");
        app.changed();
        app.refreshSoon();
      }),
      actionButton(t("Send everything home"), async () => {
        const { amountTiyn } = await app.pocket.sendHome();
        said.textContent = t("{amount} are on their way to your wallet.", { amount: money(amountTiyn) });
        app.changed();
        app.refreshSoon();
      }),
    ),
    said,
  );
}
