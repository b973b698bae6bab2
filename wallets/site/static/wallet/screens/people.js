// @ts-check
/** Contacts: names for keys and phone numbers. They stay in this browser. */

import { normalNumber } from "../aliases.js";
import { hex, randomBytes } from "../core.js";
import { short } from "../format.js";
import { t } from "../text.js";
import { actionButton, actionForm, announce, empty, field, formError, h, heading } from "../view.js";

/** @param {any} app */
export async function contacts(app) {
  const rows = (await app.store.all("contacts")).sort((/** @type {any} */ one, /** @type {any} */ other) =>
    one.name.localeCompare(other.name),
  );
  return h(
    "div",
    {},
    heading(t("Contacts")),
    rows.length
      ? h(
          "ul",
          { class: "list" },
          rows.map((/** @type {any} */ row) => contactRow(app, row)),
        )
      : empty(t("Nobody yet.")),
    h("h2", {}, t("New contact")),
    actionForm(
      { action: t("Keep"), name: "contact" },
      [
        field(t("Name"), h("input", { name: "name", maxlength: "80", required: true, autocomplete: "off" })),
        field(
          t("Phone number or key"),
          h("input", { name: "at", maxlength: "80", required: true, autocomplete: "off" }),
        ),
      ],
      async ({ name, at }) => {
        if (!name.trim()) {
          throw formError(t("A contact needs a name."));
        }
        const kid = /^[0-9a-f]{64}$/i.test(at.trim()) ? at.trim().toLowerCase() : "";
        const contact = {
          id: hex(randomBytes(16)),
          name: name.trim(),
          kid,
          alias: kid ? "" : normalNumber(at),
        };
        await app.store.write([["contacts", contact.id, contact]]);
        announce(t("Kept."));
        app.draw();
      },
    ),
  );
}

/** @param {any} app @param {any} contact */
function contactRow(app, contact) {
  return h(
    "li",
    { class: "contact" },
    h("span", {}, h("b", {}, contact.name), " ", contact.alias || short(contact.kid)),
    contact.kid
      ? h(
          "a",
          {
            class: "button quiet",
            href: `#/pay/${contact.kid}`,
            "aria-label": t("Pay {name}", { name: contact.name }),
          },
          t("Pay"),
        )
      : null,
    forgetButton(app, contact),
  );
}

/** @param {any} app @param {any} contact */
function forgetButton(app, contact) {
  const node = actionButton(
    t("Forget"),
    async () => {
      await app.store.write([["contacts", contact.id, undefined]]);
      app.draw();
    },
    "quiet",
  );
  node.querySelector("button").setAttribute("aria-label", t("Forget {name}", { name: contact.name }));
  return node;
}
