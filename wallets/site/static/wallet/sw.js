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
  const wanted = Object.entries(whole ? { ...list.first, ...list.later } : list.first);
  const missing = [];
  for (const [path, digest] of wanted) {
    if (!(await cache.match(path))) {
      missing.push([path, digest]);
    }
  }
  await Promise.all(missing.map(async ([path, digest]) => cache.put(path, await fetched(path, digest))));
  const before = await current();
  await (await caches.open(POINTER)).put("/current", new Response(name));
  for (const old of await caches.keys()) {
    if (old.startsWith(PREFIX) && old !== name && old !== POINTER) {
      await caches.delete(old);
    }
  }
  return Boolean(before) && before !== name;
}

/**
 * One file of a version: what the page has just loaded, if it is that very file, else from the server.
 * @param {string} path @param {string} digest SHA-256 in hexadecimal.
 */
async function fetched(path, digest) {
  for (const cache of /** @type {RequestCache[]} */ (["force-cache", "reload"])) {
    const answer = await fetch(path, { cache });
    const bytes = await answer.clone().arrayBuffer();
    const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const text = Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (answer.ok && text === digest) {
      return answer;
    }
  }
  throw new Error(`${path} is not the file of this version`);
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
