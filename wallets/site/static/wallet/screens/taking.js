// @ts-check
/** What to do with what was scanned, picked or typed. */

import { lookUp } from "../aliases.js";
import { hex } from "../core.js";
import { checkRequest } from "../request.js";
import { keepReceipt, openGive, openPayment } from "./face.js";

/**
 * @param {any} app @param {import("../recognise.js").Found} found
 * @param {((payment: any) => Promise<void>)} [pay] The screen that is open already, for payments online.
 */
export async function take(app, found, pay = undefined) {
  switch (found.kind) {
    case "request": {
      checkRequest(found.request, app.wallet.network, app.wallet.now());
      const { payee, amountTiyn, memo } = found.request;
      return toPay(app, found, { kid: hex(payee), amountTiyn, words: memo, request: found.text }, pay);
    }
    case "phone": {
      const kid = await lookUp(app.wallet, found.number);
      return toPay(
        app,
        { kind: "key", kid },
        { kid, amountTiyn: 0, words: "", request: "", name: found.number },
        pay,
      );
    }
    case "key":
      return toPay(app, found, { kid: found.kid, amountTiyn: 0, words: "", request: "" }, pay);
    case "consent":
      app.found = found;
      app.go("consent");
      return undefined;
    case "join":
      location.hash = `#join=${found.code}&bank=${found.bankId}`;
      return undefined;
    case "invoice":
      return openGive(app, found.message);
    case "payment":
      return openPayment(app, found.message);
    default:
      return keepReceipt(app, found.message);
  }
}

/** @param {any} app @param {any} found @param {any} payment @param {any} pay */
async function toPay(app, found, payment, pay) {
  if (pay) {
    return pay(payment);
  }
  app.found = found;
  app.go("pay");
  return undefined;
}
