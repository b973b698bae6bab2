// The page of the stage. It shows what GET /api/stage says and sends wishes to POST /api/ACTION; it decides nothing.
//
// Rules kept here: text goes into the page as text, never as HTML; the words come from one catalogue a language; a
// wish has an id of its own, kept until it is answered, so that a second press after a lost answer does nothing twice;
// what a person is typing is never overwritten.

const language = document.documentElement.lang;
const token = document.querySelector("meta[name=stage-token]").content;
const HOLDERS = ["bank_inventory", "treasury", "wallets", "escrow", "loss_reserve"];
const PEOPLE = ["payer", "payee", "who", "named", "other"];
const LOOK_AGAIN_MS = 3000;
const ANSWER_WITHIN_MS = 20000;

let words = {};
let stage = null;
let etag = "";
let waiting = [];
let away = false;
let unanswered = null;
let answers = 0;

// --- small tools ---

const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

// --- words ---

function money(tiyn) {
  const size = Math.abs(tiyn);
  const whole = String(Math.floor(size / 100)).replace(/\B(?=(\d{3})+$)/g, "\u00a0");
  const rest = size % 100 ? "." + String(size % 100).padStart(2, "0") : "";
  return (tiyn < 0 ? "−" : "") + whole + rest + "\u00a0₸";
}

function percent(share) {
  const digits = (share * 100).toFixed(1);
  return (language === "en" ? digits : digits.replace(".", ",")) + "\u00a0%";
}

const nameOf = (id) => words["who." + id] || id;

function fact(key, value) {
  if (key.endsWith("_tiyn")) return money(value);
  if (PEOPLE.includes(key)) return nameOf(value);
  if (key === "route") return [words["who.national_bank"], ...value.map(nameOf)].join(" → ");
  return String(value);
}

function say(key, facts = {}) {
  const text = words[key] || key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in facts ? fact(name, facts[name]) : whole));
}

const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function sentence(event) {
  if (event.kind !== "refused") return say("event." + event.kind, event.facts);
  const key = event.facts.who ? "event.refused_of" : "event.refused";
  return say(key, { who: event.facts.who }).replace("{sentence}", () => event.refusal.sentence);
}

// --- showing ---

function render(next) {
  const before = stage;
  stage = next;
  for (const phone of stage.phones) renderPhone(phone);
  renderRoutes();
  renderSupply();
  for (const node of all("[data-bank]")) write(node, money(stage.bank[node.dataset.bank]));
  renderCase();
  renderLog();
  renderStory(before);
  show(one("#shifted"), stage.shift_days > 0);
  write(one("#shifted"), say("clock.shifted", { days: stage.shift_days }));
  announce(before);
}

function renderPhone(phone) {
  const card = one("#phone-" + phone.id);
  card.classList.toggle("offline", phone.airplane);
  const airplane = card.querySelector("[data-action=airplane]");
  airplane.setAttribute("aria-checked", String(phone.airplane));
  for (const key of ["wallet_tiyn", "device_tiyn", "deposit_tiyn"]) {
    write(one(`[data-figure="${phone.id}.${key}"]`), money(phone[key]));
  }
  show(one(`[data-cloned="${phone.id}"]`), phone.clone !== null);
  show(one(`[data-named="${phone.id}"]`), phone.named);
  show(one(`[data-unsynced="${phone.id}"]`), phone.unsynced);
  show(card.querySelector(".attack"), phone.clone === null);
  renderLines(phone.id, phone.lines);
  renderChecks(phone);
  const clone = one(`#phone-${phone.id}-clone`);
  show(clone, phone.clone !== null);
  if (phone.clone) {
    write(one(`[data-figure="${phone.id}.clone.device_tiyn"]`), money(phone.clone.device_tiyn));
    renderLines(phone.id + "-clone", phone.clone.lines);
  }
}

function renderLines(place, lines) {
  const list = one(`[data-lines="${place}"]`);
  const items = lines.map((line) => {
    const what = make("span", {}, say("line." + line.kind, { other: line.other }));
    const where = make("small", {}, ` ${clock(line.time)} · ${words["phone.in_" + line.where]}`);
    const sign = line.amount_tiyn > 0 ? "+" : "";
    return make("li", {}, make("div", {}, what, where), make("b", {}, sign + money(line.amount_tiyn)));
  });
  list.replaceChildren(...(items.length ? items : [make("li", { class: "soft" }, words["phone.no_history"])]));
}

function renderChecks(phone) {
  const box = one(`[data-checks="${phone.id}"]`);
  show(box, phone.checks !== null);
  if (!phone.checks) return;
  const lines = ["signatures", "route", "certificates", "revoked", "amount", "unseen"];
  const list = make("ul", {}, ...lines.map((name) => make("li", {}, say("check." + name, phone.checks))));
  list.append(make("li", { class: "cannot" }, words["check.cannot"]));
  one(`[data-checked="${phone.id}"]`).replaceChildren(make("p", {}, say("check.from", phone.checks)), list);
}

function renderRoutes() {
  for (const form of all("form.pay")) {
    const { phone, clone } = form.dataset;
    const payee = form.elements.payee.value;
    const offline = clone === "yes" || stage.phones.some((p) => p.airplane && (p.id === phone || p.id === payee));
    const node = form.querySelector("[data-route]");
    node.classList.toggle("device", offline);
    write(node, words[offline ? "phone.route_offline" : "phone.route_online"]);
  }
}

function renderSupply() {
  const supply = stage.supply;
  const total = supply.held_tiyn || 1;
  const amounts = Object.fromEntries(supply.lines.map((line) => [line.key, line.tiyn]));
  const gauge = one("#gauge");
  if (gauge.querySelectorAll("rect").length === 0) {
    for (const holder of HOLDERS) {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      bar.setAttribute("class", holder);
      bar.setAttribute("height", "100");
      gauge.append(bar);
    }
  }
  let left = 0;
  for (const holder of HOLDERS) {
    const width = (amounts[holder] / total) * 10000;
    const bar = gauge.querySelector("rect." + holder);
    bar.setAttribute("x", String(left));
    bar.setAttribute("width", String(width));
    left += width;
    write(one(`[data-share="${holder}"]`), percent(amounts[holder] / total));
  }
  for (const node of all("[data-supply]")) {
    const key = node.dataset.supply;
    write(node, money(key in amounts ? amounts[key] : supply[key]));
  }
  const verdict = one("#adds-up");
  verdict.className = supply.adds_up ? "yes" : "no";
  write(verdict, (supply.adds_up ? "✓ " : "✗ ") + words[supply.adds_up ? "supply.adds_up" : "supply.broken"]);
}

function renderCase() {
  const found = stage.case;
  const state = one("#case-state");
  const kind = !found.handed_in ? "nothing" : found.double_spends ? "found" : "clean";
  state.className = "banner " + { nothing: "plain", found: "bad", clean: "good" }[kind];
  write(state, words["case." + kind]);
  show(one("#case-facts"), found.handed_in);
  for (const node of all("[data-case]")) {
    const value = found[node.dataset.case];
    write(node, node.dataset.case.endsWith("_tiyn") ? money(value) : String(value));
  }
  renderProofs(found.proofs);
  show(one("#root"), found.proofs.length > 0);
  show(one("#paid"), found.double_spends > 0);
  for (const node of all("[data-borne]")) write(node, money(found.borne[node.dataset.borne] || 0));
  show(one("#case-open"), found.open);
  write(one("#case-open-text"), say("case.open", found));
}

function renderProofs(proofs) {
  const place = one("#proofs");
  // Drawn anew only when something in it changed, so that a button keeps the focus.
  const state = JSON.stringify(proofs);
  if (place.dataset.state === state) return;
  const focused = document.activeElement?.dataset?.file;
  place.dataset.state = state;
  place.replaceChildren(...proofs.map((proof, rank) => proofCard(proof, rank === 0)));
  if (focused) one(`#proofs [data-file="${focused}"]`)?.focus();
}

function proofCard(proof, isFirst) {
  const type = proof.type.split(" ")[0];
  const kind = words["case.kind." + type] || say("case.kind.other", { type: proof.type });
  const rows = [
    ["case.named", say("case.device_of", { name: nameOf(proof.named) })],
    ["case.kind", kind],
    ["case.file", say("case.bytes", proof)],
  ];
  if (proof.amount_tiyn) rows.splice(2, 0, ["case.at_stake", money(proof.amount_tiyn)]);
  const list = make("dl", { class: "facts" }, ...rows.map(([key, value]) =>
    make("div", {}, make("dt", {}, words[key]), make("dd", {}, value))));
  const verify = make("button", {
    type: "button", "data-action": "verify", "data-file": proof.file, class: isFirst && !proof.verified ? "strong" : "",
    "aria-label": say("phone.buttons_of", { name: proof.file, button: words["case.verify"] }),
  }, words["case.verify"]);
  const download = make("a", {
    class: "button", href: "evidence/" + proof.file, download: proof.file,
    "aria-label": say("phone.buttons_of", { name: proof.file, button: words["case.download"] }),
  }, words["case.download"]);
  const card = make("article", { class: "proof" }, list, make("div", { class: "row" }, verify, download));
  if (proof.verified) card.append(make("p", { class: "banner good" }, say("case.verified", proof.verified)));
  return card;
}

function renderLog() {
  const list = one("#events");
  const newest = stage.events[stage.events.length - 1];
  const state = `${stage.act}/${newest ? newest.number : 0}`;
  if (list.dataset.state === state) return;
  list.dataset.state = state;
  const items = [...stage.events].reverse().map((event) =>
    make("li", { class: event.kind }, make("time", {}, clock(event.time)), make("span", {}, sentence(event))));
  list.replaceChildren(...items);
}

function renderStory(before) {
  const { told, steps } = stage.story;
  const telling = told !== null;
  const ended = telling && told >= steps;
  const next = one("#story-next");
  const hadFocus = document.activeElement === next;
  document.body.classList.toggle("telling-now", telling);
  show(next, telling && !ended);
  show(one("#story-start"), !telling || ended);
  show(one("#story-end"), telling);
  show(one("#story-step"), telling);
  write(one("#story-step"), telling ? say("lesson.step", { step: told, steps }) : "");
  write(one("#story-see"), telling ? words[`lesson.${told}.see`] : words["lesson.about"]);
  const hint = !telling ? say("lesson.hint") + ": " + words[stage.hint]
    : ended ? words["lesson.finished"] : say("lesson.now", { text: words[`lesson.${told + 1}.do`] });
  write(one("#story-hint"), hint);
  if (ended && hadFocus) one("#story-start").focus();
  for (const card of all(".lit")) card.classList.remove("lit");
  if (!telling) return;
  const places = stage.story.places.map((place) => one("#phone-" + place) || one("#" + place));
  for (const card of places) card.classList.add("lit");
  if (before && places.length && (before.story.told !== told || before.act !== stage.act)) {
    // At once, never gliding: a button that moves between a press and its release loses the press.
    places[0].scrollIntoView({ block: "nearest", behavior: "auto" });
  }
}

function announce(before) {
  if (!before) return;
  const last = before.act === stage.act && before.events.length ? before.events[before.events.length - 1].number : 0;
  const fresh = stage.events.filter((event) => event.number > last && event.kind !== "refused");
  const told = stage.story.told;
  const lines = fresh.map(sentence);
  if (told !== null && told !== before.story.told) lines.push(words[`lesson.${told}.see`]);
  if (lines.length) one("#announcement").textContent = lines.join(" ");
}

function showRefusal(error) {
  const box = one("#refusal");
  if (!error) {
    box.replaceChildren();
    return;
  }
  const lines = [make("p", {}, make("strong", {}, words["refused.title"] + ": "), error.sentence)];
  if (error.next) lines.push(make("p", {}, make("strong", {}, words["refused.next"] + " "), error.next));
  const foot = make("p", { class: "code" });
  if (error.code) foot.append(say("refused.rule", { code: error.code, rule: error.rule }) + " ");
  if (error.code === "E_WEB_SESSION") foot.append(make("a", { class: "button", href: "." }, words["page.reload"]));
  const close = make("button", { type: "button", class: "close", "aria-label": words["page.close"] }, "×");
  close.addEventListener("click", () => showRefusal(null));
  box.replaceChildren(make("div", { class: "banner bad" }, close, ...lines, foot));
}

// --- asking ---

async function ask(path, options = {}) {
  const url = `${path}?language=${language}`;
  return fetch(url, { ...options, credentials: "same-origin", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
}

async function look() {
  if (stage && waiting.length) return;
  // What was asked for before a wish was answered is older than that answer.
  const then = answers;
  const isOld = () => answers !== then || (stage && waiting.length);
  try {
    const response = await ask("api/stage", etag ? { headers: { "If-None-Match": etag } } : {});
    if (isOld()) return;
    if (away) showRefusal(null);
    away = false;
    if (response.status !== 200) return;
    const answer = await response.json();
    if (isOld()) return;
    etag = response.headers.get("ETag") || "";
    render(answer.stage);
  } catch {
    if (isOld()) return;
    if (!away) showRefusal({ sentence: words["page.away"] || "…" });
    away = true;
  }
}

// The words of the page. Without them nothing can be told, so they are asked for until they come.
async function learn() {
  for (;;) {
    try {
      const response = await fetch(`static/text/${language}.json`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
      if (response.ok) return await response.json();
    } catch {
      // The same as an answer without words.
    }
    const box = one("#refusal");
    box.replaceChildren(make("div", { class: "banner bad" }, box.dataset.away));
    away = true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// One wish at a time, in the order they were made, the first when the page knows the stage; a wish that is waiting
// already is not made again.
let opened = () => {};
const ready = new Promise((resolve) => { opened = resolve; });
let last = ready;

function wish(action, fields = {}) {
  const same = JSON.stringify([action, fields]);
  if (waiting.includes(same)) return last;
  waiting.push(same);
  document.body.setAttribute("aria-busy", "true");
  last = last.then(() => send(action, fields, same)).finally(() => {
    waiting = waiting.filter((other) => other !== same);
    if (!waiting.length) document.body.removeAttribute("aria-busy");
  });
  return last;
}

async function send(action, fields, same) {
  // The same wish again, after an answer that never came, is the same wish: it keeps its id.
  const id = unanswered?.same === same ? unanswered.id : newId();
  unanswered = { same, id };
  try {
    const response = await ask("api/" + action, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Stage-Token": token },
      body: JSON.stringify({ request_id: id, ...fields }),
    });
    const answer = await response.json();
    answers += 1;
    if (response.status !== 500) unanswered = null;
    etag = "";
    away = false;
    if (answer.stage) render(answer.stage);
    showRefusal(answer.error || null);
  } catch {
    showRefusal({ sentence: words["refused.away"] });
  }
}

async function sure() {
  await ready;
  if (!stage || stage.events.length <= 1) return true;
  const dialog = one("#ask");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

function pressed(button) {
  const { action, phone, file, form } = button.dataset;
  if (action === "airplane") return wish(action, { phone, on: button.getAttribute("aria-checked") !== "true" });
  if (action === "verify") return wish(action, { file });
  if (action === "story") return wish(action, { go: "next" });
  if (action === "sell") return wish(action, { phone: one("#" + form).elements.phone.value });
  return wish(action, phone ? { phone } : {});
}

function sent(form) {
  const { action, phone, clone } = form.dataset;
  const fields = Object.fromEntries(new FormData(form));
  if (phone) fields.phone = phone;
  if (action === "pay") fields.clone = clone === "yes";
  return wish(action, fields);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  // The second half of a double click is no second wish, however fast the first one was answered.
  if (event.detail > 1) event.preventDefault();
  else if (button.dataset.action) pressed(button);
});
document.addEventListener("submit", (event) => {
  if (!event.target.dataset.action) return;
  event.preventDefault();
  sent(event.target);
});
document.addEventListener("change", (event) => {
  if (event.target.name === "payee" && stage) renderRoutes();
});
one("#reset").addEventListener("click", async () => {
  if (await sure()) wish("reset");
});
one("#story-start").addEventListener("click", async () => {
  if (!(await sure())) return;
  await wish("story", { go: "start" });
  one("#story-next").focus();
});
one("#story-end").addEventListener("click", async () => {
  await wish("story", { go: "end" });
  one("#story-start").focus();
});

words = await learn();
await look();
opened();
setInterval(look, LOOK_AGAIN_MS);
