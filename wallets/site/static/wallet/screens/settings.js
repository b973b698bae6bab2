// @ts-check
/** Deposit and wallet, limits, marked money, settings, and what this wallet is. */

import { claimNumber, removeNumber } from "../aliases.js";
import { exportWallet, importWallet } from "../backup.js";
import { hex, randomBytes } from "../core.js";
import { money as tenge, readAmount, short } from "../format.js";
import { bankName, marksOf } from "../names.js";
import { qrPanel, saveFile } from "../qr.js";
import { t } from "../text.js";
import {
  actionButton,
  actionForm,
  amountInput,
  announce,
  empty,
  field,
  formError,
  h,
  heading,
  refusal,
} from "../view.js";
import { languages } from "./join.js";

/** @param {string} text */
function needAmount(text) {
  const amountTiyn = readAmount(text);
  if (!amountTiyn) {
    throw formError(t("Write an amount above zero, like 1 250.50."));
  }
  return amountTiyn;
}

/** @param {string} name @param {any} value */
const row = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

// --- deposit and wallet ---

/** @param {any} app */
export async function money(app) {
  const account = await app.store.get("meta", "account");
  const { settings } = app.wallet;
  /** @param {"topUp" | "cashBack"} what @param {string} action @param {string} done */
  const mover = (what, action, done) => {
    let id = hex(randomBytes(32));
    return actionForm(
      { action, name: what },
      [field(t("Amount, tenge"), amountInput("amount"))],
      async ({ amount }) => {
        const amountTiyn = needAmount(amount);
        id = await app.wallet.idForNextTry(id);
        await app.wallet[what]({ id, amountTiyn });
        id = hex(randomBytes(32));
        announce(done);
        await app.refresh();
        app.go("");
      },
    );
  };
  return h(
    "div",
    {},
    heading(t("Deposit and wallet")),
    h(
      "dl",
      {},
      row(t("Deposit at {bank}", { bank: bankName(app.wallet) }), account ? tenge(account.depositTiyn) : "…"),
    ),
    h("h2", {}, t("From the deposit into the wallet")),
    mover("topUp", t("Top up"), t("Topped up.")),
    h("h2", {}, t("From the wallet back to the deposit")),
    mover("cashBack", t("Send back"), t("Sent back.")),
    h("h2", {}, t("By itself")),
    topUpRules(app, settings),
  );
}

/** @param {any} app @param {any} settings */
function topUpRules(app, settings) {
  const { belowTiyn = 0, toTiyn = 0 } = settings.topUpRule ?? {};
  const asked = h("input", {
    type: "checkbox",
    name: "paying",
    id: "top-up-paying",
    checked: Boolean(settings.topUpWhenPaying),
  });
  return actionForm(
    { action: t("Keep"), name: "rules" },
    [
      h(
        "p",
        { class: "check" },
        asked,
        " ",
        h(
          "label",
          { for: "top-up-paying" },
          t("When a payment needs more, take what is missing from the deposit"),
        ),
      ),
      field(
        t("When less than this is left, tenge"),
        amountInput("below", { required: false, value: belowTiyn ? String(belowTiyn / 100) : "" }),
      ),
      field(
        t("fill up to this, tenge"),
        amountInput("to", { required: false, value: toTiyn ? String(toTiyn / 100) : "" }),
        t("Works while the wallet is open. Leave both empty to switch it off."),
      ),
    ],
    async ({ paying, below, to }) => {
      const rule =
        below.trim() || to.trim() ? { belowTiyn: needAmount(below), toTiyn: needAmount(to) } : null;
      if (rule && rule.toTiyn <= rule.belowTiyn) {
        throw formError(t("The second amount must be larger than the first."));
      }
      await app.wallet.set({ topUpWhenPaying: Boolean(paying), topUpRule: rule });
      announce(t("Kept."));
      await topUpByRule(app);
    },
  );
}

/** Fill the wallet up where the person's rule says so. @param {any} app */
export async function topUpByRule(app) {
  const rule = app.wallet.settings.topUpRule;
  const [{ freeTiyn, heldTiyn }] = await app.wallet.balances();
  const open = (await app.wallet.openIntents()).some((/** @type {any} */ intent) => intent.kind === "fund");
  if (rule && !open && freeTiyn + heldTiyn < rule.belowTiyn) {
    await app.wallet.topUp({ id: hex(randomBytes(32)), amountTiyn: rule.toTiyn - freeTiyn - heldTiyn });
    await app.wallet.refresh();
  }
}

// --- limits ---

/** @param {any} app */
export async function limits(app) {
  const account = await app.store.get("meta", "account");
  const found = account?.limits;
  const device = app.pocket.ready ? await app.pocket.status() : null;
  return h(
    "div",
    {},
    heading(t("Limits")),
    found
      ? h(
          "section",
          {},
          h("h2", {}, t("Online")),
          found.frozen
            ? h(
                "p",
                { class: "warning", role: "alert" },
                t("This wallet is frozen by order {order}.", { order: found.frozen }),
              )
            : null,
          bar(t("Held in the wallet"), found.holding_tiyn, found.holding_limit_tiyn),
          bar(t("Paid today"), found.paid_today_tiyn, found.day_limit_tiyn),
          found.periods.map((/** @type {any} */ one) =>
            bar(
              one.period === "month" ? t("Paid this month") : t("Paid this year"),
              one.paid_tiyn,
              one.limit_tiyn,
            ),
          ),
          h(
            "dl",
            {},
            row(
              t("Most for one payment"),
              found.payment_limit_tiyn ? tenge(found.payment_limit_tiyn) : t("no limit"),
            ),
          ),
        )
      : empty(t("Not known yet; the wallet asks when there is a network.")),
    device?.limits
      ? h(
          "section",
          {},
          h("h2", {}, t("On this device")),
          bar(t("Held on the device"), device.balanceTiyn, device.limits.maxBalanceTiyn),
          bar(
            t("Paid offline since the last sync"),
            device.limits.maxOutTiyn - device.left.outTiyn,
            device.limits.maxOutTiyn,
          ),
          h(
            "dl",
            {},
            row(t("Most for one payment"), tenge(device.limits.maxPaymentTiyn)),
            row(t("Hops at most"), String(device.limits.maxHops)),
          ),
        )
      : null,
    h("p", { class: "note" }, t("The numbers are this sandbox's assumptions, not the National Bank's.")),
  );
}

/** @param {string} name @param {number} used @param {number} limit */
function bar(name, used, limit) {
  const left = Math.max(0, limit - used);
  return h(
    "div",
    { class: "limit" },
    h(
      "p",
      {},
      h("b", {}, name),
      " ",
      limit
        ? t("{used} of {limit}, {left} left", { used: tenge(used), limit: tenge(limit), left: tenge(left) })
        : t("{used}, no limit", { used: tenge(used) }),
    ),
    limit ? h("progress", { max: limit, value: Math.min(used, limit), "aria-label": name }) : null,
  );
}

/** One kind of marked money. @param {any} app @param {string} id */
export async function mark(app, id) {
  const found = (await marksOf(app)).get(id);
  const held = (await app.wallet.balances()).find((/** @type {any} */ one) => one.mark === id)?.freeTiyn ?? 0;
  let words = found?.words ?? [];
  try {
    words = (await app.wallet.api.get(`/v1/marks/${id}`)).words;
  } catch {
    // With no network the words of the last time are as good.
  }
  return h(
    "div",
    {},
    heading(found?.label ?? t("Marked money")),
    h("p", { class: "sum" }, tenge(held)),
    h("h2", {}, t("Its rule")),
    h(
      "ul",
      { class: "words" },
      words.map((/** @type {string} */ one) => h("li", {}, one)),
    ),
    h("p", { class: "note" }, t("The ledger refuses what the rule does not allow, whoever asks.")),
    h("a", { class: "button", href: "#/pay" }, t("Pay")),
  );
}

// --- settings ---

/** @param {any} app */
export async function settings(app) {
  const { member, kid } = app.wallet;
  return h(
    "div",
    { class: "settings" },
    heading(t("More")),
    member
      ? h(
          "ul",
          { class: "list links" },
          [
            ["contacts", t("Contacts")],
            ["limits", t("Limits")],
            ["money", t("Deposit and wallet")],
            ["requests", t("Requests to pay")],
            ["cards", t("Cards")],
            ["mandates", t("Automatic payments")],
            ["third", t("Third parties")],
            ["along", t("Take along")],
            ["till", t("Till of a shop")],
            ["lost", t("Lost or stolen")],
            ["inbox", t("Inbox")],
            ["about", t("What this wallet is and is not")],
          ]
            .filter(([route]) => route !== "inbox" || app.pocket.ready)
            .map(([route, label]) => h("li", {}, h("a", { href: `#/${route}` }, label))),
        )
      : null,
    h("h2", {}, t("Language")),
    languages(app),
    h("h2", {}, t("Colours")),
    themes(),
    member ? await own(app, member, kid) : null,
  );
}

function themes() {
  const names = /** @type {[string, string][]} */ ([
    ["auto", t("As the system")],
    ["light", t("Light")],
    ["dark", t("Dark")],
  ]);
  const buttons = names.map(([name, label]) => {
    const button = h(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-pressed": String((document.documentElement.dataset.theme ?? "auto") === name),
      },
      label,
    );
    button.addEventListener("click", () => {
      localStorage.setItem("tenge-theme", name);
      document.documentElement.dataset.theme = name;
      buttons.forEach((one, place) => one.setAttribute("aria-pressed", String(names[place][0] === name)));
    });
    return button;
  });
  return h("div", { class: "row", role: "group", "aria-label": t("Colours") }, buttons);
}

/** @param {any} app @param {any} member @param {string} kid */
async function own(app, member, kid) {
  return [
    h("h2", {}, t("This wallet")),
    h(
      "dl",
      {},
      row(t("Name"), member.name || "–"),
      row(t("Bank"), bankName(app.wallet)),
      row(t("Profile in this browser"), app.profile),
      row(t("Key"), short(kid)),
    ),
    h(
      "details",
      {},
      h("summary", {}, t("My key as a code")),
      qrPanel(kid, t("My key"), { name: "tenge-key" }),
    ),
    phone(app),
    atTheBank(),
    backup(app),
  ];
}

/** @param {any} app */
function phone(app) {
  const number = app.wallet.settings.phone;
  return h(
    "section",
    {},
    h("h2", {}, t("Phone number")),
    number
      ? [
          h("p", {}, t("Others pay you by {number}.", { number })),
          actionButton(
            t("Be found by it no more"),
            async () => {
              await removeNumber(app.wallet);
              app.draw();
            },
            "quiet",
          ),
        ]
      : actionForm(
          { action: t("Be found by this number"), name: "phone" },
          [
            field(
              t("My phone number"),
              h("input", { name: "number", type: "tel", autocomplete: "off", required: true }),
              t("Simulated: nobody checks that it is yours. Use a made-up one."),
            ),
          ],
          async (values) => {
            await claimNumber(app.wallet, values.number);
            announce(t("Kept."));
            app.draw();
          },
        ),
  );
}

function atTheBank() {
  return h(
    "section",
    {},
    h("h2", {}, t("At your bank")),
    h(
      "p",
      {},
      t(
        "The money of a lost wallet is the bank's: it lifts a freeze, and restores a wallet for whom it knows.",
      ),
    ),
    h("p", {}, h("a", { class: "button quiet", href: "/", rel: "noopener" }, t("Open my bank's page"))),
  );
}

/** @param {any} app */
function backup(app) {
  const file = h("input", { type: "file", name: "file", accept: ".tenge,text/plain", class: "backup-file" });
  return h(
    "section",
    {},
    h("h2", {}, t("Backup")),
    h(
      "p",
      {},
      t(
        "A backup has your history, contacts and offline claims. It has no key and no money: what it restores can be spent nowhere. The money of a lost wallet comes back through the bank.",
      ),
    ),
    actionForm(
      { action: t("Save a backup"), name: "backup" },
      [
        field(
          t("Passphrase"),
          h("input", { name: "passphrase", type: "password", autocomplete: "new-password" }),
          t("Leave it empty for an open file."),
        ),
      ],
      async ({ passphrase }) => {
        const bytes = await exportWallet(app, passphrase);
        saveFile(new Blob([/** @type {BlobPart} */ (bytes)]), "wallet.tenge");
        announce(t("Saved."));
      },
    ),
    actionForm(
      { action: t("Take a backup in"), name: "restore" },
      [
        field(t("File"), file),
        field(t("Its passphrase"), h("input", { name: "passphrase", type: "password", autocomplete: "off" })),
      ],
      async ({ passphrase }, form) => {
        if (!file.files.length) {
          throw formError(t("Choose a file first."));
        }
        const bytes = new Uint8Array(await file.files[0].arrayBuffer());
        const { lines, contacts } = await importWallet(app, bytes, passphrase);
        const said = t("Taken in: {lines} lines, {contacts} contacts.", { lines, contacts });
        announce(said);
        form.querySelector(".answer")?.replaceChildren(said);
        app.changed();
      },
    ),
  );
}

/** @param {any} app */
export async function about(app) {
  return h(
    "div",
    {},
    heading(t("What this wallet is and is not")),
    h(
      "ul",
      { class: "words" },
      [
        t(
          "It is part of a sandbox. The money is test money; nothing here is affiliated with the National Bank of Kazakhstan.",
        ),
        t("Its keys are made in this browser and cannot be taken out of it by any script."),
        t(
          "A browser has no secure element. Whoever copies the whole browser profile has a second copy of the money on the device; both cannot keep it, and settlement finds out whose key signed twice.",
        ),
        t("So a browser is a device of the lowest tier: small limits, and three hops by default."),
        t(
          "If this browser's data are deleted, the keys are gone. The bank can restore what was online; what was on the device comes back when its notes close.",
        ),
        t("The Kazakh and Russian texts were not reviewed by a native speaker."),
      ].map((one) => h("li", {}, one)),
    ),
    h("p", {}, h("a", { class: "button", href: app.wallet.member ? "#/" : "#/join" }, t("Back"))),
    app.problem ? refusal(app.problem) : null,
  );
}
