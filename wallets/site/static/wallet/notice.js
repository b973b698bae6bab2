// @ts-check
/** Being told, once, of what has come to wait for the person or was answered by somebody else. */

import { money } from "./format.js";
import { titleOfOrder } from "./orders.js";
import { t } from "./text.js";
import { openOrders, openRequests, refreshWaiting } from "./waiting.js";

/** What became of an own request, where one is told of it. @param {any} row */
function answered(row) {
  const amount = row.amount_tiyn ? money(row.amount_tiyn) : t("any amount");
  return {
    paid: t("Your request for {amount} was paid.", { amount }),
    declined: t("Your request for {amount} was declined.", { amount }),
  }[/** @type {"paid"} */ (row.state)];
}

/**
 * Ask what waits, and give what is new since the last time: [text, address].
 * @param {any} app
 * @returns {Promise<[string, string][]>}
 */
export async function newsOfWaiting(app) {
  const { before, now } = await refreshWaiting(app.wallet);
  if (!before) {
    return [];
  }
  const known = new Map(
    [...before.orders, ...before.inbox, ...before.asked].map((row) => [row.id, row.state]),
  );
  const orders = openOrders(app.wallet, now).filter(({ id }) => !known.has(id));
  const requests = openRequests(now).filter(({ id }) => !known.has(id));
  const answers = now.asked.filter(
    (row) => known.has(row.id) && known.get(row.id) !== row.state && answered(row),
  );
  return [
    ...orders.map((order) => [
      t("{name} asks: {what}", { name: order.partner_name, what: titleOfOrder(order) }),
      `#/order/${order.id}`,
    ]),
    ...(await Promise.all(
      requests.map(async (row) => [
        t("{name} asks you to pay.", { name: await app.nameOf(row.payee) }),
        "#/requests",
      ]),
    )),
    ...answers.map((row) => [String(answered(row)), "#/requests"]),
  ].map(([text, address]) => [text, address]);
}
