// @ts-check
/**
 * The service worker of the wallet: everything the wallet needs is kept, so that it opens with no network.
 *
 * What is needed, and its version, says `/wallet/files.json`. A version is fetched whole into a cache of its own before
 * it is used; then the older one goes. Files come from the cache, `/v1/` from the network and from nowhere else.
 */

const LIST = "/wallet/files.json";
const PAGE = "/wallet/";
const PREFIX = "tenge-wallet-";
const POINTER = "tenge-wallet-pointer";
const worker = /** @type {any} */ (self);

/** The name of the cache in use, or "". */
async function current() {
  const kept = await (await caches.open(POINTER)).match("/current");
  return kept ? kept.text() : "";
}

/**
 * Fetch a version whole and use it from then on; gives whether it is another than before.
 * @param {boolean} whole Also what may come later: the QR reader.
 */
async function take(whole) {
  const list = await (await fetch(LIST, { cache: "no-store" })).json();
  const name = PREFIX + list.version;
  const cache = await caches.open(name);
  const wanted = whole ? [...list.first, ...list.later] : list.first;
  const missing = [];
  for (const path of wanted) {
    if (!(await cache.match(path))) {
      missing.push(path);
    }
  }
  await Promise.all(
    missing.map(async (path) => {
      const answer = await fetch(path, { cache: "no-cache" });
      if (!answer.ok) {
        throw new Error(`${path} ${answer.status}`);
      }
      await cache.put(path, answer);
    }),
  );
  const before = await current();
  await (await caches.open(POINTER)).put("/current", new Response(name));
  for (const old of await caches.keys()) {
    if (old.startsWith(PREFIX) && old !== name && old !== POINTER) {
      await caches.delete(old);
    }
  }
  return Boolean(before) && before !== name;
}

worker.addEventListener("install", (/** @type {any} */ event) => {
  worker.skipWaiting();
  event.waitUntil(take(false));
});

worker.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil(worker.clients.claim());
});

worker.addEventListener("message", (/** @type {any} */ event) => {
  if (event.data === "look") {
    event.waitUntil(
      take(true)
        .then((changed) => event.source?.postMessage({ kept: true, changed }))
        .catch(() => event.source?.postMessage({ kept: false, changed: false })),
    );
  }
});

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const ours = origin === location.origin && (pathname.startsWith("/static/") || pathname.startsWith(PAGE));
  if (request.method !== "GET" || !ours || pathname === LIST) {
    return;
  }
  event.respondWith(answered(request, request.mode === "navigate" ? PAGE : pathname));
});

/** @param {Request} request @param {string} path */
async function answered(request, path) {
  const name = await current();
  const kept = name && (await (await caches.open(name)).match(path));
  return kept || fetch(request);
}
