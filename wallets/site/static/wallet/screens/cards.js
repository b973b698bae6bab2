// @ts-check
/**
 * Cards: what is linked to this wallet, what each may and did. The networks and the chips are simulated, and the page
 * says so. Money goes into a card's pocket by this wallet's signature, and comes out of it without the card.
 */

import { hex, randomBytes } from "../core.js";
import { cardsOf, emptyPocket, fillPocket, freezeCard, holdCard, holdingId, linkCard } from "../cards.js";
import { money, moment, readAmount } from "../format.js";
import { t } from "../text.js";
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
import { asked } from "./asked.js";

/** @param {any} app */
export async function cards(app) {
  const held = h("div", { class: "held", role: "status" });
  return h(
    "div",
    { class: "cards-screen" },
    heading(t("Cards")),
    h(
      "p",
      { class: "note" },
      t("Simulated: cards, networks and terminals. No scheme's software, no real card."),
    ),
    held,
    asked(
      app,
      "cards",
      () => cardsOf(app.wallet),
      (rows) => [
        rows.length
          ? rows.map((/** @type {any} */ card, /** @type {number} */ place) =>
              cardPart(app, card, place, held),
            )
          : empty(t("No card is linked to this wallet.")),
        linkButton(app, rows.length),
      ],
    ),
    h("p", { class: "note" }, t("The card is your bank's. It spends what you put on it, and nothing else.")),
  );
}

/** @param {any} app @param {number} count */
function linkButton(app, count) {
  return actionButton(
    count ? t("Link another card") : t("Link a card"),
    async () => {
      await linkCard(app.wallet);
      announce(t("Linked."));
      app.changed();
    },
    count ? "quiet" : "main",
  );
}

/** @param {any} app @param {any} card @param {number} place @param {any} held */
function cardPart(app, card, place, held) {
  const title = `card-${place}`;
  const state = card.frozen ? t("frozen") : t("pays");
  const month = `${card.expires.slice(2)}/${card.expires.slice(0, 2)}`;
  return h(
    "section",
    { class: "asking", "data-id": card.id, "data-frozen": String(card.frozen), "aria-labelledby": title },
    h("h2", { id: title }, t("Card {number}", { number: card.number })),
    h(
      "p",
      {},
      [t("{network}, simulated", { network: card.network }), t("good until {month}", { month }), state].join(
        " · ",
      ),
    ),
    h(
      "p",
      {},
      t("On the card"),
      ": ",
      h("b", { class: "pocket", "data-tiyn": String(card.pocket_tiyn) }, money(card.pocket_tiyn)),
    ),
    fillForm(app, card),
    card.pocket_tiyn ? emptyButton(app, card) : null,
    card.frozen ? null : holdForm(app, card, held),
    freezeButton(app, card),
    h("details", {}, h("summary", {}, t("Limits of the card")), limitList(card.limits)),
    h("h3", {}, t("Last movements")),
    movementList(card.movements),
  );
}

/** @param {string} text */
function needAmount(text) {
  const amountTiyn = readAmount(text);
  if (!amountTiyn) {
    throw formError(t("Write an amount above zero, like 1 250.50."));
  }
  return amountTiyn;
}

/** @param {any} app @param {any} card */
function fillForm(app, card) {
  let id = hex(randomBytes(32));
  return actionForm(
    { action: t("Put on the card"), name: "fill" },
    [field(t("Amount, tenge"), amountInput("amount"))],
    async ({ amount }, form) => {
      id = await app.wallet.idForNextTry(id);
      await fillPocket(app.wallet, card, id, needAmount(amount));
      id = hex(randomBytes(32));
      form.reset();
      announce(t("It is on the card."));
      app.refreshSoon();
      app.changed();
    },
  );
}

/** @param {any} app @param {any} card */
function emptyButton(app, card) {
  const id = hex(randomBytes(32));
  return actionButton(
    t("Take everything off the card"),
    async () => {
      await emptyPocket(app.wallet, card, await app.wallet.idForNextTry(id));
      announce(t("It is in the wallet again."));
      app.refreshSoon();
      app.changed();
    },
    "quiet",
  );
}

/** @param {any} app @param {any} card @param {any} held */
function holdForm(app, card, held) {
  /** @type {Map<number, string>} The same wish keeps its id, so that it may be sent again. */
  const ids = new Map();
  return actionForm(
    { action: t("Hold to a terminal"), name: "hold" },
    [field(t("What the shop asks for, tenge"), amountInput("amount"))],
    async ({ amount }, form) => {
      const amountTiyn = needAmount(amount);
      const id = ids.get(amountTiyn) ?? holdingId();
      ids.set(amountTiyn, id);
      const { code } = await holdCard(app.wallet, card.id, id, amountTiyn);
      ids.delete(amountTiyn);
      form.reset();
      fill(
        held,
        h(
          "p",
          {},
          t(
            "Tell the shop this code. It stands for the touch of the card, once, for {amount} and two minutes.",
            { amount: money(amountTiyn) },
          ),
        ),
        h("p", { class: "sum code" }, code),
      );
      held.scrollIntoView({ block: "nearest" });
      app.changed();
    },
  );
}

/** @param {any} app @param {any} card */
function freezeButton(app, card) {
  const label = card.frozen ? t("Unfreeze") : t("Freeze");
  const node = actionButton(
    label,
    async () => {
      await freezeCard(app.wallet, card.id, !card.frozen);
      announce(card.frozen ? t("The card pays again.") : t("The card is frozen."));
      app.changed();
    },
    "quiet",
  );
  node
    .querySelector("button")
    .setAttribute("aria-label", `${label}: ${t("Card {number}", { number: card.number })}`);
  return node;
}

/** How rules are called. @param {string} rule */
function ruleInWords(rule) {
  const words = {
    "one payment at a till": t("One payment at a till"),
    "tills in a day": t("At tills today"),
    "cash in a day": t("Cash today"),
    "online in a day": t("Online today"),
    "online payments in a day": t("Online payments today"),
  };
  return words[/** @type {"cash in a day"} */ (rule)] ?? rule;
}

/** @param {any[]} limits */
function limitList(limits) {
  const much = (/** @type {any} */ one, /** @type {number} */ value) =>
    one.counts ? String(value) : money(value);
  return h(
    "dl",
    {},
    limits.map((one) => [
      h("dt", {}, ruleInWords(one.rule)),
      h("dd", {}, t("{used} of {limit}", { used: much(one, one.used), limit: much(one, one.most) })),
    ]),
  );
}

/** How a payment stands. @param {string} state */
function stateInWords(state) {
  const words = {
    unused: t("no till took it"),
    captured: t("paid"),
    approved: t("approved"),
    capturing: t("approved"),
    declined: t("refused"),
    reversed: t("undone"),
    reversing: t("is being undone"),
    lost: t("refused"),
    asking: t("is being asked"),
  };
  return words[/** @type {"captured"} */ (state)] ?? state;
}

/** @param {any[]} rows */
function movementList(rows) {
  return rows.length
    ? h(
        "ul",
        { class: "list movements" },
        rows.map((row) =>
          h(
            "li",
            { "data-state": row.state, "data-code": row.code },
            h(
              "span",
              {},
              [moment(row.time), row.shop, money(row.amount_tiyn), stateInWords(row.state)]
                .filter(Boolean)
                .join(" · "),
            ),
            row.sentence && h("p", { class: "hint" }, `${row.sentence} ${row.next}`),
          ),
        ),
      )
    : empty(t("Nothing was paid with it yet."));
}
