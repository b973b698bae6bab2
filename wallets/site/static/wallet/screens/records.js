// @ts-check
/** The history: online and offline together, searched, exported, printed; and one line of it with its receipt. */

import { hex } from "../core.js";
import { money, moment, short } from "../format.js";
import { marksOf } from "../names.js";
import { saveFile } from "../qr.js";
import { t } from "../text.js";
import { actionButton, empty, field, fill, h, heading } from "../view.js";
import { follow } from "./home.js";

/**
 * One line as it is shown.
 * @typedef {object} Shown
 * @property {string} key @property {number} time @property {string} title @property {number} amountTiyn Signed.
 * @property {string} name @property {string} words @property {string} place "online" or "offline".
 * @property {string} way "in", "out" or "own". @property {any} line
 */

/** How kinds are called. @param {string} kind @param {string} way */
function titleOf(kind, way) {
  const titles = {
    "pay in": t("Received"),
    "pay out": t("Paid"),
    "fund in": t("Topped up"),
    "defund out": t("Back to the deposit"),
    "load out": t("Taken along"),
    "back own": t("Came back from a lost wallet"),
    "card out": t("Put on a card"),
    "card in": t("Taken off a card"),
    "home in": t("Came home from offline"),
    "receive in": t("Received offline"),
    "give out": t("Paid offline"),
    "redeem out": t("Sent home"),
    "drop out": t("Taken off this device"),
    "claim in": t("Taken out of a lock"),
    "refund in": t("Back out of a lock"),
    "release out": t("Released from a lock"),
  };
  return titles[/** @type {"pay in"} */ (`${kind} ${way}`)] ?? t("Own tokens put together");
}

/** Every line, newest first. @param {any} app @returns {Promise<Shown[]>} */
export async function everything(app) {
  const [online, offline] = await Promise.all([app.store.all("history"), offlineEntries(app)]);
  const rows = [];
  for (const line of online) {
    const sign = line.direction === "out" ? -1 : 1;
    rows.push({
      key: line.id,
      time: line.time,
      title: titleOf(line.kind, line.direction),
      amountTiyn: sign * line.amountTiyn,
      name: await app.nameOf(line.peer),
      words: line.words,
      place: "online",
      way: line.direction,
      line,
    });
  }
  for (const entry of offline) {
    const way = entry.kind === "receive" ? "in" : "out";
    const kind = entry.kind === "pay" ? "give" : entry.kind;
    rows.push({
      key: `off-${entry.id}`,
      time: entry.time,
      title: titleOf(kind, way),
      amountTiyn: (way === "in" ? 1 : -1) * entry.amountTiyn,
      name: await app.nameOf(entry.peer),
      words: entry.words,
      place: "offline",
      way,
      line: entry,
    });
  }
  return rows.sort(
    (one, other) =>
      other.time - one.time ||
      (other.line.index ?? other.line.order ?? 0) - (one.line.index ?? one.line.order ?? 0),
  );
}

/** @param {any} app */
async function offlineEntries(app) {
  if (!app.pocket.ready) {
    return [];
  }
  const entries = await (await app.pocket.device()).history();
  return entries.filter((/** @type {any} */ entry) =>
    ["receive", "pay", "redeem", "drop"].includes(entry.kind),
  );
}

/** @param {Shown} row */
function rowNode(row) {
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/line/${row.key}`, class: "line" },
      h(
        "span",
        { class: "what" },
        h("b", {}, row.title),
        h("span", { class: "who" }, [row.name, row.words].filter(Boolean).join(" · ")),
      ),
      h(
        "span",
        { class: `amount ${row.amountTiyn > 0 ? "in" : ""}` },
        `${row.amountTiyn > 0 ? "+" : ""}${money(row.amountTiyn)}`,
      ),
      h("span", { class: "when" }, moment(row.time)),
    ),
  );
}

/** The newest lines, for the first screen. @param {any} app @param {number} count */
export async function latest(app, count) {
  const rows = (await everything(app)).slice(0, count);
  return h(
    "section",
    { "aria-labelledby": "latest" },
    h("h2", { id: "latest" }, t("Latest")),
    rows.length
      ? h("ul", { class: "lines" }, rows.map(rowNode))
      : empty(
          t("Nothing has happened yet."),
          h("a", { class: "button", href: "#/money" }, t("Top up from the deposit")),
        ),
  );
}

/** @param {any} app */
export async function history(app) {
  const list = h("ul", { class: "lines" });
  const none = h("p", { class: "empty", hidden: true }, t("Nothing fits."));
  const form = filterForm();
  /** @type {Shown[]} */
  let rows = [];
  const draw = async () => {
    const all = await everything(app);
    const wanted = filterOf(form);
    rows = all.filter(wanted);
    fill(list, rows.map(rowNode));
    none.hidden = rows.length > 0;
  };
  form.addEventListener("input", draw);
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  await draw();
  const body = h(
    "div",
    { class: "history" },
    heading(t("History")),
    form,
    list,
    none,
    h(
      "div",
      { class: "row no-print" },
      actionButton(t("Save as CSV"), () => saveFile(csvOf(rows), "tenge-history.csv"), "quiet"),
      actionButton(t("Print"), () => window.print(), "quiet"),
    ),
  );
  follow(body, draw);
  return body;
}

function filterForm() {
  return h(
    "form",
    { class: "filter no-print", role: "search" },
    field(t("Search"), h("input", { name: "text", type: "search", autocomplete: "off" })),
    field(
      t("Which"),
      h(
        "select",
        { name: "way" },
        h("option", { value: "" }, t("All")),
        h("option", { value: "in" }, t("Money in")),
        h("option", { value: "out" }, t("Money out")),
        h("option", { value: "offline" }, t("Offline")),
      ),
    ),
    field(t("From day"), h("input", { name: "from", type: "date" })),
    field(t("To day"), h("input", { name: "to", type: "date" })),
  );
}

/** @param {HTMLFormElement} form */
function filterOf(form) {
  const { text, way, from, to } = /** @type {any} */ (Object.fromEntries(new FormData(form)));
  const wanted = text.trim().toLocaleLowerCase();
  const begin = from ? Date.parse(`${from}T00:00:00+05:00`) / 1000 : 0;
  const end = to ? Date.parse(`${to}T23:59:59+05:00`) / 1000 : Number.MAX_SAFE_INTEGER;
  return (/** @type {Shown} */ row) =>
    row.time >= begin &&
    row.time <= end &&
    (!way || row.way === way || row.place === way) &&
    (!wanted ||
      [row.title, row.name, row.words, row.key, money(row.amountTiyn)]
        .join("\n")
        .toLocaleLowerCase()
        .includes(wanted));
}

/** A table for other programs: moments in ISO form, amounts in tiyn. @param {Shown[]} rows */
export function csvOf(rows) {
  const cell = (/** @type {any} */ value) => {
    const text = String(value);
    // A spreadsheet takes a text that begins so for a formula.
    const safe =
      /^[=+@\t\r]/.test(text) || (/^-/.test(text) && typeof value !== "number") ? `'${text}` : text;
    return /[\u0022,\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = rows.map((row) => [
    new Date(row.time * 1000).toISOString(),
    row.place,
    row.title,
    row.amountTiyn,
    row.name,
    row.words,
    row.line.mark ?? "",
    row.key,
  ]);
  const head = ["time", "where", "what", "amount_tiyn", "with", "note", "mark", "id"];
  const text = [head, ...lines].map((line) => line.map(cell).join(",")).join("\r\n");
  return new Blob([`\ufeff${text}\r\n`], { type: "text/csv;charset=utf-8" });
}

/** One line with its receipt. @param {any} app @param {string} key */
export async function line(app, key) {
  const row = (await everything(app)).find((one) => one.key === key);
  if (!row) {
    return h("div", {}, heading(t("Receipt")), empty(t("This line is not known here.")));
  }
  return h(
    "article",
    { class: "receipt" },
    heading(row.title),
    h("p", { class: "sum" }, money(Math.abs(row.amountTiyn))),
    h(
      "dl",
      {},
      term(row.way === "in" ? t("From") : t("To"), row.name),
      term(t("When"), moment(row.time)),
      row.words && term(t("Note"), row.words),
      row.place === "online" ? await onlineTerms(app, row.line) : offlineTerms(row.line),
    ),
    row.place === "online" ? proof(app, row.line) : offlineActions(row.line),
    h(
      "div",
      { class: "row no-print" },
      row.line.peer && row.line.kind === "pay" && row.place === "online"
        ? h(
            "a",
            { class: "button", href: `#/pay/${row.line.peer}` },
            row.way === "in" ? t("Pay back") : t("Pay again"),
          )
        : null,
      actionButton(t("Print"), () => window.print(), "quiet"),
    ),
  );
}

/** @param {string} name @param {string} value */
const term = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

/** @param {any} app @param {any} line */
async function onlineTerms(app, line) {
  const marks = await marksOf(app);
  return [
    line.mark ? term(t("Money"), marks.get(line.mark)?.label ?? short(line.mark)) : null,
    term(t("Key"), short(line.peer)),
    term(t("Transaction"), line.id),
    term(t("Place in the ledger's journal"), String(line.index)),
  ];
}

/** @param {any} entry */
function offlineTerms(entry) {
  return [
    term(t("Key"), short(entry.peer)),
    entry.hops ? term(t("Devices the money has passed"), String(entry.hops)) : null,
    term(t("Invoice"), entry.reference),
    term(
      t("The payee's receipt"),
      entry.receipt ? t("kept: {start}…", { start: hex(entry.receipt).slice(0, 16) }) : t("none yet"),
    ),
  ];
}

/** @param {any} entry */
function offlineActions(entry) {
  if (entry.kind === "receive") {
    return h("a", { class: "button", href: `#/got/${entry.reference}` }, t("Show the receipt again"));
  }
  return entry.kind === "pay"
    ? h("a", { class: "button", href: `#/give/${entry.reference}` }, t("Show the payment again"))
    : null;
}

/** @param {any} app @param {any} line */
function proof(app, line) {
  const place = h("p", { role: "status", class: "proof" });
  return h(
    "section",
    { class: "no-print" },
    actionButton(t("Check it against the ledger's log"), async () => {
      place.textContent = "";
      const { size, time } = await app.wallet.prove(line);
      place.textContent = t("It stands in the log of {size} entries that the ledger signed at {time}.", {
        size,
        time: moment(time),
      });
    }),
    place,
  );
}
