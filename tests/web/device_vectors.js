// The shared vectors of the protocol (docs/protocol/08-vectors.md), run through the code that the browser's device
// uses.
import { decode } from "/static/protocol/canonical.js";
import * as containers from "/static/protocol/containers.js";
import { publicKey, verify } from "/static/protocol/keys.js";
import { openEnvelope, openRoot, verifySigned } from "/static/protocol/records.js";
import { TrustView, openAuthority } from "/static/protocol/trust.js";
import * as rules from "/static/device/rules.js";
import * as wire from "/static/device/wire.js";

const { hex, unhex } = wire;
const LIMIT = 1 << 20;
const BUNDLE = 24 * 1024;
const NAMES = {
  1: "ROOT",
  2: "AUTH",
  3: "DEVCERT",
  4: "NOTE",
  5: "TRANSFER",
  6: "INVOICE",
  7: "RECEIPT",
  8: "SYNC_REQ",
  9: "SYNC_ACK",
  10: "TRUST",
  11: "REDEEM_ORDER",
  14: "ENROL",
};

class Case {
  constructor(row, context) {
    this.row = row;
    this.context = context;
    this.bytes = unhex(row.bytes);
    this.now = row.now ?? context?.now;
  }

  get network() {
    return unhex(this.context.network);
  }

  async trust() {
    const authority = await openAuthority(unhex(this.context.root), (this.context.auths ?? []).map(unhex));
    let view = new TrustView(authority);
    for (const list of this.row.trust ?? this.context.trust ?? []) {
      view = await view.adopt(openEnvelope("TRUST", unhex(list), authority.network));
    }
    return view;
  }

  known(network) {
    const known = { spends: new Map(), counters: new Map() };
    for (const item of this.row.known ?? []) {
      const transfer = openEnvelope("TRANSFER", unhex(item), network);
      const { previous, index, payer, counter } = transfer.record;
      const outpoint = wire.outpointKey(previous, index);
      const number = `${hex(payer)}/${counter}`;
      if (!known.spends.has(outpoint)) known.spends.set(outpoint, transfer);
      if (!known.counters.has(number)) known.counters.set(number, transfer);
    }
    return known;
  }

  own(name, network) {
    return openEnvelope(name, this.bytes, network);
  }

  given(argument, name, network) {
    return openEnvelope(name, unhex(this.row[argument]), network);
  }
}

// Each check; one that gives null is about something the device does not read.
const CHECKS = {
  decode: (one) => decode(one.bytes, one.row.limit_bytes ?? LIMIT),
  object: (one) => (NAMES[one.row.type] ? one.own(NAMES[one.row.type], one.network) : null),
  async sealed(one) {
    if (!NAMES[one.row.type]) return null;
    const signed = one.own(NAMES[one.row.type], one.network);
    await verifySigned(signed, publicKey(one.row.algorithm, unhex(one.row.key)));
    if (hex(signed.oid) !== one.row.oid) throw new Error("another object id");
    return signed;
  },
  bundle(one) {
    const bundle = containers.openBundle(one.bytes, one.network, one.row.limit_bytes ?? BUNDLE);
    if (hex(containers.encodeBundle(bundle)) !== one.row.bytes) throw new Error("other bytes");
    return bundle;
  },
  message: (one) => (one.row.limit_bytes ? null : containers.openMessage(one.bytes, one.network)),
  "offer-bytes": (one) => containers.openOffer(one.bytes),
  key: (one) => publicKey(one.row.algorithm, one.bytes),
  async signature(one) {
    const key = publicKey(one.row.algorithm, unhex(one.row.key));
    await verify(key, one.bytes, unhex(one.row.message));
    return key;
  },
  root: (one) => openRoot(one.bytes),
  auth: (one) => openAuthority(unhex(one.context.root), [one.bytes]),
  async adopt(one) {
    const trust = await one.trust();
    return trust.adopt(one.own("TRUST", trust.network));
  },
  async certificate(one) {
    const trust = await one.trust();
    await wire.checkCertificate(one.own("DEVCERT", trust.network), trust, one.row.at);
    return trust;
  },
  async note(one) {
    const trust = await one.trust();
    await wire.checkNote(one.own("NOTE", trust.network), trust);
    return trust;
  },
  async offer(one) {
    const trust = await one.trust();
    const limit = one.row.limit_bytes ?? BUNDLE;
    const category = one.row.own_category ?? null;
    return wire.verifyOffer(one.bytes, trust, one.now, limit, one.known(trust.network), category);
  },
  async payment(one) {
    const trust = await one.trust();
    const invoice = one.given("invoice", "INVOICE", trust.network);
    const known = one.known(trust.network);
    return wire.verifyPayment(one.bytes, invoice, one.row.own_category, trust, one.now, known);
  },
  async commit(one) {
    const trust = await one.trust();
    const message = containers.openMessage(one.bytes, trust.network);
    if (message.type !== "COMMIT")
      throw new wire.TengeError("E_OBJTYPE", { type: message.type, expected: "COMMIT" });
    const offer = containers.openBundle(unhex(one.row.offer), trust.network, LIMIT);
    const invoice = one.given("invoice", "INVOICE", trust.network);
    const known = one.known(trust.network);
    return wire.verifyCommit(offer, message.transfers, invoice, one.row.own_category, trust, one.now, known);
  },
  async invoice(one) {
    const trust = await one.trust();
    const certificate = one.given("certificate", "DEVCERT", trust.network);
    await wire.checkInvoice(one.own("INVOICE", trust.network), certificate, trust, one.now);
    return trust;
  },
  async receipt(one) {
    const invoice = one.given("invoice", "INVOICE", one.network);
    const certificate = one.given("certificate", "DEVCERT", one.network);
    await wire.checkReceipt(
      one.own("RECEIPT", one.network),
      invoice,
      unhex(one.row.payment_root),
      certificate,
    );
    return invoice;
  },
  async "sync-ack"(one) {
    const trust = await one.trust();
    const ack = one.own("SYNC_ACK", trust.network);
    return rules.checkAck(
      ack,
      one.row.request ? one.given("request", "SYNC_REQ", trust.network) : null,
      trust,
    );
  },
  async "redeem-order"(one) {
    const trust = await one.trust();
    const order = one.own("REDEEM_ORDER", trust.network);
    await rules.checkRedeemOrder(
      order,
      one.given("certificate", "DEVCERT", trust.network).record,
      trust,
      one.now,
    );
    return trust;
  },
};

/**
 * The cases of a file that went otherwise than they say, how many went as they say, and which facts each code always
 * told.
 */
export async function runFile(file) {
  const wrong = [];
  const told = {};
  let right = 0;
  for (const row of file.cases) {
    const check = CHECKS[row.check];
    const context =
      typeof row.context === "string" ? file.context[row.context] : (row.context ?? file.context);
    let found = "ok";
    try {
      if (!check || (await check(new Case(row, context))) === null) continue;
    } catch (error) {
      found = error.code ?? String(error.stack);
      const facts = Object.keys(error.facts ?? {}).filter((name) => error.facts[name] !== undefined);
      told[found] = (told[found] ?? facts).filter((name) => facts.includes(name));
    }
    if (found === row.expect) right += 1;
    else wrong.push(`${row.id}: ${found}, not ${row.expect}`);
  }
  return { right, wrong, told };
}

window.runVectors = runFile;
