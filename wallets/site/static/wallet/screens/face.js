// @ts-check
/**
 * Paying face to face with no network, by QR codes:
 *
 *     payee: ask    shows an invoice  ──►  payer: give   confirms, shows the payment
 *     payee: got    checks V0 to V8, shows a receipt  ──►  payer keeps it
 *
 * Each exchange is a row of "flows" that is kept before anything is shown, so a page that was closed anywhere finds it
 * again on the first screen. The device gives the same bytes for the same row.
 */

import { hex, randomBytes, unhex } from "../core.js";
import { money, moment, readAmount, short } from "../format.js";
import { qrPanel } from "../qr.js";
import { scanPanel } from "../scan.js";
import { explained, t } from "../text.js";
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
  refusal,
} from "../view.js";

const STEPS = Object.freeze(["V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8"]);

/** What each step of a receiver's verification asks. */
const stepWords = () => ({
  V0: t("The message is small enough"),
  V1: t("It is well formed"),
  V2: t("Its parts belong together"),
  V3: t("Every device is certified by a bank"),
  V4: t("Every note was issued and signed"),
  V5: t("Every transfer is signed by who owned the money"),
  V6: t("Nobody in it is blocked, nothing is too old"),
  V7: t("It pays your invoice, the whole amount"),
  V8: t("This device takes it once, within its limits"),
});

/** @param {any} app @param {string} key @param {any} value */
const keep = (app, key, value) => app.store.write([["flows", key, value]]);

// --- the payee asks ---

/** @param {any} app @param {string} key Of a flow; "" for a new one. */
export async function ask(app, key) {
  const flow = key ? await app.store.get("flows", key) : null;
  return flow ? shownInvoice(app, flow) : askForm(app);
}

/** @param {any} app */
function askForm(app) {
  return h(
    "div",
    {},
    heading(t("Receive offline")),
    app.pocket.ready
      ? null
      : h(
          "p",
          {},
          t("This browser becomes an offline device of your wallet first; that needs the network once."),
        ),
    actionForm(
      { action: t("Show the invoice"), name: "ask" },
      [
        field(t("Amount, tenge"), amountInput("amount")),
        field(
          t("What for"),
          h("input", { name: "words", maxlength: "140", autocomplete: "off" }),
          t("Stays on this device."),
        ),
      ],
      async (values) => {
        const amountTiyn = readAmount(values.amount);
        if (!amountTiyn) {
          throw formError(t("Write an amount above zero, like 1 250.50."));
        }
        const flow = await beginAsk(app, amountTiyn, values.words);
        app.go(`ask/${flow.key}`);
      },
    ),
  );
}

/** Make an invoice and keep the exchange. @param {any} app @param {number} amountTiyn @param {string} words */
export async function beginAsk(app, amountTiyn, words) {
  await app.pocket.enable();
  const id = hex(randomBytes(16));
  const flow = { key: id, kind: "ask", amountTiyn, words, time: app.wallet.now() };
  await (await app.pocket.device()).invoice(unhex(id), amountTiyn, { words });
  await keep(app, id, flow);
  return flow;
}

/** The invoice of a flow as bytes. @param {any} app @param {any} flow */
export async function invoiceOf(app, flow) {
  return (await app.pocket.device()).invoice(unhex(flow.key), flow.amountTiyn, { words: flow.words });
}

/** @param {any} app @param {any} flow */
async function shownInvoice(app, flow) {
  const { request, expires } = await invoiceOf(app, flow);
  return h(
    "div",
    {},
    heading(t("Ask for {amount}", { amount: money(flow.amountTiyn) })),
    h("p", {}, t("1. The payer scans this invoice.")),
    qrPanel(request, t("Invoice"), { name: "tenge-invoice" }),
    h("p", { class: "note" }, t("It is good until {time}.", { time: moment(expires) })),
    h("h2", {}, t("2. Scan the payment")),
    scanPanel((found) => import("./taking.js").then(({ take }) => take(app, found)), {
      label: t("Scan the payment"),
    }),
    actionButton(
      t("Stop asking"),
      async () => {
        await keep(app, flow.key, undefined);
        app.go("");
      },
      "quiet",
    ),
  );
}

// --- the payer gives ---

/** An invoice was scanned: keep it, and ask the person. @param {any} app @param {Uint8Array} message */
export async function openGive(app, message) {
  const asked = await (await app.pocket.device()).readRequest(message);
  const known = await app.store.get("flows", asked.id);
  const flow = known ?? {
    key: asked.id,
    kind: "give",
    request: message,
    amountTiyn: asked.amountTiyn,
    stage: "review",
    time: app.wallet.now(),
  };
  await keep(app, asked.id, flow);
  app.go(`give/${asked.id}`);
}

/** @param {any} app @param {string} key */
export async function give(app, key) {
  const flow = await app.store.get("flows", key);
  if (!flow) {
    return shownAgain(app, key);
  }
  return flow.stage === "review" ? review(app, flow) : shownPayment(app, flow);
}

/** @param {any} app @param {any} flow */
async function review(app, flow) {
  const device = await app.pocket.device();
  const [asked, status] = await Promise.all([device.readRequest(flow.request), device.status()]);
  const left = status.left?.paymentTiyn ?? 0;
  return h(
    "div",
    {},
    heading(t("Pay {amount} offline", { amount: money(asked.amountTiyn) })),
    h(
      "dl",
      {},
      h("dt", {}, t("To")),
      h("dd", {}, await app.nameOf(asked.payee)),
      h("dt", {}, t("On this device")),
      h("dd", {}, money(status.balanceTiyn)),
      h("dt", {}, t("Most for one payment now")),
      h("dd", {}, money(left)),
    ),
    h(
      "p",
      { class: "note" },
      t("A payment cannot be taken back. Until the payee has taken it, you can show it again."),
    ),
    actionForm({ action: t("Pay now"), busy: t("Paying …"), name: "give" }, [], async () => {
      await device.pay(flow.request);
      await keep(app, flow.key, { ...flow, stage: "shown", payee: asked.payee });
      app.draw();
    }),
    actionButton(
      t("Do not pay"),
      async () => {
        await keep(app, flow.key, undefined);
        app.go("");
      },
      "quiet",
    ),
  );
}

/** @param {any} app @param {any} flow */
async function shownPayment(app, flow) {
  const { payment } = await (await app.pocket.device()).pay(flow.request);
  return h(
    "div",
    {},
    heading(t("Show the payment of {amount}", { amount: money(flow.amountTiyn) })),
    h("p", {}, t("1. The payee scans this payment. It may be shown as often as needed.")),
    qrPanel(payment, t("Payment"), { name: "tenge-payment" }),
    h("h2", {}, t("2. Scan the receipt")),
    scanPanel((found) => import("./taking.js").then(({ take }) => take(app, found)), {
      label: t("Scan the receipt"),
    }),
    actionButton(
      t("Done without a receipt"),
      async () => {
        await keep(app, flow.key, undefined);
        app.go("");
      },
      "quiet",
    ),
  );
}

/** A payment of the device's history, shown again. @param {any} app @param {string} id */
async function shownAgain(app, id) {
  const payment = await (await app.pocket.device()).resend(id);
  return h(
    "div",
    {},
    heading(t("Show the payment again")),
    h("p", {}, t("It is the same payment: it can be taken once.")),
    qrPanel(payment, t("Payment"), { name: "tenge-payment" }),
    scanPanel((found) => import("./taking.js").then(({ take }) => take(app, found)), {
      label: t("Scan the receipt"),
    }),
  );
}

/** The payee's receipt came. @param {any} app @param {Uint8Array} message */
export async function keepReceipt(app, message) {
  const { id } = await (await app.pocket.device()).keepReceipt(message);
  await keep(app, id, undefined);
  announce(t("The receipt is kept."));
  app.go("history");
}

// --- the payee takes ---

/** A payment was scanned. @param {any} app @param {Uint8Array} message */
export async function openPayment(app, message) {
  app.found = { kind: "payment", message };
  if (location.hash === "#/got") {
    return app.draw();
  }
  return app.go("got");
}

/** Judge the payment and show each check. @param {any} app @param {string} key Of an entry already taken. */
export async function got(app, key) {
  const message = app.found?.kind === "payment" ? app.found.message : null;
  app.found = null;
  if (!message) {
    return key ? takenBefore(app, key) : nothingHere();
  }
  const begun = performance.now();
  let taken;
  try {
    taken = await (await app.pocket.device()).receive(message);
  } catch (error) {
    announce(t("The payment was not taken."));
    return refusedPayment(error);
  }
  const milliseconds = Math.round(performance.now() - begun);
  await forget(app, taken.id);
  history.replaceState(null, "", `#/got/${taken.id}`);
  app.changed();
  announce(t("{amount} received.", { amount: money(taken.amountTiyn) }));
  return h(
    "div",
    { class: "got" },
    heading(t("{amount} received", { amount: money(taken.amountTiyn) })),
    h(
      "p",
      {},
      t("From {name}. Checked in {milliseconds} ms, without a network.", {
        name: await app.nameOf(taken.payer),
        milliseconds,
      }),
    ),
    checks([]),
    h("h2", {}, t("Show the receipt to the payer")),
    qrPanel(taken.receipt, t("Receipt"), { name: "tenge-receipt" }),
    h("a", { class: "button main", href: "#/" }, t("Done")),
  );
}

function nothingHere() {
  return h(
    "div",
    {},
    heading(t("Payment")),
    empty(t("There is no payment here."), h("a", { class: "button", href: "#/scan" }, t("Scan"))),
  );
}

/** The flow that asked for it is over. @param {any} app @param {string} invoice */
async function forget(app, invoice) {
  const device = await app.pocket.device();
  for (const flow of (await app.store.all("flows")).filter((/** @type {any} */ one) => one.kind === "ask")) {
    const { id } = await device.invoice(unhex(flow.key), flow.amountTiyn, { words: flow.words });
    if (id === invoice) {
      await keep(app, flow.key, undefined);
    }
  }
}

/** @param {unknown} error */
function refusedPayment(error) {
  const { code, rule } = explained(error);
  const failed = failedSteps(code, rule);
  return h(
    "div",
    { class: "got" },
    heading(t("The payment was not taken")),
    refusal(error),
    failed.length ? checks(failed) : null,
    h(
      "p",
      {},
      t(
        "Nothing was added. If the payment names this device, it waits in the inbox and is handed in at the next sync.",
      ),
    ),
    h("a", { class: "button", href: "#/inbox" }, t("Inbox")),
    h("a", { class: "button main", href: "#/scan" }, t("Scan again")),
  );
}

/**
 * The checks in order; the first that fails ends it. A wrong signature may be found in three of them.
 * @param {string[]} failed None when all passed.
 */
function checks(failed) {
  const words = stepWords();
  const first = failed.length ? STEPS.indexOf(failed[0]) : STEPS.length;
  const wrong = failed.length > 1 ? t("one of these failed") : t("failed");
  return h(
    "ol",
    { class: "checks" },
    STEPS.map((step, number) => {
      const state = number < first ? "passed" : failed.includes(step) ? "failed" : "open";
      const said = { passed: t("passed"), failed: wrong, open: t("not asked") }[state];
      return h(
        "li",
        { class: state },
        h("b", {}, step),
        " ",
        words[/** @type {"V0"} */ (step)],
        h("span", { class: "state" }, said),
      );
    }),
  );
}

/** Which steps may have refused. @param {string} code @param {string} rule */
function failedSteps(code, rule) {
  if (code === "E_SIG" || code === "E_KEY") {
    return ["V3", "V4", "V5"];
  }
  const step = /^V\d/.exec(rule);
  return step ? [step[0]] : [];
}

/** @param {any} app @param {string} id */
async function takenBefore(app, id) {
  const entry = (await (await app.pocket.device()).history()).find(
    (/** @type {any} */ one) => one.id === id || one.reference === id,
  );
  return h(
    "div",
    {},
    heading(t("Receipt")),
    entry?.receipt
      ? qrPanel(entry.receipt, t("Receipt"), { name: "tenge-receipt" })
      : empty(t("There is no receipt.")),
  );
}

// --- what could not be taken ---

/** @param {any} app */
export async function inbox(app) {
  const device = await app.pocket.device();
  const rows = await device.inbox();
  const place = h("div", {});
  return h(
    "div",
    {},
    heading(t("Inbox")),
    h(
      "p",
      {},
      t(
        "Payments that name this device and could not be taken. The next sync hands them in; settlement decides.",
      ),
    ),
    rows.length
      ? h(
          "ul",
          { class: "list" },
          rows.map((/** @type {any} */ row) =>
            h("li", {}, `${moment(row.time)} · `, explained({ code: row.code }).code, " · ", short(row.id)),
          ),
        )
      : empty(t("Nothing waits here.")),
    rows.length
      ? actionButton(t("Hand in now"), async () => {
          await app.pocket.sync();
          fill(place, t("Handed in."));
          app.draw();
        })
      : null,
    place,
  );
}
