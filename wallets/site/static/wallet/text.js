// @ts-check
/**
 * Words: `t("Pay {amount}", { amount })` gives the text in the person's language, English where there is no other.
 * Refusals speak from the catalogue of codes (`refusals/LANGUAGE.json`, made from the sandbox's own catalogue).
 */

export const LANGUAGES = Object.freeze({ kk: "Қазақша", ru: "Русский", en: "English" });
const KEPT = "tenge-language";

/** @type {Record<string, string>} */
let words = {};
/** @type {{ codes: Record<string, [string, string, string]>, phrases: Record<string, string>, categories: any }} */
let refusals = { codes: {}, phrases: {}, categories: {} };
let spoken = "en";

/** The language now. */
export function language() {
  return spoken;
}

/** What was chosen, or what the browser prefers. */
export function preferredLanguage() {
  const kept = keptLanguage();
  const wanted = [kept, ...navigator.languages.map((one) => one.slice(0, 2))];
  return wanted.find((one) => Object.hasOwn(LANGUAGES, one)) ?? "en";
}

function keptLanguage() {
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

/** Remember a choice. @param {string} name */
export function keepLanguage(name) {
  localStorage.setItem(KEPT, name);
}

/** Load the words of a language; without them the page speaks English. @param {string} name */
export async function speak(name) {
  spoken = Object.hasOwn(LANGUAGES, name) ? name : "en";
  const [own, codes] = await Promise.all([
    loaded(`/wallet/text/${spoken}.json`),
    loaded(`/static/wallet/refusals/${spoken}.json`),
  ]);
  words = own ?? {};
  refusals = codes ?? refusals;
  document.documentElement.lang = spoken;
}

/** @param {string} path @returns {Promise<any>} */
async function loaded(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/**
 * A text with its facts.
 * @param {string} text English; the key of the catalogue. @param {Record<string, string | number>} [facts]
 * @returns {string}
 */
export function t(text, facts = {}) {
  return filled(words[text] || text, facts);
}

/** @param {string} text @param {Record<string, any>} facts */
function filled(text, facts) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    if (Object.hasOwn(facts, name)) {
      return String(facts[name]);
    }
    return derived(name, facts) ?? whole;
  });
}

/** `{x_tenge}` of a fact x_tiyn, `{x_date}` and `{x_name}` of a fact x. @param {string} name @param {any} facts */
function derived(name, facts) {
  const [, stem, form] = /^(\w+)_(\w+)$/.exec(name) ?? [];
  const value = facts[stem];
  if (form === "date" && typeof value === "number") {
    return new Date((value + 5 * 3600) * 1000).toISOString().slice(0, 19).replace("T", " ");
  }
  if (form === "name" && value !== undefined) {
    return refusals.categories[String(value)] ?? String(value);
  }
  return undefined;
}

/**
 * A refusal in words: what happened, by which rule, and what to do now.
 * @param {any} error A TengeError, from a server (with its sentences) or from this page.
 * @returns {{ code: string, sentence: string, next: string, rule: string, facts: [string, string][] }}
 */
export function explained(error) {
  const code = error?.code;
  if (typeof code !== "string" || !code.startsWith("E_")) {
    const detail = error instanceof Error ? error.message : String(error);
    return {
      code: "PAGE",
      sentence: t("Something in this page went wrong; nothing was paid by it."),
      next: t("Reload the page. What was under way is found again."),
      rule: "",
      facts: [["detail", detail.slice(0, 200)]],
    };
  }
  const facts = error.facts ?? {};
  const told = Object.fromEntries(
    Object.entries(facts).map(([name, fact]) => [name, refusals.phrases[fact] ?? fact]),
  );
  const [sentence, next, rule] = refusals.codes[code] ?? ["", "", ""];
  return {
    code,
    sentence: error.sentence || (sentence ? filled(sentence, told) : code),
    next: error.next || filled(next, told),
    rule: error.rule || rule,
    facts: Object.entries(told).map(([name, fact]) => [name, String(fact)]),
  };
}
