// @ts-check
/** Something is lost or stolen: the holder's devices, each with its report, and the freeze of everything. */

import { encode, holderProof, unhex } from "../core.js";
import { money, short } from "../format.js";
import { t } from "../text.js";
import { actionButton, announce, empty, h, heading, refusal } from "../view.js";

const LOST = 1;
const STOLEN = 2;
const WALLET_PURPOSE = "my wallet is lost";

/** What a holder says, just now. @param {any} app @param {string} purpose */
function word(app, purpose) {
  const { network, api } = app.wallet;
  return holderProof(purpose, Math.floor(Date.now() / 1000), network, api.signer);
}

/** Report one device. @param {any} app @param {string} kid @param {number} kind LOST or STOLEN. */
async function reportDevice(app, kid, kind) {
  const said = await word(app, `device ${kind === STOLEN ? "stolen" : "lost"} ${kid}`);
  await app.wallet.api.post("/v1/losses/devices", encode([unhex(kid), kind, said]));
  announce(t("Reported."));
  await app.draw();
}

/** @param {any} app */
export async function lost(app) {
  let list;
  try {
    const { devices } = await app.wallet.api.get(`/v1/keys/${app.wallet.kid}/devices`, true);
    list = devices.length
      ? h(
          "ul",
          { class: "list" },
          devices.map((/** @type {any} */ device) => deviceRow(app, device)),
        )
      : empty(t("No device of yours is known to the bank."));
  } catch (error) {
    list = refusal(error);
  }
  return h(
    "div",
    {},
    heading(t("Lost or stolen")),
    h(
      "p",
      {},
      t(
        "A reported device is blocked by the next list that all devices learn. What is unspent on it comes back when its notes close. A report cannot be taken back.",
      ),
    ),
    h("h2", {}, t("My devices")),
    list,
    h("h2", {}, t("The whole wallet")),
    h(
      "p",
      {},
      t(
        "Freezes all wallets of this account, this one too, and blocks all its devices. Only the bank can lift it.",
      ),
    ),
    h("details", {}, h("summary", {}, t("I want to freeze everything")), freezeButton(app)),
  );
}

/** @param {any} app @param {any} device */
function deviceRow(app, device) {
  const here = device.kid === app.wallet.settings.device;
  const name = here ? t("This device") : short(device.kid);
  const state = device.reported ? t("reported") : device.revoked ? t("blocked") : t("in order");
  const about = [state, t("{amount} known on it", { amount: money(device.known_unspent_tiyn) })].join(" · ");
  const buttons = [
    [LOST, t("Report lost"), t("Report {name} lost", { name })],
    [STOLEN, t("Report stolen"), t("Report {name} stolen", { name })],
  ].map(([kind, label, spoken]) => {
    const node = actionButton(String(label), () => reportDevice(app, device.kid, Number(kind)), "quiet");
    node.querySelector("button").setAttribute("aria-label", `${label}: ${spoken}`);
    return node;
  });
  return h(
    "li",
    { "data-kid": device.kid },
    h("span", {}, h("b", {}, name), " ", about),
    device.reported ? null : h("div", { class: "row" }, buttons),
  );
}

/** @param {any} app */
function freezeButton(app) {
  return actionButton(t("Freeze everything now"), async () => {
    await app.wallet.api.post("/v1/losses/wallets", await word(app, WALLET_PURPOSE));
    announce(t("Everything is frozen."));
    await app.refresh();
    app.go("limits");
  });
}
