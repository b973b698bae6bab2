// @ts-check
/**
 * Making pages out of nodes: `h("p", { class: "note" }, "text")`. Texts are always set as text, never as HTML, and no
 * node gets a style of its own.
 */

import { money } from "./format.js";
import { explained, t } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * A node. `on...` attributes take functions; true and false set and leave out; `null` children are left out.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...Child} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const node = ["svg", "path", "rect"].includes(tag)
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") {
      node.addEventListener(name.slice(2), value);
    } else if (name === "value") {
      /** @type {any} */ (node).value = value;
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(node, children);
  return node;
}

/** @param {Element} node @param {Child[]} children */
function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) {
      append(node, child);
    } else if (child !== null && child !== undefined && child !== false) {
      node.append(child instanceof Node ? child : String(child));
    }
  }
}

/**
 * Put other children into a node. What is drawn anew while it has the focus has it again: whoever types is not lost.
 * @param {Element} node @param {...Child} children
 */
export function fill(node, ...children) {
  const before = document.activeElement;
  const name = before && before !== node && node.contains(before) ? nameOfControl(before) : "";
  node.replaceChildren();
  append(node, children);
  if (name && document.activeElement !== before) {
    const controls = /** @type {HTMLElement[]} */ ([...node.querySelectorAll("a[href], button, summary")]);
    controls.find((one) => nameOfControl(one) === name)?.focus({ preventScroll: true });
  }
  return node;
}

/** What tells a control from the others beside it. @param {Element} control */
function nameOfControl(control) {
  return `${control.tagName} ${control.getAttribute("href") ?? ""} ${control.textContent}`;
}

/** Say something to those who cannot see it. @param {string} text */
export function announce(text) {
  const live = document.getElementById("live");
  if (live) {
    live.textContent = "";
    setTimeout(() => {
      live.textContent = text;
    }, 50);
  }
}

/** A refusal, with the button that explains it: which rule, which facts, what now. @param {unknown} error */
export function refusal(error) {
  const { code, sentence, next, rule, facts } = explained(error);
  return h(
    "div",
    { class: "refusal", role: "alert", "data-code": code },
    h("p", {}, sentence),
    h("p", { class: "next" }, next),
    h(
      "details",
      {},
      h("summary", {}, t("Explain")),
      h(
        "dl",
        {},
        h("dt", {}, t("Code")),
        h("dd", {}, code),
        rule && [h("dt", {}, t("Rule")), h("dd", {}, rule)],
        facts.map(([name, fact]) => [h("dt", {}, name), h("dd", { class: "fact" }, factText(name, fact))]),
        h("dt", {}, t("What now")),
        h("dd", {}, next),
      ),
    ),
  );
}

/** Amounts as money, everything else as it is. @param {string} name @param {string} fact */
function factText(name, fact) {
  return name.endsWith("_tiyn") && /^\d+$/.test(fact) ? money(Number(fact)) : fact;
}

let fieldNumber = 0;

/**
 * A labelled field.
 * @param {string} label @param {any} input An input, select or textarea. @param {string} [hint]
 */
export function field(label, input, hint = "") {
  fieldNumber += 1;
  input.id ||= `field-${fieldNumber}`;
  const hintId = `${input.id}-hint`;
  if (hint) {
    input.setAttribute("aria-describedby", hintId);
  }
  return h(
    "div",
    { class: "field" },
    h("label", { for: input.id }, label),
    input,
    hint && h("p", { class: "hint", id: hintId }, hint),
  );
}

/** A field for an amount. @param {string} name @param {Record<string, any>} [more] */
export function amountInput(name, more = {}) {
  return h("input", {
    name,
    inputmode: "decimal",
    autocomplete: "off",
    class: "amount",
    required: true,
    ...more,
  });
}

/**
 * A form with one main action. `act` gets the values; while it runs the button waits, a refusal is shown in place.
 * @param {{ action: string, busy?: string, name?: string }} words
 * @param {Child[]} children @param {(values: Record<string, string>, form: HTMLFormElement) => Promise<void>} act
 */
export function actionForm({ action, busy = "", name = "" }, children, act) {
  const button = h("button", { class: "main" }, action);
  const place = h("div", { class: "answer" });
  const form = h("form", { novalidate: true, name: name || null }, children, place, button);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    const values = /** @type {any} */ (Object.fromEntries(new FormData(form)));
    button.setAttribute("aria-disabled", "true");
    button.textContent = busy || t("One moment …");
    place.replaceChildren();
    try {
      await act(values, form);
    } catch (error) {
      fill(place, refusal(error));
    } finally {
      button.setAttribute("aria-disabled", "false");
      button.textContent = action;
    }
  });
  return form;
}

/**
 * A button that does something asynchronous; its refusal is shown after it.
 * @param {string} label @param {() => Promise<void> | void} act @param {string} [kind]
 */
export function actionButton(label, act, kind = "") {
  const place = h("div", { class: "answer" });
  const button = h("button", { type: "button", class: kind || null }, label);
  button.addEventListener("click", async () => {
    place.replaceChildren();
    button.setAttribute("aria-disabled", "true");
    try {
      await act();
    } catch (error) {
      fill(place, refusal(error));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
  return h("div", { class: "act" }, button, place);
}

/** The heading of a screen. @param {string} text */
export function heading(text) {
  return h("h1", { tabindex: "-1" }, text);
}

/** What there is where there is nothing. @param {string} text @param {...Child} more */
export function empty(text, ...more) {
  return h("div", { class: "empty" }, h("p", {}, text), more);
}

/** A refusal of this page's own form. @param {string} sentence */
export function formError(sentence) {
  return Object.assign(new Error(sentence), {
    code: "E_FIELD",
    sentence,
    next: t("Change it and try again."),
    facts: {},
  });
}
