// @ts-check
/**
 * Third parties: whom I let in and how far, what they ask me to sign, and what I say. A third party holds no key of
 * mine: what it starts, this wallet signs or nobody.
 */

import { SCOPES, hex, randomBytes, unhex } from "../core.js";
import { readWish, scopeInWords, standing } from "../consent.js";
import { day, money, moment, readAmount, short } from "../format.js";
import { inWords, outputsOf, peerOf, stateOfOrder, sumOf, titleOfOrder } from "../orders.js";
import { t } from "../text.js";
import {
  declineOrder,
  giveConsent,
  openOrders,
  refreshWaiting,
  revokeConsent,
  waitingOf,
} from "../waiting.js";
import {
  actionButton,
  actionForm,
  amountInput,
  announce,
  empty,
  field,
  fill,
  formError,
  h,
  heading,
} from "../view.js";
import { scanPanel } from "../scan.js";
import { asked } from "./asked.js";
import { topUpMissing } from "./pay.js";
import { take } from "./taking.js";

const DAY_SECONDS = 86_400;
const OVER = ["the holder took it back", "its time is over"];

/** @param {any} app */
export async function third(app) {
  const load = async () => {
    const { consents } = await app.wallet.api.get(`/v1/keys/${app.wallet.kid}/consents`, true);
    return { consents: consents.reverse(), orders: (await refreshWaiting(app.wallet)).now.orders };
  };
  return h(
    "div",
    { class: "third" },
    heading(t("Third parties")),
    h(
      "p",
      {},
      t(
        "A third party reads and asks what you allow it. It never has your key: you sign, or nothing happens.",
      ),
    ),
    asked(app, "third", load, ({ consents, orders }) => [
      h("h2", {}, t("Waits for me")),
      orderList(openOrders(app.wallet, { orders, inbox: [], asked: [] }), t("Nothing waits for you.")),
      h("h2", {}, t("Let in by me")),
      consents.length
        ? h(
            "ul",
            { class: "list" },
            consents.map((/** @type {any} */ row) => consentRow(app, row)),
          )
        : empty(t("You let nobody in.")),
      h(
        "details",
        {},
        h("summary", {}, t("Everything that was asked")),
        orderList(orders, t("Nothing was asked yet.")),
      ),
    ]),
    h("h2", {}, t("Let somebody in")),
    await finder(app),
  );
}

/** @param {any[]} orders @param {string} otherwise */
function orderList(orders, otherwise) {
  return orders.length
    ? h(
        "ul",
        { class: "list links" },
        orders.map((order) =>
          h(
            "li",
            { "data-id": order.id, "data-state": order.state },
            h("a", { href: `#/order/${order.id}` }, `${order.partner_name}: ${titleOfOrder(order)}`),
            " ",
            [order.memo, stateOfOrder(order.state)].filter(Boolean).join(" · "),
          ),
        ),
      )
    : empty(otherwise);
}

/** @param {any} app @param {any} row */
function consentRow(app, row) {
  const problem = standing(row.problem);
  const limits = row.day_limit_tiyn
    ? [
        t("at most {amount} at once", { amount: money(row.payment_limit_tiyn) }),
        t("{used} of {limit} started today", {
          used: money(row.started_today_tiyn),
          limit: money(row.day_limit_tiyn),
        }),
      ]
    : [t("starts no payment")];
  const act = async () => {
    await revokeConsent(app.wallet, row.id);
    announce(t("Taken back."));
    app.changed();
  };
  const end = actionButton(t("Take back"), act, "quiet");
  const what = t("Take back what {name} may do", { name: row.partner_name });
  end.querySelector("button").setAttribute("aria-label", `${t("Take back")}: ${what}`);
  return h(
    "li",
    { class: "asking", "data-id": row.id, "data-problem": row.problem },
    h(
      "span",
      {},
      h("b", {}, row.partner_name),
      " ",
      [...limits, problem || t("until {day}", { day: day(row.last) })].join(" · "),
    ),
    h(
      "ul",
      { class: "words" },
      row.scopes.map((/** @type {string} */ scope) => h("li", {}, scopeInWords(scope))),
    ),
    h("span", { class: "key" }, t("Key {key}", { key: short(row.partner) })),
    OVER.includes(row.problem) ? null : end,
  );
}

// --- letting somebody in ---

/** @param {any} app */
async function finder(app) {
  const found = h("div", { class: "found", role: "status" });
  return h(
    "div",
    {},
    actionForm(
      { action: t("Find"), name: "find" },
      [
        field(
          t("Name, link or key of the third party"),
          h("input", { name: "who", autocomplete: "off", required: true, maxlength: "600" }),
        ),
      ],
      async ({ who }) => {
        const text = who.trim();
        if (text.includes("consent=")) {
          const wish = readWish(new URLSearchParams(text.slice(text.indexOf("#") + 1)));
          app.found = { kind: "consent", wish };
          app.go("consent");
          return;
        }
        fill(found, await partnersLike(app, text.toLocaleLowerCase()));
      },
    ),
    found,
    h(
      "details",
      {},
      h("summary", {}, t("Scan its code")),
      scanPanel((one) => take(app, one)),
    ),
  );
}

/** @param {any} app @param {string} wanted */
async function partnersLike(app, wanted) {
  const { partners } = await app.wallet.api.get("/v1/partners");
  const fitting = partners.filter(
    (/** @type {any} */ one) => one.kid === wanted || one.name.toLocaleLowerCase().includes(wanted),
  );
  if (!wanted || !fitting.length) {
    throw formError(t("No third party is called so."));
  }
  return h(
    "ul",
    { class: "list links" },
    fitting
      .slice(0, 20)
      .map((/** @type {any} */ one) =>
        h(
          "li",
          {},
          h("a", { href: `#/consent/${one.kid}` }, one.name),
          " ",
          t("Key {key}", { key: short(one.kid) }),
        ),
      ),
  );
}

/** @param {any} app @param {string} kid A third party's key id, or nothing after a link. */
export async function consent(app, kid) {
  const wish = app.found?.kind === "consent" ? app.found.wish : null;
  app.found = null;
  const partner = kid || wish?.partner;
  if (!partner) {
    return h("div", {}, heading(t("Let somebody in")), await finder(app));
  }
  const known = await app.wallet.api.get(`/v1/partners/${partner}`);
  return h(
    "div",
    {},
    heading(t("Let {name} in", { name: known.name })),
    h("p", { class: "key" }, t("Key {key}", { key: short(known.kid) })),
    h("p", { class: "note" }, t("Anybody may call itself so. Be sure that the key is the right one.")),
    consentForm(app, known, wish ?? { scopes: [], paymentTiyn: 0, dayTiyn: 0, days: 0 }),
  );
}

/** @param {string} scope @param {boolean} checked */
function scopeBox(scope, checked) {
  const id = `scope-${scope}`;
  return h(
    "p",
    { class: "check" },
    h("input", { type: "checkbox", name: scope, id, checked }),
    " ",
    h("label", { for: id }, scopeInWords(scope)),
  );
}

/** @param {any} app @param {any} partner @param {any} wish */
function consentForm(app, partner, wish) {
  const tenge = (/** @type {number} */ tiyn) => (tiyn ? String(tiyn / 100) : "");
  /** @type {Map<string, any>} The same wish keeps its id, so that it may be sent again. */
  const sent = new Map();
  return actionForm(
    { action: t("Sign and let in"), name: "consent" },
    [
      h(
        "fieldset",
        {},
        h("legend", {}, t("It may")),
        SCOPES.map((scope) => scopeBox(scope, wish.scopes.includes(scope))),
      ),
      field(
        t("Most for one payment, tenge"),
        amountInput("payment", { required: false, value: tenge(wish.paymentTiyn) }),
        t("Leave both empty where it starts no payment."),
      ),
      field(t("Most in a day, tenge"), amountInput("day", { required: false, value: tenge(wish.dayTiyn) })),
      field(
        t("For how many days"),
        h("input", {
          name: "days",
          inputmode: "numeric",
          autocomplete: "off",
          value: String(wish.days || 30),
        }),
      ),
    ],
    async (values) => {
      const name = JSON.stringify(values);
      if (!sent.has(name)) {
        sent.set(name, recordOf(app, partner.kid, values));
      }
      await giveConsent(app.wallet, sent.get(name));
      announce(t("Let in: {name}.", { name: partner.name }));
      app.go("third");
    },
  );
}

/** @param {any} app @param {string} partner @param {Record<string, string>} values */
function recordOf(app, partner, values) {
  const scopes = SCOPES.filter((scope) => values[scope]);
  if (!scopes.length) {
    throw formError(t("Choose what it may do."));
  }
  const limit = (/** @type {string} */ text) => {
    const amountTiyn = text.trim() ? readAmount(text) : 0;
    if (amountTiyn === null) {
      throw formError(t("Write an amount above zero, like 1 250.50."));
    }
    return amountTiyn;
  };
  const days = /^\d{1,4}$/.test(values.days.trim()) ? Number(values.days) : 0;
  if (days < 1 || days > 3_650) {
    throw formError(t("Write a whole number from 1 to {most}.", { most: 3_650 }));
  }
  const first = app.wallet.now() - 60; // Clocks differ by seconds.
  return {
    id: randomBytes(32),
    partner: unhex(partner),
    scopes,
    paymentLimitTiyn: limit(values.payment),
    dayLimitTiyn: limit(values.day),
    first,
    last: first + days * DAY_SECONDS,
  };
}

// --- an order ---

/** @param {any} app @param {string} id */
export async function order(app, id) {
  const load = async () => ({
    order:
      (await refreshWaiting(app.wallet)).now.orders.find((/** @type {any} */ one) => one.id === id) ?? null,
    mine: (await app.wallet.api.get(`/v1/keys/${app.wallet.kid}/consents`, true)).consents.map(
      (/** @type {any} */ one) => one.id,
    ),
  });
  const known = (await waitingOf(app.wallet)).orders.find((one) => one.id === id);
  const intentId = hex(randomBytes(32));
  const title = heading(known ? titleOfOrder(known) : t("What a third party asks"));
  return h(
    "article",
    { class: "order" },
    title,
    asked(app, `order ${id}`, load, ({ order: found, mine }) => {
      if (!found) {
        return empty(t("This is not known here."));
      }
      title.textContent = titleOfOrder(found);
      return orderParts(app, found, mine, intentId);
    }),
    h("p", {}, h("a", { href: "#/third" }, t("Third parties"))),
  );
}

/** @param {any} app @param {any} order @param {string[]} mine Ids of own consents. @param {string} intentId */
async function orderParts(app, order, mine, intentId) {
  const open = openOrders(app.wallet, { orders: [order], inbox: [], asked: [] }).length > 0;
  const term = (/** @type {string} */ name, /** @type {string} */ value) => [
    h("dt", {}, name),
    h("dd", {}, value),
  ];
  return [
    h("p", { class: "sum", "data-state": order.state }, money(sumOf(order))),
    h("h2", {}, t("What your signature does")),
    h(
      "ul",
      { class: "words" },
      (await inWords(app, order)).map((one) => h("li", {}, one)),
    ),
    h(
      "dl",
      {},
      term(t("Asked by"), order.partner_name),
      term(t("Key"), short(order.partner)),
      order.memo && term(t("What for"), order.memo),
      term(t("Asked at"), moment(order.made)),
      term(t("Answer until"), moment(order.expires)),
      term(t("How it stands"), stateOfOrder(order.state)),
      order.signers.length > 1 &&
        term(t("Signatures"), t("{number} of those asked have signed", { number: order.signed_by.length })),
    ),
    open
      ? h(
          "div",
          { class: "actions" },
          approveButton(app, order, intentId),
          mine.includes(order.consent) ? refuseButton(app, order) : null,
        )
      : null,
  ];
}

/** @param {any} app @param {any} order @param {string} intentId */
function approveButton(app, order, intentId) {
  return actionButton(
    t("Approve and sign"),
    async () => {
      const plain = order.kind === "payment";
      if (plain) {
        await topUpMissing(app, order.amount_tiyn);
      }
      const line = await app.wallet.answerOrder({
        id: intentId,
        order: order.id,
        kind: plain ? "pay" : order.kind,
        kid: peerOf(order),
        amountTiyn: sumOf(order),
        words: [order.partner_name, order.memo].filter(Boolean).join(": "),
        outputs: plain ? outputsOf(order) : [],
        body: plain ? null : unhex(order.to_sign),
        way: order.kind === "claim" || order.kind === "refund" ? "in" : "out",
      });
      announce(line ? t("Done.") : t("Signed; others must sign as well."));
      app.refreshSoon();
      if (line) {
        app.go(`line/${line.id}`);
      } else {
        app.changed();
      }
    },
    "main",
  );
}

/** @param {any} app @param {any} order */
function refuseButton(app, order) {
  return actionButton(
    t("Refuse"),
    async () => {
      await declineOrder(app.wallet, order.id);
      announce(t("Refused."));
      app.changed();
    },
    "quiet",
  );
}
