// @ts-check
/** The first visit: a bank's code makes this browser a wallet of the account. */

import { titleIn } from "../names.js";
import { LANGUAGES, keepLanguage, language, speak, t } from "../text.js";
import { actionForm, field, fill, h, heading } from "../view.js";

/** @param {any} app */
export async function join(app) {
  const given = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
  const code = given.get("join") ?? "";
  // Until the titles are there, the bank of the link is chosen: who is fast joins the right one.
  const wanted = given.get("bank") ?? "1";
  const bank = h("select", { name: "bank" }, h("option", { value: wanted }, "…"));
  fillBanks(app, bank, wanted);
  const wished = new URLSearchParams(location.search).get("as") ?? "";
  return h(
    "div",
    { class: "join" },
    languages(app),
    heading(t("Set up this wallet")),
    h(
      "p",
      {},
      t("Your bank gives you a code. The wallet makes its own key in this browser; the key never leaves it."),
    ),
    actionForm(
      { action: t("Join"), busy: t("Joining …"), name: "join" },
      [
        field(
          t("Code from the bank"),
          h("input", {
            name: "code",
            value: code,
            autocomplete: "off",
            autocapitalize: "characters",
            required: true,
          }),
          t("Ten letters and digits."),
        ),
        field(t("Bank"), bank),
        field(
          t("Name of this wallet"),
          h("input", { name: "name", maxlength: "40", value: wished, autocomplete: "off" }),
          t("Only you see it."),
        ),
      ],
      async (values) => {
        await app.wallet.join(values.code, Number(values.bank), values.name.trim());
        history.replaceState(null, "", `${location.pathname}${location.search}#/`);
        app.listenAgain?.();
        await app.refresh();
        await app.draw();
      },
    ),
    h(
      "p",
      { class: "note" },
      t("This is a sandbox with test money. A browser has no secure element: keep only small sums in it."),
    ),
    h("p", {}, h("a", { href: "#/recover" }, t("I lost my wallet"))),
    h("p", {}, h("a", { href: "#/about" }, t("What this wallet is and is not"))),
  );
}

/** @param {any} app @param {HTMLSelectElement} select @param {string} chosen */
export async function fillBanks(app, select, chosen) {
  try {
    const { banks } = await app.wallet.api.get("/v1/bank-titles");
    fill(
      select,
      banks.map((/** @type {any} */ bank) =>
        h(
          "option",
          { value: bank.bank_id, selected: String(bank.bank_id) === chosen },
          titleIn(bank.titles, bank.name),
        ),
      ),
    );
  } catch {
    fill(select, h("option", { value: chosen }, t("Bank {number}", { number: chosen })));
  }
}

/** @param {any} app */
export function languages(app) {
  const buttons = Object.entries(LANGUAGES).map(([name, own]) => {
    const button = h(
      "button",
      { type: "button", class: "quiet", lang: name, "aria-pressed": String(language() === name) },
      own,
    );
    button.addEventListener("click", async () => {
      keepLanguage(name);
      await speak(name);
      app.draw();
    });
    return button;
  });
  return h("div", { class: "row languages", role: "group", "aria-label": t("Language") }, buttons);
}
