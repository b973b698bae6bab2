// @ts-check
/** Automatic payments: who may collect out of my deposit, within which limits; how the wallet fills itself up. */

import { randomBytes, unhex } from "../core.js";
import { day, money, readAmount, short } from "../format.js";
import { standing } from "../consent.js";
import { keyOf } from "../names.js";
import { t } from "../text.js";
import { giveMandate, revokeMandate, sayTopUp } from "../waiting.js";
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
} from "../view.js";
import { asked } from "./asked.js";

const DAY_SECONDS = 86_400;
const PERIODS = /** @type {[number, () => string][]} */ ([
  [7, () => t("week")],
  [30, () => t("30 days")],
  [365, () => t("365 days")],
]);

/** @param {any} app */
export async function mandates(app) {
  const load = () => app.wallet.api.get(`/v1/keys/${app.wallet.kid}/mandates`, true);
  return h(
    "div",
    { class: "mandates" },
    heading(t("Automatic payments")),
    h(
      "p",
      {},
      t(
        "A payee whom you allow it collects out of your deposit, within the limits you sign. You end it at once.",
      ),
    ),
    asked(app, "mandates", load, ({ mandates: rows }) => lists(app, rows)),
    h("h2", {}, t("Allow a payee to collect")),
    form(app),
    h("h2", {}, t("Into my own wallet")),
    ownTopUp(app),
    h("h2", {}, t("What my bank does by itself")),
    asked(
      app,
      "bank rules",
      () => app.wallet.api.get(`/v1/keys/${app.wallet.kid}/bank-rules`, true),
      (rules) => bankRules(app, rules),
    ),
  );
}

/** @param {any} app @param {any[]} all */
async function lists(app, all) {
  const given = all.filter(({ payer }) => payer === app.wallet.kid);
  const got = all.filter(({ payer, payee }) => payer !== app.wallet.kid && payee === app.wallet.kid);
  return [
    h("h2", {}, t("Collected from me")),
    given.length
      ? h("ul", { class: "list" }, await Promise.all(given.map((row) => mandateRow(app, row, true))))
      : empty(t("Nobody may collect from you.")),
    got.length
      ? [
          h("h2", {}, t("Collected for me")),
          h("ul", { class: "list" }, await Promise.all(got.map((row) => mandateRow(app, row, false)))),
        ]
      : null,
  ];
}

/** @param {any} app @param {any} row @param {boolean} mine */
async function mandateRow(app, row, mine) {
  const name = await app.nameOf(mine ? row.payee : row.payer);
  const problem = standing(row.problem);
  const facts = [
    t("at most {amount} at once", { amount: money(row.payment_limit_tiyn) }),
    t("{used} of {limit} in {days} days, {payments} of {most} payments", {
      used: money(row.collected_tiyn),
      limit: money(row.period_limit_tiyn),
      days: Math.ceil(row.period_seconds / DAY_SECONDS),
      payments: row.payments,
      most: row.most_payments,
    }),
    problem || t("until {day}", { day: day(row.last) }),
  ];
  return h(
    "li",
    { class: "asking", "data-id": row.id, "data-problem": row.problem },
    h("span", {}, h("b", {}, name), " ", facts.join(" · ")),
    mine && row.problem !== "the payer revoked it" && row.problem !== "its time is over"
      ? endButton(app, row, name)
      : null,
  );
}

/** @param {any} app @param {any} row @param {string} name */
function endButton(app, row, name) {
  const act = async () => {
    await revokeMandate(app.wallet, row.id);
    announce(t("Ended."));
    app.changed();
  };
  const node = actionButton(t("End"), act, "quiet");
  const what = t("End the automatic payment to {name}", { name });
  node.querySelector("button").setAttribute("aria-label", `${t("End")}: ${what}`);
  return node;
}

/** @param {string} text */
function needAmount(text) {
  const amountTiyn = readAmount(text);
  if (!amountTiyn) {
    throw formError(t("Write an amount above zero, like 1 250.50."));
  }
  return amountTiyn;
}

/** @param {string} text @param {number} most */
function needNumber(text, most) {
  const number = /^\d{1,6}$/.test(text.trim()) ? Number(text) : 0;
  if (number < 1 || number > most) {
    throw formError(t("Write a whole number from 1 to {most}.", { most }));
  }
  return number;
}

/** @param {any} app */
function form(app) {
  /** @type {Map<string, any>} The same wish keeps its id, so that it may be sent again. */
  const sent = new Map();
  const number = (/** @type {string} */ name, /** @type {string} */ value) =>
    h("input", { name, inputmode: "numeric", autocomplete: "off", required: true, value });
  return actionForm(
    { action: t("Allow it"), name: "mandate" },
    [
      field(
        t("Payee"),
        h("input", { name: "payee", autocomplete: "off", required: true, maxlength: "80" }),
        t("A phone number, contact or key."),
      ),
      field(t("Most at once, tenge"), amountInput("once")),
      field(t("Most in a period, tenge"), amountInput("period")),
      field(t("Payments in a period"), number("payments", "1")),
      field(
        t("A period is"),
        h(
          "select",
          { name: "days" },
          PERIODS.map(([days, label]) => h("option", { value: days, selected: days === 30 }, label())),
        ),
      ),
      field(t("For how many days"), number("until", "365")),
    ],
    async (values, node) => {
      const payee = await keyOf(app, values.payee);
      const wish = {
        payee: unhex(payee),
        paymentLimitTiyn: needAmount(values.once),
        periodLimitTiyn: needAmount(values.period),
        mostPayments: needNumber(values.payments, 1_000),
        periodSeconds: Number(values.days) * DAY_SECONDS,
      };
      const days = needNumber(values.until, 3_650);
      const name = JSON.stringify([values, payee]);
      if (!sent.has(name)) {
        const first = app.wallet.now() - 60; // Clocks differ by seconds.
        sent.set(name, { ...wish, id: randomBytes(32), first, last: first + days * DAY_SECONDS });
      }
      await giveMandate(app.wallet, sent.get(name));
      sent.clear();
      announce(t("Allowed: {name}.", { name: (await app.nameOf(payee)) || short(payee) }));
      node.reset();
      app.changed();
    },
  );
}

/** What the wallet does by itself with the deposit. @param {any} app */
function ownTopUp(app) {
  const { topUpWhenPaying, topUpRule } = app.wallet.settings;
  const lines = [
    topUpWhenPaying ? t("What a payment lacks comes from the deposit.") : "",
    topUpRule
      ? t("Below {below} the wallet fills itself up to {to} while it is open.", {
          below: money(topUpRule.belowTiyn),
          to: money(topUpRule.toTiyn),
        })
      : "",
  ].filter(Boolean);
  return h(
    "div",
    {},
    lines.length ? lines.map((one) => h("p", {}, one)) : h("p", {}, t("Nothing comes by itself yet.")),
    h("p", {}, h("a", { class: "button quiet", href: "#/money" }, t("Change it"))),
  );
}

/**
 * The bank's rules for this holder in words, and the holder's yes or no to the top-up.
 * @param {any} app @param {any} rules
 */
function bankRules(app, rules) {
  const lines = [
    rules.waterfall_tiyn
      ? t(
          "What a payment would bring above {amount} becomes a deposit, where the payer's wallet asks the bank first.",
          {
            amount: money(rules.waterfall_tiyn),
          },
        )
      : t("Everything that comes stays in the wallet."),
    rules.reverse
      ? t("What a payment lacks may come out of the deposit first.")
      : t("The bank adds nothing to a payment."),
    rules.floor_tiyn
      ? t("Who agrees and holds less than {floor} is filled up to {target}.", {
          floor: money(rules.floor_tiyn),
          target: money(rules.target_tiyn),
        })
      : t("The bank fills no wallet up now."),
  ];
  const turn = async () => {
    await sayTopUp(app.wallet, !rules.agreed);
    announce(t("Kept."));
    app.changed();
  };
  return [
    h(
      "ul",
      { class: "words" },
      lines.map((one) => h("li", {}, one)),
    ),
    h(
      "p",
      { class: "agreed", "data-agreed": String(rules.agreed) },
      rules.agreed
        ? t("You let the bank fill this wallet up.")
        : t("You do not let the bank fill this wallet up."),
    ),
    actionButton(
      rules.agreed ? t("End the top-up by the bank") : t("Let the bank fill it up"),
      turn,
      "quiet",
    ),
  ];
}
