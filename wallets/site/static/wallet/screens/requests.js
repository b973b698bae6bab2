// @ts-check
/** Requests to pay between people: what others ask of me, what I ask of others, and what became of each. */

import { money, moment, short } from "../format.js";
import { keyOf } from "../names.js";
import { t } from "../text.js";
import { askSomebody, checkedRequest, declineRequest, refreshWaiting, withdraw } from "../waiting.js";
import { actionButton, announce, empty, formError, h, heading } from "../view.js";
import { asked } from "./asked.js";

/**
 * Put a request into somebody's wallet.
 * @param {any} app @param {{ whom: string, amountTiyn: number, memo: string, expires: number }} wish
 */
export async function ask(app, { whom, ...wish }) {
  const kid = await keyOf(app, whom);
  if (kid === app.wallet.kid) {
    throw formError(t("This is your own key; ask somebody else."));
  }
  await askSomebody(app.wallet, { ...wish, kid });
  announce(t("Asked."));
  app.go("requests");
}

/** @param {any} app */
export async function requests(app) {
  const load = async () => {
    const { inbox, asked: own } = (await refreshWaiting(app.wallet)).now;
    return { inbox, own };
  };
  return h(
    "div",
    { class: "requests" },
    heading(t("Requests to pay")),
    asked(app, "requests", load, async ({ inbox, own }) => [
      h("h2", {}, t("Asked of me")),
      inbox.length
        ? h("ul", { class: "list" }, await rows(inbox, (row) => inboxRow(app, row)))
        : empty(t("Nobody asks anything of you.")),
      h("h2", {}, t("Asked by me")),
      own.length
        ? h("ul", { class: "list" }, await rows(own, (row) => ownRow(app, row)))
        : empty(t("You have asked nobody.")),
    ]),
    h("p", {}, h("a", { class: "button", href: "#/request" }, t("Request"))),
  );
}

/** @param {any[]} list @param {(row: any) => Promise<any>} draw */
const rows = (list, draw) => Promise.all(list.map(draw));

/** @param {any} row */
const amountOf = (row) => (row.amount_tiyn ? money(row.amount_tiyn) : t("any amount"));

/** @param {string} state */
function stateInWords(state) {
  return (
    {
      open: t("open"),
      paid: t("paid"),
      declined: t("declined"),
      withdrawn: t("taken back"),
      expired: t("out of time"),
    }[state] ?? state
  );
}

/** @param {any} row */
function aboutOf(row) {
  const until =
    row.state === "open" && row.expires ? t("until {moment}", { moment: moment(row.expires) }) : "";
  return [row.memo, stateInWords(row.state), until].filter(Boolean).join(" · ");
}

/** @param {any} app @param {any} row */
async function inboxRow(app, row) {
  const name = await app.nameOf(row.payee);
  const amount = amountOf(row);
  return h(
    "li",
    { class: "asking", "data-id": row.id, "data-state": row.state },
    h("span", {}, h("b", {}, t("{name} asks for {amount}", { name, amount })), " ", aboutOf(row)),
    h("span", { class: "key" }, t("Key {key}", { key: short(row.payee) })),
    row.state === "open"
      ? h("div", { class: "row" }, payButton(app, row, name), declineButton(app, row, name))
      : null,
  );
}

/** @param {any} app @param {any} row @param {string} name */
function payButton(app, row, name) {
  const node = actionButton(t("Pay"), async () => {
    const payment = await checkedRequest(app.wallet, row);
    app.found = { kind: "asked", payment: { ...payment, freeOnly: true } };
    app.go("pay");
  });
  const what = t("Pay {amount} to {name}", { amount: amountOf(row), name });
  node.querySelector("button").setAttribute("aria-label", `${t("Pay")}: ${what}`);
  return node;
}

/** @param {any} app @param {any} row @param {string} name */
function declineButton(app, row, name) {
  const act = async () => {
    await declineRequest(app.wallet, row.id);
    announce(t("Declined."));
    app.changed();
  };
  const node = actionButton(t("Decline"), act, "quiet");
  const what = t("Decline {amount} to {name}", { amount: amountOf(row), name });
  node.querySelector("button").setAttribute("aria-label", `${t("Decline")}: ${what}`);
  return node;
}

/** @param {any} app @param {any} row */
async function ownRow(app, row) {
  const name = row.payer ? await app.nameOf(row.payer) : t("whoever has the link");
  const amount = amountOf(row);
  const act = async () => {
    await withdraw(app.wallet, row.id);
    announce(t("Taken back."));
    app.changed();
  };
  const back = actionButton(t("Take back"), act, "quiet");
  const what = t("Take back {amount} from {name}", { amount, name });
  back.querySelector("button").setAttribute("aria-label", `${t("Take back")}: ${what}`);
  return h(
    "li",
    { class: "asking", "data-id": row.id, "data-state": row.state },
    h("span", {}, h("b", {}, t("{amount} from {name}", { amount, name })), " ", aboutOf(row)),
    row.state === "open" ? back : null,
  );
}
