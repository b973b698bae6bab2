// @ts-check
/** Asking for money online; and the till of a shop: amount, one large code, today's payments, refunds. */

import { money, moment, readAmount } from "../format.js";
import { qrPanel } from "../qr.js";
import { requestText } from "../request.js";
import { t } from "../text.js";
import { actionForm, amountInput, announce, empty, field, fill, formError, h, heading } from "../view.js";
import { scanPanel } from "../scan.js";
import { beginAsk, invoiceOf } from "./face.js";
import { follow } from "./home.js";
import { take } from "./taking.js";

const REQUEST_SECONDS = 86_400;

/** A request's text for this wallet. @param {any} app @param {number} amountTiyn @param {string} memo */
function ownRequest(app, amountTiyn, memo) {
  const { network, api } = app.wallet;
  return requestText({
    network,
    payee: api.signer.kid,
    amountTiyn,
    memo,
    expires: app.wallet.now() + REQUEST_SECONDS,
  });
}

/** The link that opens a wallet with a request. @param {string} text */
const linkTo = (text) => `${location.origin}/wallet/#pay=${text}`;

/** @param {any} app */
export async function request(app) {
  const body = h("div", { class: "request" });
  fill(
    body,
    heading(t("Request")),
    actionForm(
      { action: t("Show the request"), name: "request" },
      [
        field(
          t("Amount, tenge"),
          amountInput("amount", { required: false }),
          t("Leave it empty to let the payer choose."),
        ),
        field(
          t("What for"),
          h("input", { name: "words", maxlength: "80", autocomplete: "off" }),
          t("The payer reads it."),
        ),
        field(
          t("Whom to ask"),
          h("input", { name: "whom", maxlength: "80", autocomplete: "off" }),
          t(
            "A phone number, contact or key: it goes into their wallet. Leave it empty for a code and a link.",
          ),
        ),
      ],
      async ({ amount, words, whom }) => {
        const amountTiyn = amount.trim() ? readAmount(amount) : 0;
        if (amountTiyn === null) {
          throw formError(t("Write an amount above zero, like 1 250.50."));
        }
        if (whom.trim()) {
          const { ask } = await import("./requests.js");
          await ask(app, { whom, amountTiyn, memo: words, expires: app.wallet.now() + REQUEST_SECONDS });
          return;
        }
        const text = ownRequest(app, amountTiyn, words);
        fill(
          body,
          heading(
            amountTiyn ? t("Ask for {amount}", { amount: money(amountTiyn) }) : t("Ask for any amount"),
          ),
          words ? h("p", { class: "memo" }, words) : null,
          qrPanel(text, t("Request"), { link: linkTo(text), name: "tenge-request" }),
          h(
            "p",
            { class: "note" },
            t("The payer scans it or opens the link. You are told when the money is here."),
          ),
          arrivals(app, amountTiyn),
          h("a", { class: "button", href: "#/" }, t("Done")),
        );
        body.querySelector("h1")?.focus();
      },
    ),
    h(
      "p",
      {},
      h("a", { href: "#/ask" }, t("Receive offline")),
      " · ",
      h("a", { href: "#/till" }, t("Till of a shop")),
    ),
  );
  return body;
}

/** What arrives from now on, told at once. @param {any} app @param {number} amountTiyn 0 for any. */
function arrivals(app, amountTiyn) {
  const place = h("p", { class: "arrived", role: "status" });
  let known = -1;
  const look = async () => {
    const lines = (await app.store.all("history")).filter(
      (/** @type {any} */ line) => line.direction === "in" && line.kind === "pay",
    );
    const last = Math.max(-1, ...lines.map((/** @type {any} */ line) => line.index));
    const news =
      known < 0
        ? []
        : lines.filter(
            (/** @type {any} */ line) =>
              line.index > known && (!amountTiyn || line.amountTiyn === amountTiyn),
          );
    known = known < 0 ? Math.max(last, 0) : known;
    if (news.length) {
      const line = news[news.length - 1];
      place.textContent = t("Paid: {amount} from {name}.", {
        amount: money(line.amountTiyn),
        name: await app.nameOf(line.peer),
      });
    }
  };
  look();
  follow(place, look);
  return place;
}

/** @param {any} app */
export async function till(app) {
  const shown = h("div", { class: "till-shown" });
  const list = h("div", {});
  const draw = async () => fill(list, await today(app));
  const form = actionForm(
    { action: t("Show the code"), name: "till" },
    [
      field(t("Amount, tenge"), amountInput("amount", { class: "amount large" })),
      field(t("Bill"), h("input", { name: "words", maxlength: "80", autocomplete: "off" })),
    ],
    async ({ amount, words }, node) => {
      const amountTiyn = readAmount(amount);
      if (!amountTiyn) {
        throw formError(t("Write an amount above zero, like 1 250.50."));
      }
      await showSale(app, shown, amountTiyn, words);
      node.reset();
    },
  );
  const body = h("div", { class: "till" }, heading(t("Till")), form, shown, list);
  await draw();
  follow(body, draw);
  return body;
}

/**
 * One sale: the online request and the offline invoice side by side.
 * @param {any} app @param {HTMLElement} shown @param {number} amountTiyn @param {string} words
 */
async function showSale(app, shown, amountTiyn, words) {
  const text = ownRequest(app, amountTiyn, words);
  const code = h("div", { class: "till-code" });
  const buttons = [t("Online"), t("Offline")].map((label) =>
    h("button", { type: "button", class: "quiet" }, label),
  );
  const choose = async (/** @type {number} */ which) => {
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(place === which)));
    if (which === 0) {
      fill(
        code,
        qrPanel(text, t("Request"), { link: linkTo(text), name: "tenge-request" }),
        arrivals(app, amountTiyn),
      );
    } else {
      const flow = await beginAsk(app, amountTiyn, words);
      const { request: message } = await invoiceOf(app, flow);
      fill(
        code,
        qrPanel(message, t("Invoice"), { name: "tenge-invoice" }),
        scanPanel((found) => take(app, found), { label: t("Scan the payment") }),
      );
    }
  };
  buttons.forEach((button, place) => button.addEventListener("click", () => choose(place)));
  fill(
    shown,
    h("h2", {}, t("{amount} to pay", { amount: money(amountTiyn) })),
    h("div", { class: "row", role: "group", "aria-label": t("How the customer pays") }, buttons),
    code,
  );
  await choose(app.online && navigator.onLine ? 0 : 1);
  announce(t("The code is shown."));
}

/** Today's payments, each with its refund. @param {any} app */
async function today(app) {
  const begin = Math.floor((app.wallet.now() + 5 * 3600) / 86_400) * 86_400 - 5 * 3600;
  const online = (await app.store.all("history")).filter(
    (/** @type {any} */ line) => line.time >= begin && line.kind === "pay" && line.direction === "in",
  );
  const offline = app.pocket.ready
    ? await (await app.pocket.device()).history({ kind: "receive", from: begin })
    : [];
  const total = [...online, ...offline].reduce((sum, line) => sum + line.amountTiyn, 0);
  const rows = await Promise.all([
    ...online.map(async (/** @type {any} */ line) => saleRow(app, line, refundButton(app, line))),
    ...offline.map(async (/** @type {any} */ entry) =>
      saleRow(app, entry, h("span", { class: "note" }, t("offline"))),
    ),
  ]);
  return [
    h("h2", {}, t("Today: {amount}", { amount: money(total) })),
    rows.length ? h("ul", { class: "list" }, rows) : empty(t("No payments yet today.")),
  ];
}

/** @param {any} app @param {any} line @param {Node} action */
async function saleRow(app, line, action) {
  return h(
    "li",
    { class: "sale" },
    h("span", {}, `${moment(line.time)} · ${await app.nameOf(line.peer)}`),
    h("b", {}, money(line.amountTiyn)),
    action,
  );
}

/** @param {any} app @param {any} line */
function refundButton(app, line) {
  const label = t("Refund {amount}", { amount: money(line.amountTiyn) });
  const button = h(
    "button",
    { type: "button", class: "quiet", "aria-label": `${t("Refund")}: ${label}` },
    t("Refund"),
  );
  button.addEventListener("click", () => {
    app.found = {
      kind: "key",
      kid: line.peer,
      amountTiyn: line.amountTiyn,
      words: t("Refund of {id}", { id: line.id.slice(0, 8) }),
    };
    app.go("pay");
  });
  return button;
}
