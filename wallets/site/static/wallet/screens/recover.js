// @ts-check
/** A lost wallet: the code of the bank, what comes back and what does not, and what the old browser is told. */

import { money, moment, short } from "../format.js";
import { offeredBy, takeOver } from "../recovering.js";
import { t } from "../text.js";
import { actionForm, announce, field, fill, h, heading } from "../view.js";
import { fillBanks, languages } from "./join.js";

/** @param {any} app */
export async function recover(app) {
  const body = h("div", { class: "join" });
  fill(body, codeForm(app, body));
  return body;
}

/** @param {any} app @param {HTMLElement} body */
function codeForm(app, body) {
  const given = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
  const bank = h("select", { name: "bank" }, h("option", { value: given.get("bank") ?? "1" }, "…"));
  fillBanks(app, bank, given.get("bank") ?? "1");
  const code = h("input", {
    name: "code",
    value: given.get("recover") ?? "",
    autocomplete: "off",
    autocapitalize: "characters",
    required: true,
  });
  const name = h("input", { name: "name", maxlength: "40", autocomplete: "off" });
  return [
    languages(app),
    heading(t("I lost my wallet")),
    h(
      "p",
      {},
      t(
        "Go to your bank with the document that the account was opened with. The bank freezes the lost wallet and gives you a recovery code. This browser makes a new key, and the money comes to it.",
      ),
    ),
    actionForm(
      { action: t("Look what comes back"), busy: t("Looking …"), name: "recover" },
      [
        field(t("Recovery code from the bank"), code, t("Ten letters and digits.")),
        field(t("Bank"), bank),
        field(t("Name of this wallet"), name, t("Only you see it.")),
      ],
      async (values) => {
        const offered = await offeredBy(app.wallet, values.code, Number(values.bank));
        show(app, body, offered, values.name.trim());
      },
    ),
    h("p", {}, h("a", { href: "#/" }, t("I have a code for a new wallet instead"))),
  ];
}

/** @param {any} app @param {HTMLElement} body @param {any} offered @param {string} name @param {string} [news] */
function show(app, body, offered, name, news = "") {
  const title = heading(t("What comes back"));
  fill(
    body,
    title,
    news ? h("p", { class: "notice", role: "status" }, news) : null,
    h(
      "dl",
      { class: "pair" },
      row(t("To this wallet, now"), money(offered.amountTiyn), "comes", offered.amountTiyn),
      row(t("Offline, on the lost device"), money(offered.offlineTiyn), "offline", offered.offlineTiyn),
      offered.lockedTiyn ? row(t("Behind locks"), money(offered.lockedTiyn), "locked", offered.lockedTiyn) : null,
    ),
    offered.done ? h("p", {}, t("This recovery is complete already.")) : null,
    h("ul", {}, promises(offered, app.wallet.now())),
    actionForm({ action: t("Take the wallet over"), busy: t("Taking over …"), name: "takeOver" }, [], () =>
      finish(app, body, offered, name),
    ),
  );
  title.focus();
}

/** @param {string} title @param {string} text @param {string} name @param {number} tiyn */
function row(title, text, name, tiyn) {
  return h("div", {}, h("dt", {}, title), h("dd", { "data-of": name, "data-tiyn": tiyn }, text));
}

/** What is true of every recovery, and of this one. @param {any} offered @param {number} now Virtual seconds. */
function promises({ offlineTiyn, offlineCloses, lockedTiyn, ready }, now) {
  return [
    offlineTiyn
      ? t(
          "The lost device is blocked for ever. What is unspent on it comes to this wallet when its notes close, at the latest {date}; what was spent does not come back.",
          { date: moment(offlineCloses) },
        )
      : t("No offline money is known to be on a lost device."),
    lockedTiyn ? t("Money behind a lock that names the lost key stays where it is.") : null,
    t("Phone numbers that led to the lost wallet lead to this one."),
    t("History, contacts and names stay in the lost browser."),
    t("The lost wallet can pay nothing any more, and your other wallets are free again."),
    ready > now ? t("It may be completed from {date} on.", { date: moment(ready) }) : null,
  ].map((text) => (text ? h("li", {}, text) : null));
}

/** @param {any} app @param {HTMLElement} body @param {any} offered @param {string} name */
async function finish(app, body, offered, name) {
  let amountTiyn = 0;
  try {
    amountTiyn = await takeOver(app.wallet, offered, name);
  } catch (error) {
    if (/** @type {any} */ (error).code !== "E_SIG") {
      throw error;
    }
    const again = await offeredBy(app.wallet, offered.code, offered.bankId);
    show(app, body, again, name, t("Something came to the lost wallet meanwhile. Look again."));
    return;
  }
  history.replaceState(null, "", `${location.pathname}${location.search}#/`);
  app.listenAgain?.();
  await app.refresh();
  await app.draw();
  announce(t("{amount} came back.", { amount: money(amountTiyn) }));
}

/** What the old browser shows from its next question on. @param {any} app */
export async function replaced(app) {
  const { limits } = await app.store.get("meta", "account");
  return h(
    "div",
    { class: "replaced", "data-successor": limits.successor },
    heading(t("This wallet was replaced")),
    h("p", {}, t("Your bank gave its money to a new wallet, {kid}.", { kid: short(limits.successor) })),
    h(
      "p",
      {},
      t(
        "This one holds nothing and can pay nothing any more. What was taken offline in this browser is blocked and comes to the new wallet when its notes close.",
      ),
    ),
    h("p", {}, t("If you did not ask for this, go to your bank now.")),
    h("p", {}, h("a", { href: "#/history" }, t("History of this wallet"))),
  );
}
