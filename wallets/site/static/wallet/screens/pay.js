// @ts-check
/** Paying online: by request, phone number, contact or key; and the screen that takes anything in. */

import { lookUp } from "../aliases.js";
import { hex, randomBytes } from "../core.js";
import { money, readAmount, short } from "../format.js";
import { marksOf } from "../names.js";
import { checkRequest } from "../request.js";
import { scanPanel } from "../scan.js";
import { t } from "../text.js";
import { actionForm, amountInput, announce, field, fill, formError, h, heading } from "../view.js";
import { take } from "./taking.js";

/** Everything that can be scanned. @param {any} app */
export async function scan(app) {
  return h(
    "div",
    {},
    heading(t("Scan")),
    h(
      "p",
      {},
      t("A request, an offline invoice or payment, a receipt, a bank's code: the wallet knows which it is."),
    ),
    scanPanel((found) => take(app, found)),
  );
}

/** @param {any} app @param {string} argument A request's text, a key id, or nothing. */
export async function pay(app, argument) {
  const found = app.found;
  app.found = null;
  const body = h("div", { class: "pay" });
  if (found?.kind === "request") {
    checkRequest(found.request, app.wallet.network, app.wallet.now());
    const { payee, amountTiyn, memo } = found.request;
    await details(app, body, { kid: hex(payee), amountTiyn, words: memo, request: found.text });
  } else if (found?.kind === "asked") {
    await details(app, body, found.payment);
  } else if (found?.kind === "key" || /^[0-9a-f]{64}$/.test(argument)) {
    await details(app, body, {
      kid: found?.kid ?? argument,
      amountTiyn: found?.amountTiyn ?? 0,
      words: found?.words ?? "",
      request: "",
    });
  } else {
    await whom(app, body);
  }
  return body;
}

/** Whom to pay. @param {any} app @param {HTMLElement} body */
async function whom(app, body) {
  const contacts = await app.store.all("contacts");
  const known = contacts.filter((/** @type {any} */ one) => one.kid || one.alias);
  fill(
    body,
    heading(t("Pay")),
    actionForm(
      { action: t("Continue"), name: "whom" },
      [
        field(
          t("Phone number, request, link or key"),
          h("input", { name: "whom", autocomplete: "off", required: true, maxlength: "600" }),
          t("Like +7 701 000 11 22"),
        ),
      ],
      async ({ whom: text }) => {
        const { Recogniser } = await import("../recognise.js");
        await take(app, /** @type {any} */ (new Recogniser().take(text)), (next) => details(app, body, next));
      },
    ),
    known.length
      ? h(
          "section",
          {},
          h("h2", {}, t("Contacts")),
          h(
            "ul",
            { class: "list" },
            known.map((/** @type {any} */ one) => h("li", {}, contactButton(app, body, one))),
          ),
        )
      : null,
    h("h2", {}, t("Or scan")),
    scanPanel((one) => take(app, one, (next) => details(app, body, next)), {
      typed: t("Or paste a request"),
    }),
  );
}

/** @param {any} app @param {HTMLElement} body @param {any} contact */
function contactButton(app, body, contact) {
  const button = h("button", { type: "button", class: "row-button" }, contact.name);
  button.addEventListener("click", async () => {
    const kid = contact.kid || (await lookUp(app.wallet, contact.alias));
    await details(app, body, { kid, amountTiyn: 0, words: "", request: "", name: contact.name });
  });
  return button;
}

/**
 * The amount, the kind of money, and the confirmation.
 * @param {any} app @param {HTMLElement} body
 * @param {{ kid: string, amountTiyn: number, words: string, request: string, name?: string,
 *   freeOnly?: boolean }} payment A request of the board is paid with free money only.
 */
export async function details(app, body, payment) {
  let id = hex(randomBytes(32));
  const name = payment.name ?? (await app.nameOf(payment.kid));
  const kinds = payment.freeOnly ? null : await moneyChoice(app);
  const fixed = payment.amountTiyn > 0 && payment.request;
  const amount = amountInput("amount", {
    value: payment.amountTiyn ? String(payment.amountTiyn / 100) : "",
    readonly: Boolean(fixed),
  });
  fill(
    body,
    heading(t("Pay {name}", { name })),
    h("p", { class: "key" }, t("Key {key}", { key: short(payment.kid) })),
    payment.request && payment.words ? h("p", { class: "memo" }, payment.words) : null,
    actionForm(
      { action: t("Pay now"), busy: t("Paying …"), name: "pay" },
      [
        field(t("Amount, tenge"), amount),
        kinds,
        field(
          t("Note for yourself"),
          h("input", { name: "words", value: payment.words, maxlength: "140", autocomplete: "off" }),
        ),
      ],
      async (values) => {
        const amountTiyn = readAmount(values.amount);
        if (!amountTiyn) {
          throw formError(t("Write an amount above zero, like 1 250.50."));
        }
        id = await app.wallet.idForNextTry(id);
        const wish = {
          id,
          kid: payment.kid,
          amountTiyn,
          mark: values.mark ?? "",
          words: values.words,
          request: payment.request,
        };
        const line = await payToppingUp(app, wish);
        announce(t("Paid {amount}.", { amount: money(amountTiyn) }));
        app.go(`line/${line.id}`);
        app.refreshSoon();
      },
    ),
  );
  body.querySelector("h1")?.focus();
  (fixed ? null : amount)?.focus();
}

/** Pay; what is missing comes from the deposit where the person allowed it. @param {any} app @param {any} wish */
export async function payToppingUp(app, wish) {
  if (!wish.mark) {
    await topUpMissing(app, wish.amountTiyn);
  }
  return app.wallet.pay(wish);
}

/**
 * Take what free money lacks for an amount from the deposit, where the person allowed it.
 * @param {any} app @param {number} amountTiyn
 */
export async function topUpMissing(app, amountTiyn) {
  const { wallet } = app;
  const free = (await wallet.balances()).find((/** @type {any} */ row) => row.mark === "").freeTiyn;
  const missingTiyn = amountTiyn - free;
  if (missingTiyn > 0 && wallet.settings.topUpWhenPaying) {
    await wallet.topUp({ id: hex(randomBytes(32)), amountTiyn: missingTiyn });
    await wallet.refresh();
  }
}

/** Which money: free, or marked for a purpose; null where there is only free money. @param {any} app */
export async function moneyChoice(app) {
  const marked = (await app.wallet.balances()).filter((/** @type {any} */ row) => row.mark && row.freeTiyn);
  if (!marked.length) {
    return null;
  }
  const marks = await marksOf(app);
  return field(
    t("Which money"),
    h(
      "select",
      { name: "mark" },
      h("option", { value: "" }, t("Free money")),
      marked.map((/** @type {any} */ row) =>
        h("option", { value: row.mark }, `${marks.get(row.mark)?.label} (${money(row.freeTiyn)})`),
      ),
    ),
  );
}
