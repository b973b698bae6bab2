// @ts-check
/**
 * A part of a screen that the institutions are asked for: it says that it asks, shows what came, keeps it for a day
 * without a network, and says so when what it shows is from before. A refusal is explained in place.
 */

import { isUnavailable } from "../api.js";
import { moment } from "../format.js";
import { t } from "../text.js";
import { actionButton, empty, fill, h, refusal } from "../view.js";
import { follow } from "./home.js";

const FRESH_SECONDS = 600;

/**
 * @param {any} app @param {string} name Under which the answer is kept.
 * @param {() => Promise<any>} load Asks for data that can be written as JSON.
 * @param {(data: any) => any} show Nodes, or a promise of them.
 */
export function asked(app, name, load, show) {
  const place = h(
    "div",
    { class: "asked", "aria-busy": "true" },
    h("p", { class: "note", role: "status" }, t("One moment …")),
  );
  let shown = "";
  const draw = async () => {
    let data;
    let note = null;
    try {
      data = await load();
      await keep(app, name, data);
    } catch (error) {
      const kept = await app.store.get("meta", `asked ${name}`);
      if (!isUnavailable(error)) {
        shown = "";
        fill(place, refusal(error), actionButton(t("Ask again"), draw, "quiet"));
        return;
      }
      if (!kept) {
        shown = "";
        fill(place, empty(t("Not known yet; the wallet asks when there is a network.")));
        return;
      }
      data = JSON.parse(kept.text);
      note = t("No network. This is from {moment}.", { moment: moment(kept.time) });
    }
    const now = JSON.stringify([data, note]);
    if (now !== shown) {
      shown = now;
      const nodes = await show(data);
      fill(place, note && h("p", { class: "warning", role: "status" }, note), nodes);
    }
  };
  draw().finally(() => place.removeAttribute("aria-busy"));
  follow(place, draw);
  return place;
}

/** @param {any} app @param {string} name @param {any} data */
async function keep(app, name, data) {
  const [text, time] = [JSON.stringify(data), app.wallet.now()];
  const before = await app.store.get("meta", `asked ${name}`);
  // Another tab hears of each writing and asks as well, so what is the same is written again only when it is old.
  if (before?.text === text && time - before.time < FRESH_SECONDS) {
    return;
  }
  await app.store.write([["meta", `asked ${name}`, { text, time }]]);
}
