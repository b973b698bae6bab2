// @ts-check
/**
 * The wallet's page: opens the profile, chooses the screen, keeps what is shown up to date.
 *
 * `/wallet/?as=NAME` is a wallet of its own in the same browser: other keys, other databases.
 */

import { Api, isUnavailable } from "./api.js";
import { money } from "./format.js";
import { learnBankName, nameOf } from "./names.js";
import { listen } from "./news.js";
import { OnlineWallet } from "./online.js";
import { Pocket, loadDevice } from "./pocket.js";
import * as join from "./screens/join.js";
import { Recogniser } from "./recognise.js";
import { openStore } from "./store.js";
import { preferredLanguage, speak, t } from "./text.js";
import { announce, fill, h, refusal } from "./view.js";

const PROFILE = /^[a-z0-9-]{1,40}$/;
const REFRESH_AFTER_MILLISECONDS = 300;

/** @typedef {(app: App, argument: string) => Promise<any>} Screen */

/** Modules of screens that do not come with the page. @type {Set<string>} */
const LATER = new Set();

/**
 * A screen whose module is fetched when it is first opened, or when the first screen stands (`loadScreens`).
 * @param {string} file A module in `screens`. @param {string} name The function in it. @returns {Screen}
 */
function later(file, name) {
  LATER.add(file);
  return async (app, argument) => (await import(`./screens/${file}.js`))[name](app, argument);
}

/** Screens by the first part of the route. A newcomer's only one comes with the page. @type {Record<string, Screen>} */
const SCREENS = {
  "": later("home", "home"),
  join: join.join,
  pay: later("pay", "pay"),
  scan: later("pay", "scan"),
  request: later("till", "request"),
  till: later("till", "till"),
  along: later("along", "along"),
  ask: later("face", "ask"),
  give: later("face", "give"),
  got: later("face", "got"),
  inbox: later("face", "inbox"),
  history: later("records", "history"),
  line: later("records", "line"),
  contacts: later("people", "contacts"),
  requests: later("requests", "requests"),
  third: later("third", "third"),
  consent: later("third", "consent"),
  order: later("third", "order"),
  mandates: later("mandates", "mandates"),
  cards: later("cards", "cards"),
  money: later("settings", "money"),
  limits: later("settings", "limits"),
  mark: later("settings", "mark"),
  lost: later("losses", "lost"),
  settings: later("settings", "settings"),
  about: later("settings", "about"),
  recover: later("recover", "recover"),
};
const REPLACED = later("recover", "replaced");
/** What a newcomer may look at besides joining, and what a replaced wallet still shows. */
const BEFORE = ["recover", "settings", "about"];
const AFTER = ["settings", "about", "history", "line"];

/** Fetch what the first screen did without: the page may be cut off before its service worker has kept everything. */
async function loadScreens() {
  await Promise.all(Array.from(LATER, (file) => import(`./screens/${file}.js`)));
  (await import("./scan.js")).loadReaderLater();
}

/** What every screen works with. */
export class App {
  /** @type {any} What a scan found, on its way to the screen that takes it. */
  found = null;
  /** @type {any} What went wrong at the last refresh, where it was no missing network. */
  problem = null;
  #drawn = 0;
  #linked = "";
  /** @type {any} */
  #timer = 0;
  /** @type {Promise<void> | null} */
  #refreshing = null;
  /** @type {Promise<void> | null} */
  #refreshAfter = null;

  /** @param {string} profile @param {import("./store.js").WalletStore} store */
  constructor(profile, store) {
    this.profile = profile;
    this.store = store;
    this.wallet = new OnlineWallet(store, new Api());
    this.pocket = new Pocket(this.wallet);
    this.online = navigator.onLine;
  }

  /** Go to a screen. @param {string} route "pay", "line/ID" ... */
  go(route) {
    const hash = route ? `#/${route}` : "#/";
    if (location.hash === hash) {
      this.draw();
    } else {
      location.hash = hash;
    }
  }

  /** The name of a key: a contact's, the bank's, or the beginning of the id. @param {string} kid */
  nameOf(kid) {
    return nameOf(this, kid);
  }

  /** Draw the screen that the address names. */
  async draw() {
    this.#drawn += 1;
    const turn = this.#drawn;
    this.#followLink();
    const hash = location.hash; // it may change before the screen stands
    const [name = "", argument = ""] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    const main = /** @type {HTMLElement} */ (document.getElementById("main"));
    let screen;
    try {
      screen = await (await this.#screenOf(name))(this, argument);
    } catch (error) {
      screen = h("div", {}, h("h1", { tabindex: "-1" }, t("This could not be shown")), refusal(error));
    }
    if (turn !== this.#drawn) {
      return;
    }
    const same = main.dataset.screen === hash;
    main.dataset.screen = hash;
    fill(main, screen);
    main.dataset.ready = "yes";
    const title = main.querySelector("h1");
    document.title = `${title?.textContent ?? ""} · ${t("Digital tenge wallet")}`;
    if (!same) {
      title?.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    drawFrame(this, name);
  }

  /** @param {string} name @returns {Promise<Screen>} */
  async #screenOf(name) {
    if (!this.wallet.member) {
      const [first] = name.split("="); // a link: #recover=CODE&bank=1
      return BEFORE.includes(first) ? SCREENS[first] : join.join;
    }
    const gone = !AFTER.includes(name) && (await this.#isReplaced());
    return gone ? REPLACED : (SCREENS[name === "recover" ? "" : name] ?? SCREENS[""]);
  }

  /** Whether the ledger said that another key took this wallet over. */
  async #isReplaced() {
    return Boolean((await this.store.get("meta", "account"))?.limits.successor);
  }

  /** A link to a payment (`#pay=TENGE1:...`) or a consent (`#consent=KEY&...`): kept until there is a wallet for it. */
  #followLink() {
    const link = /^#(pay|consent)=(.+)$/.exec(location.hash);
    if (link) {
      this.#linked = link[0];
      history.replaceState(null, "", `${location.pathname}${location.search}#/${link[1]}`);
    }
    if (this.#linked && this.wallet.member) {
      const text = this.#linked;
      this.#linked = "";
      try {
        this.found = new Recogniser().take(text);
        const screen = this.found?.kind === "consent" ? "consent" : "pay";
        history.replaceState(null, "", `${location.pathname}${location.search}#/${screen}`);
      } catch (error) {
        this.problem = error;
      }
    }
  }

  /** Refresh; one at a time, for two would tell the same news. One asked for meanwhile runs once afterwards. */
  refresh() {
    if (!this.#refreshing) {
      this.#refreshing = this.#refreshOnce().finally(() => {
        this.#refreshing = null;
      });
      return this.#refreshing;
    }
    const after = () => {
      this.#refreshAfter = null;
      return this.refresh();
    };
    this.#refreshAfter ??= this.#refreshing.then(after, after);
    return this.#refreshAfter;
  }

  /** Ask the institutions for news, then draw again where the screen lives from it. Never raises. */
  async #refreshOnce() {
    if (!this.wallet.member) {
      return;
    }
    const before = await this.#lastIndex();
    const wasReplaced = await this.#isReplaced();
    try {
      await this.wallet.refresh();
      this.online = true;
      this.problem = null;
      await this.pocket.finishLoad().catch(() => undefined);
      await import("./screens/settings.js")
        .then(({ topUpByRule }) => topUpByRule(this))
        .catch(() => undefined);
      await this.#tellWaiting().catch(() => undefined);
    } catch (error) {
      this.online = !isUnavailable(error);
      this.problem = this.online ? error : null;
    }
    await this.#tellIncoming(before);
    this.changed();
    if (!wasReplaced && (await this.#isReplaced())) {
      await this.draw();
    }
  }

  /** Refresh soon; several calls are one. */
  refreshSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), REFRESH_AFTER_MILLISECONDS);
  }

  /** Tell the screen that what is kept has changed. */
  changed() {
    document.dispatchEvent(new CustomEvent("wallet-changed"));
    drawNetwork(this);
  }

  /** What has come to wait for the person, told once. */
  async #tellWaiting() {
    await learnBankName(this.wallet);
    const { newsOfWaiting } = await import("./notice.js");
    for (const [text, address] of await newsOfWaiting(this)) {
      announce(text);
      toast(text, address);
    }
  }

  async #lastIndex() {
    return Math.max(0, ...(await this.store.all("history")).map((line) => line.index));
  }

  /** @param {number} before */
  async #tellIncoming(before) {
    const news = (await this.store.all("history")).filter(
      (line) => line.index > before && line.direction === "in" && line.kind === "pay",
    );
    for (const line of before ? news : []) {
      const text = t("{amount} came from {name}.", {
        amount: money(line.amountTiyn),
        name: await this.nameOf(line.peer),
      });
      announce(text);
      toast(text, `#/line/${line.id}`);
    }
  }
}

/** @param {string} text @param {string} address */
function toast(text, address) {
  const news = document.getElementById("news") ?? h("aside", { id: "news", "aria-label": t("News") });
  const node = h("a", { class: "toast", href: address }, text);
  news.append(node);
  document.body.append(news);
  setTimeout(() => {
    node.remove();
    news.childElementCount || news.remove();
  }, 6000);
}

const LINKS = [
  ["", "M3 11 12 3l9 8v10h-6v-6H9v6H3z", () => t("Home")],
  ["pay", "M4 12h13l-5-5 1.5-1.5L21 13l-7.5 7.5L12 19l5-5H4z", () => t("Pay")],
  [
    "scan",
    "M3 3h7v2H5v5H3zm11 0h7v7h-2V5h-5zM3 14h2v5h5v2H3zm16 0h2v7h-7v-2h5zM7 11h10v2H7z",
    () => t("Scan"),
  ],
  ["history", "M4 5h16v2H4zm0 6h16v2H4zm0 6h10v2H4z", () => t("History")],
  [
    "settings",
    "M5 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4m7 0a2 2 0 1 0 0 4 2 2 0 0 0 0-4m7 0a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
    () => t("More"),
  ],
];

/** @param {App} app @param {string} name */
function drawFrame(app, name) {
  const nav = /** @type {HTMLElement} */ (document.getElementById("nav"));
  nav.setAttribute("aria-label", t("Wallet"));
  document.querySelector(".brand")?.removeAttribute("aria-label"); // from now on its text is its name
  nav.hidden = !app.wallet.member;
  fill(
    nav,
    LINKS.map(([route, path, label]) =>
      h(
        "a",
        { href: `#/${route}`, "aria-current": route === name ? "page" : null },
        h(
          "svg",
          { viewBox: "0 0 24 24", "aria-hidden": "true" },
          h("path", { d: path, fill: "currentColor" }),
        ),
        h("span", {}, /** @type {() => string} */ (label)()),
      ),
    ),
  );
  fill(
    /** @type {Element} */ (document.getElementById("who")),
    app.wallet.member?.name || t("Digital tenge wallet"),
  );
  const foot = /** @type {Element} */ (document.getElementById("foot"));
  fill(foot, t("Test money; not affiliated with the National Bank of Kazakhstan."));
  fill(/** @type {Element} */ (document.getElementById("skip")), t("Skip to content"));
  drawNetwork(app);
}

/** @param {App} app */
function drawNetwork(app) {
  const net = /** @type {HTMLElement} */ (document.getElementById("net"));
  const text = app.online && navigator.onLine ? "" : t("No network");
  if (net.textContent !== text) {
    net.textContent = text;
  }
}

async function start() {
  document.documentElement.dataset.theme = localStorage.getItem("tenge-theme") ?? "auto";
  const as = new URLSearchParams(location.search).get("as") ?? "me";
  const profile = PROFILE.test(as) ? as : "me";
  await speak(preferredLanguage());
  let app;
  try {
    app = new App(profile, await openStore(profile));
    await app.wallet.open();
  } catch (error) {
    fill(
      /** @type {Element} */ (document.getElementById("main")),
      h("h1", {}, t("This browser keeps nothing")),
      refusal(error),
    );
    return;
  }
  /** @type {any} */ (window).tengeWallet = app;
  document.getElementById("skip")?.addEventListener("click", (event) => {
    event.preventDefault();
    document.querySelector("main h1")?.dispatchEvent(new Event("focus"));
    /** @type {HTMLElement | null} */ (document.querySelector("main h1"))?.focus();
  });
  window.addEventListener("hashchange", () => app.draw());
  window.addEventListener("online", () => app.refreshSoon());
  window.addEventListener("offline", () => app.changed());
  app.store.onChange(() => app.changed());
  await app.draw();
  document.documentElement.dataset.ready = "yes";
  performance.mark("wallet-ready");
  keepForOffline(app);
  listen(app);
  app.refresh();
  loadScreens().catch(() => undefined);
  loadDevice().catch(() => undefined);
}

/** @param {App} app */
async function keepForOffline(app) {
  if (!navigator.serviceWorker) {
    return;
  }
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    document.documentElement.dataset.kept = data.kept ? "yes" : "no";
    if (data.changed) {
      const bar = h("button", { type: "button", class: "toast update" }, t("A new version is ready. Reload"));
      bar.addEventListener("click", () => location.reload());
      document.body.append(bar);
    }
  });
  try {
    await navigator.serviceWorker.register("/wallet/sw.js", { scope: "/wallet/" });
    const ready = await navigator.serviceWorker.ready;
    ready.active?.postMessage("look");
    await navigator.storage?.persist?.();
  } catch {
    app.changed();
  }
}

start();
