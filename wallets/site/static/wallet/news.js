// @ts-check
/** Being told of news: server-sent events, and asking every few seconds where they do not come. */

const ASK_MILLISECONDS = 5_000;
const TRY_AGAIN_MILLISECONDS = 15_000;

/** Listen for news of the wallet from now on. @param {any} app */
export function listen(app) {
  /** @type {EventSource | null} */
  let source = null;
  let told = 0;
  const connect = () => {
    source?.close();
    if (!app.wallet.member) {
      return;
    }
    source = new EventSource(`/v1/wallets/${app.wallet.kid}/events`);
    source.addEventListener("changed", () => {
      told = Date.now();
      app.refreshSoon();
    });
  };
  connect();
  app.listenAgain = connect;
  setInterval(() => {
    const open = source?.readyState === EventSource.OPEN;
    if (!document.hidden && !open) {
      app.refreshSoon();
    }
    if (source?.readyState === EventSource.CLOSED && Date.now() - told > TRY_AGAIN_MILLISECONDS) {
      told = Date.now();
      connect();
    }
  }, ASK_MILLISECONDS);
}
