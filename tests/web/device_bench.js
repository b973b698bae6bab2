// What the tests of the browser's device do in a page: calls with hexadecimal texts in and out, a place to stop at,
// and the thief's tools (a copy of the database, a key that can be taken out), which exist only here.
import { openDevice } from "/static/device/device.js";
import { databaseName } from "/static/device/store.js";
import { PayeeSession, PayerSession } from "/static/device/sessions.js";

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const plain = (value) => {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
  }
  return value;
};

const post = async (call, args) => {
  const answer = await fetch("/desk", { method: "POST", body: JSON.stringify({ call, ...args }) });
  const body = await answer.json();
  if (body.code) throw Object.assign(new Error(body.code), { code: body.code, facts: body.facts });
  return body;
};

const asText = (_, value) => {
  if (value instanceof Uint8Array) return { $bytes: hex(value) };
  if (value instanceof Map) return { $map: [...value] };
  return value;
};

const bench = {
  hex,
  device: null,
  sessions: new Map(),
  clock: null, // seconds, or null for the desk's
  stopAt: "",
  stopped: "",
  last: null,

  async open(name, { stopAt = "", now = null, keyPair, desk = 0, algorithm } = {}) {
    bench.stopAt = stopAt;
    bench.clock = now;
    const checkpoint = (point) => {
      if (point !== bench.stopAt) return undefined;
      bench.stopped = point;
      bench.arrived?.();
      return new Promise(() => {});
    };
    bench.device = await openDevice(name, { now: () => bench.clock ?? desk, checkpoint, keyPair, algorithm });
    return hex(bench.device.kid);
  },

  // Until the device stands at the point where it is to be killed.
  reached() {
    if (bench.stopped === bench.stopAt) return Promise.resolve();
    return new Promise((resolve, reject) => {
      bench.arrived = resolve;
      bench.last.then((answer) =>
        reject(new Error(`never came to ${bench.stopAt}: ${JSON.stringify(answer)}`)),
      );
    });
  },

  // Any call of the device, its Uint8Arrays as { hex }; a refusal comes back as { code, facts }.
  async call(name, ...args) {
    const given = args.map((item) => bench.bytes(item));
    try {
      return { answer: plain((await bench.device[name](...given)) ?? null) };
    } catch (error) {
      if (!error.code) throw error;
      return { code: error.code, facts: plain(error.facts ?? {}) };
    }
  },

  bytes(item) {
    if (Array.isArray(item)) return item.map(bench.bytes);
    if (item && typeof item === "object") {
      if ("hex" in item) return unhex(item.hex);
      return Object.fromEntries(Object.entries(item).map(([key, value]) => [key, bench.bytes(value)]));
    }
    return item;
  },

  // Begin a call that will be cut off: nothing is waited for.
  begin(name, ...args) {
    bench.last = bench[name] ? bench[name](...args) : bench.call(name, ...args);
    bench.last.catch(() => {});
  },

  // The same serial is the same request: the bank gives the same challenge, and so the same certificate.
  async papers(name, serial = 0) {
    const { network, bank_id: bankId, challenge } = await post("challenge", { name, serial });
    const enrol = await bench.device.enrolment(unhex(network), bankId, unhex(challenge));
    return post("enrol", { name, enrol: hex(enrol) });
  },

  async adoptGiven(given) {
    await bench.device.adopt({
      root: unhex(given.root),
      auths: given.auths.map(unhex),
      trust: given.trust.map(unhex),
      certificate: unhex(given.certificate),
    });
  },

  async join(name, serial = 0) {
    await bench.adoptGiven(await bench.papers(name, serial));
  },

  async load(name, amounts, mark = "") {
    const { loadNumber } = await bench.device.beforeLoad(amounts);
    const { notes } = await post("load", {
      name,
      amounts,
      mark,
      load_number: loadNumber,
      kid: hex(bench.device.kid),
    });
    for (const note of notes) await bench.device.loadNote(unhex(note));
  },

  async sync() {
    return bench.device.sync(async (batch, { last, trustSequence }) => {
      const answer = await post(last ? "sync" : "submit", {
        batch: hex(batch),
        trust_sequence: trustSequence,
      });
      return last ? { ack: unhex(answer.ack), trust: answer.trust.map(unhex) } : undefined;
    });
  },

  // A call of this bench, refusals as values.
  async run(name, ...args) {
    try {
      return { answer: plain((await bench[name](...args)) ?? null) };
    } catch (error) {
      if (!error.code) throw error;
      return { code: error.code, facts: plain(error.facts ?? {}) };
    }
  },

  async request(id, amount, wishes = {}) {
    return (await bench.device.invoice(unhex(id), amount, wishes)).request;
  },

  // --- several devices in one page ---

  beside: new Map(),

  async openBeside(name, desk) {
    const checkpoint = (point) => {
      if (point !== bench.stopAt) return undefined;
      bench.arrived?.();
      return new Promise(() => {});
    };
    bench.beside.set(name, await openDevice(name, { now: () => desk, checkpoint }));
  },

  // Let a function of this bench speak for one of the devices.
  async as(name, work) {
    const before = bench.device;
    bench.device = bench.beside.get(name);
    try {
      return await work();
    } finally {
      bench.device = before;
    }
  },

  callOf: (name, call, ...args) => bench.as(name, () => bench.call(call, ...args)),
  syncOf: (name) => bench.as(name, () => bench.sync()),
  joinBeside: (name) => bench.as(name, () => bench.join(name)),
  loadBeside: (name, amounts) => bench.as(name, () => bench.load(name, amounts)),

  // --- flow I ---

  async ask(id, amountTiyn, purpose = 0) {
    const session = new PayeeSession(bench.device, unhex(id), { amountTiyn, purpose, near: true });
    bench.sessions.set("payee", session);
    return session.start();
  },

  async say(side, message) {
    if (side === "payer" && !bench.sessions.has("payer")) {
      bench.sessions.set("payer", new PayerSession(bench.device));
    }
    return bench.sessions.get(side).receive(unhex(message));
  },

  async confirm() {
    return bench.sessions.get("payer").confirm();
  },

  // --- the thief ---

  async thiefKey() {
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
      "sign",
      "verify",
    ]);
    return pair;
  },

  database(name) {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open(databaseName(name));
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  },

  async dump(name) {
    const database = await bench.database(name);
    const stores = {};
    for (const store of database.objectStoreNames) {
      stores[store] = await new Promise((resolve) => {
        const rows = [];
        const cursor = database.transaction(store).objectStore(store).openCursor();
        cursor.onsuccess = () => {
          if (!cursor.result) return resolve(rows);
          rows.push([cursor.result.key, cursor.result.value]);
          return cursor.result.continue();
        };
      });
    }
    database.close();
    return stores;
  },

  async put(name, stores) {
    const database = await bench.database(name);
    await new Promise((resolve) => {
      const transaction = database.transaction(Object.keys(stores), "readwrite");
      for (const [store, rows] of Object.entries(stores)) {
        const target = transaction.objectStore(store);
        target.clear();
        for (const [key, value] of rows) target.put(value, key);
      }
      transaction.oncomplete = resolve;
    });
    database.close();
  },

  // The database as a text, the key left out.
  async dumped(name) {
    const stores = await bench.dump(name);
    const shown = stores.element.filter(([key]) => key !== "key");
    return JSON.stringify({ ...stores, element: shown }, asText);
  },

  // The whole profile as a text, key and all: only a key made extractable for this test lets itself be taken out.
  async steal(name) {
    const stores = await bench.dump(name);
    for (const row of stores.element) {
      if (row[0] === "key") {
        const jwk = await crypto.subtle.exportKey("jwk", row[1].privateKey);
        row[1] = { ...row[1], privateKey: { jwk } };
      }
    }
    return JSON.stringify(stores, asText);
  },

  async implant(name, text) {
    const stores = JSON.parse(text, (_, value) => {
      if (value?.$bytes !== undefined) return unhex(value.$bytes);
      if (value?.$map) return new Map(value.$map);
      return value;
    });
    for (const row of stores.element) {
      if (row[0] === "key") {
        const algorithm = { name: "ECDSA", namedCurve: "P-256" };
        const { jwk } = row[1].privateKey;
        row[1].privateKey = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);
      }
    }
    await bench.put(name, stores);
  },

  // From now on this page keeps its databases in a bucket with so much room: the browser's own limit, not a pretended
  // one.
  async smallDisk(quota) {
    const bucket = await navigator.storageBuckets.open("small", { quota });
    Object.defineProperty(window, "indexedDB", { value: bucket.indexedDB, configurable: true });
  },

  // Write until there is no room left; gives how often it went in.
  async fill() {
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open("filler");
      opening.onupgradeneeded = () => opening.result.createObjectStore("rows", { autoIncrement: true });
      opening.onsuccess = () => resolve(opening.result);
    });
    for (const size of [60000, 6000, 600, 60]) {
      let room = true;
      while (room) {
        room = await new Promise((resolve) => {
          const transaction = database.transaction("rows", "readwrite");
          transaction.objectStore("rows").put(crypto.getRandomValues(new Uint8Array(size)));
          transaction.oncomplete = () => resolve(true);
          transaction.onabort = () => resolve(false);
        });
      }
    }
    database.close();
  },

  empty() {
    return new Promise((resolve) => {
      indexedDB.deleteDatabase("filler").onsuccess = () => resolve();
    });
  },

  drop(name) {
    bench.device.close();
    return new Promise((resolve) => {
      indexedDB.deleteDatabase(databaseName(name)).onsuccess = () => resolve();
    });
  },

  saved: null,
  async save(name) {
    bench.saved = await bench.dump(name);
  },
  async putBack(name) {
    await bench.put(name, bench.saved);
  },
};

window.bench = bench;
document.documentElement.dataset.ready = "yes";
