// @ts-check
/** The first screen: what there is, what is not finished, what happened last; one main action. */

import { money } from "../format.js";
import { marksOf } from "../names.js";
import { titleOfOrder } from "../orders.js";
import { t } from "../text.js";
import { actionButton, fill, h, heading, refusal } from "../view.js";
import { openOrders, openRequests, waitingOf } from "../waiting.js";
import { latest } from "./records.js";

/** @param {any} app */
export async function home(app) {
  const body = h("div", { class: "home" });
  const draw = async () => fill(body, await parts(app));
  await draw();
  follow(body, draw);
  return body;
}

/** Draw again while the node is on the page. @param {HTMLElement} node @param {() => Promise<any>} draw */
export function follow(node, draw) {
  const again = () => {
    if (node.isConnected) {
      draw();
    } else if (node.dataset.shown) {
      document.removeEventListener("wallet-changed", again);
    }
    node.dataset.shown ||= node.isConnected ? "yes" : "";
  };
  document.addEventListener("wallet-changed", again);
}

/** @param {any} app */
async function parts(app) {
  const [balances, account, marks, device] = await Promise.all([
    app.wallet.balances(),
    app.store.get("meta", "account"),
    marksOf(app),
    app.pocket.ready ? app.pocket.status().catch((/** @type {any} */ error) => ({ error })) : null,
  ]);
  const [free, ...marked] = balances;
  return [
    heading(t("My money")),
    h(
      "section",
      { class: "balance", "aria-label": t("Balance") },
      h("p", { class: "label" }, t("In the wallet")),
      h("p", { class: "sum", id: "balance", "data-tiyn": free.freeTiyn }, money(free.freeTiyn)),
      free.heldTiyn
        ? h("p", { class: "note" }, t("{amount} on its way", { amount: money(free.heldTiyn) }))
        : null,
      h(
        "dl",
        { class: "pair" },
        h("div", {}, h("dt", {}, t("On this device")), deviceSum(device)),
        h(
          "div",
          {},
          h("dt", {}, t("Deposit at the bank")),
          h("dd", { id: "deposit" }, account ? money(account.depositTiyn) : "…"),
        ),
      ),
    ),
    marked.map((/** @type {any} */ row) => markRow(row, marks)),
    h(
      "div",
      { class: "actions" },
      h("a", { class: "button main", href: "#/pay" }, t("Pay")),
      h("a", { class: "button", href: "#/request" }, t("Request")),
      h("a", { class: "button quiet", href: "#/money" }, t("Top up")),
      h("a", { class: "button quiet", href: "#/along" }, t("Take along")),
    ),
    device?.error ? refusal(device.error) : null,
    app.problem ? refusal(app.problem) : null,
    await waitsForYou(app),
    await unfinished(app),
    await latest(app, 5),
  ];
}

/** @param {any} device */
function deviceSum(device) {
  const tiyn = device?.balanceTiyn ?? 0;
  return h("dd", { id: "on-device", "data-tiyn": tiyn }, money(tiyn));
}

/** @param {any} row @param {Map<string, any>} marks */
function markRow({ mark, freeTiyn }, marks) {
  return h(
    "a",
    { class: "mark-row", href: `#/mark/${mark}` },
    h("span", {}, marks.get(mark)?.label ?? t("Marked money")),
    h("span", { class: "amount" }, money(freeTiyn)),
  );
}

/** What others ask, and nobody has answered yet. @param {any} app */
async function waitsForYou(app) {
  const waiting = await waitingOf(app.wallet);
  const orders = openOrders(app.wallet, waiting).map((order) => [
    t("{name} asks: {what}", { name: order.partner_name, what: titleOfOrder(order) }),
    `#/order/${order.id}`,
  ]);
  const requests = openRequests(waiting).length
    ? [[t("Requests to pay: {number}", { number: openRequests(waiting).length }), "#/requests"]]
    : [];
  const rows = [...requests, ...orders];
  return rows.length
    ? h(
        "section",
        { class: "unfinished", "aria-labelledby": "waiting" },
        h("h2", { id: "waiting" }, t("Waits for you")),
        h(
          "ul",
          {},
          rows.map(([text, address]) => h("li", {}, h("a", { href: address }, text))),
        ),
      )
    : null;
}

/** What was begun and is not over. @param {any} app */
async function unfinished(app) {
  const [flows, intents] = await Promise.all([app.store.all("flows"), app.wallet.openIntents()]);
  if (!flows.length && !intents.length) {
    return null;
  }
  const say = {
    ask: (/** @type {any} */ flow) => [
      t("You ask for {amount} offline.", { amount: money(flow.amountTiyn) }),
      `#/ask/${flow.key}`,
    ],
    give: (/** @type {any} */ flow) => [
      t("You pay {amount} offline; show the payment until it is taken.", { amount: money(flow.amountTiyn) }),
      `#/give/${flow.key}`,
    ],
    load: () => [t("Money is on its way to this device."), "#/along"],
    home: () => [t("Money is on its way home."), "#/along"],
  };
  const rows = flows.map((/** @type {any} */ flow) => {
    const [text, address] = say[/** @type {"ask"} */ (flow.kind)](flow);
    return h("li", {}, h("a", { href: address }, text));
  });
  const waiting = intents.map((/** @type {any} */ intent) =>
    h(
      "li",
      {},
      t("{amount} waits for an answer of the ledger; the same request is sent again.", {
        amount: money(intent.about.amountTiyn),
      }),
    ),
  );
  return h(
    "section",
    { class: "unfinished", "aria-labelledby": "unfinished" },
    h("h2", { id: "unfinished" }, t("Not finished")),
    h("ul", {}, rows, waiting),
    waiting.length ? actionButton(t("Send again"), () => app.refresh()) : null,
  );
}
