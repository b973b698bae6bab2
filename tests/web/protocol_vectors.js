// The shared vectors of the protocol (docs/protocol/08-vectors.md), run through the protocol code of the browser.
import { hex, unhex } from "/static/protocol/bytes.js";
import { decode, encode } from "/static/protocol/canonical.js";
import * as checks from "/static/protocol/checks.js";
import * as containers from "/static/protocol/containers.js";
import { TengeError } from "/static/protocol/errors.js";
import { verifyEvidence } from "/static/protocol/evidence.js";
import * as frames from "/static/protocol/frames.js";
import { publicKey, verify } from "/static/protocol/keys.js";
import {
  TYPES,
  encodeSigned,
  openEnvelope,
  openRoot,
  signingMessage,
  verifySigned,
} from "/static/protocol/records.js";
import { encodeTransaction, openTransaction } from "/static/protocol/transaction.js";
import { TrustView, openAuthority } from "/static/protocol/trust.js";
import { verifyCommit, verifyOffer, verifyPayment } from "/static/protocol/verify.js";
import * as rules from "/static/device/rules.js";

const LIMIT = 1 << 20;
const BUNDLE_LIMIT = 24 * 1024;
const NAMES = Object.fromEntries(Object.entries(TYPES).map(([name, { type }]) => [type, name]));

/** Not a refusal: the bytes are accepted, and something else comes of them than the case says. */
function same(found, wanted, what) {
  if (found !== wanted) throw new Error(`another ${what}: ${found}`);
}

export class Case {
  constructor(row, context) {
    this.row = row;
    this.context = context;
    this.bytes = unhex(row.bytes);
    this.now = row.now ?? context?.now;
  }

  async network() {
    return this.context.root
      ? (await openRoot(unhex(this.context.root))).network
      : unhex(this.context.network);
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
      const outpoint = hex(previous) + index.toString(16).padStart(2, "0");
      const number = `${hex(payer)}/${counter}`;
      if (!known.spends.has(outpoint)) known.spends.set(outpoint, transfer);
      if (!known.counters.has(number)) known.counters.set(number, transfer);
    }
    return known;
  }

  limit(plain) {
    return this.row.limit_bytes ?? plain;
  }

  /** The bytes, opened; what is opened encodes to the same bytes again. */
  own(name, network) {
    const signed = openEnvelope(name, this.bytes, network);
    same(hex(encodeSigned(signed)), this.row.bytes, "encoding");
    return signed;
  }

  given(argument, name, network) {
    return this.row[argument] ? openEnvelope(name, unhex(this.row[argument]), network) : null;
  }
}

const CHECKS = {
  decode: (one) => same(hex(encode(decode(one.bytes, one.limit(LIMIT)))), one.row.bytes, "encoding"),
  object: async (one) => one.own(NAMES[one.row.type], await one.network()),
  async sealed(one) {
    const signed = one.own(NAMES[one.row.type], await one.network());
    await verifySigned(signed, publicKey(one.row.algorithm, unhex(one.row.key)));
    same(hex(signed.oid), one.row.oid, "object id");
    same(hex(signingMessage(signed.type, signed.oid)), one.row.message, "signed message");
  },
  async bundle(one) {
    const bundle = containers.openBundle(one.bytes, await one.network(), one.limit(BUNDLE_LIMIT));
    same(hex(containers.encodeBundle(bundle)), one.row.bytes, "encoding");
  },
  message: async (one) => containers.openMessage(one.bytes, await one.network(), one.limit(1 << 19)),
  "offer-bytes"(one) {
    const { bundle, picks } = containers.openOffer(one.bytes);
    if (picks.every((pick) => pick.length === 66))
      same(hex(containers.encodeOffer(bundle, picks)), one.row.bytes, "encoding");
  },
  async batch(one) {
    const batch = containers.openBatch(one.bytes, await one.network());
    const request = batch.request && encodeSigned(batch.request);
    const again = containers.encodeBatch(
      batch.batchId,
      batch.bundles,
      batch.objects.map((item) => encode(item)),
      request,
    );
    same(hex(again), one.row.bytes, "encoding");
  },
  key: (one) => publicKey(one.row.algorithm, one.bytes),
  async signature(one) {
    const key = publicKey(one.row.algorithm, unhex(one.row.key));
    await verify(key, one.bytes, unhex(one.row.message));
  },
  root: (one) => openRoot(one.bytes),
  auth: (one) => openAuthority(unhex(one.context.root), [one.bytes]),
  async adopt(one) {
    const trust = await one.trust();
    await trust.adopt(one.own("TRUST", trust.network));
  },
  async certificate(one) {
    const trust = await one.trust();
    await checks.checkCertificate(one.own("DEVCERT", trust.network), trust, one.row.at);
  },
  async note(one) {
    const trust = await one.trust();
    await checks.checkNote(one.own("NOTE", trust.network), trust);
  },
  async step(one) {
    const network = await one.network();
    const note = one.given("note", "NOTE", network);
    const parent = one.given("parent", "TRANSFER", network) ?? note;
    const certificate = one.given("certificate", "DEVCERT", network)?.record;
    await checks.checkTransfer(one.own("TRANSFER", network), parent, note, certificate, false);
  },
  async offer(one) {
    const trust = await one.trust();
    const category = one.row.own_category ?? null;
    await verifyOffer(one.bytes, trust, one.now, one.limit(BUNDLE_LIMIT), one.known(trust.network), category);
  },
  async payment(one) {
    const trust = await one.trust();
    const invoice = one.given("invoice", "INVOICE", trust.network);
    const known = one.known(trust.network);
    await verifyPayment(one.bytes, invoice, one.row.own_category, trust, one.now, known);
  },
  async commit(one) {
    const trust = await one.trust();
    const message = containers.openMessage(one.bytes, trust.network);
    if (message.type !== "COMMIT")
      throw new TengeError("E_OBJTYPE", { type: message.type, expected: "COMMIT" });
    const offer = containers.openBundle(unhex(one.row.offer), trust.network, LIMIT);
    const invoice = one.given("invoice", "INVOICE", trust.network);
    const known = one.known(trust.network);
    await verifyCommit(offer, message.transfers, invoice, one.row.own_category, trust, one.now, known);
  },
  async invoice(one) {
    const trust = await one.trust();
    const certificate = one.given("certificate", "DEVCERT", trust.network);
    await checks.checkInvoice(one.own("INVOICE", trust.network), certificate, trust, one.now);
  },
  async receipt(one) {
    const network = await one.network();
    const [invoice, certificate] = [
      one.given("invoice", "INVOICE", network),
      one.given("certificate", "DEVCERT", network),
    ];
    await checks.checkReceipt(one.own("RECEIPT", network), invoice, unhex(one.row.payment_root), certificate);
  },
  async "sync-ack"(one) {
    const trust = await one.trust();
    await rules.checkAck(
      one.own("SYNC_ACK", trust.network),
      one.given("request", "SYNC_REQ", trust.network),
      trust,
    );
  },
  async "redeem-order"(one) {
    const trust = await one.trust();
    const { record } = one.given("certificate", "DEVCERT", trust.network);
    await rules.checkRedeemOrder(one.own("REDEEM_ORDER", trust.network), record, trust, one.now);
  },
  async lists(one) {
    const trust = await one.trust();
    const after = await containers.takeLists(one.bytes, trust);
    same(after.sequence, one.row.sequence ?? after.sequence, "number of the list");
  },
  frames(one) {
    const assembler = new frames.Assembler(one.limit(BUNDLE_LIMIT));
    const given = one.row.frames.map((frame) => assembler.take(unhex(frame), 0)).at(-1);
    same(hex(given ?? new Uint8Array()), one.row.bytes, "message");
  },
  qr: (one) => same(hex(frames.openQr(one.row.text)), one.row.bytes, "frame"),
  packets(one) {
    const receiver = new frames.PacketReceiver(one.limit(BUNDLE_LIMIT));
    const given = one.row.packets.map((packet) => receiver.take(unhex(packet))).at(-1);
    same(hex(given ?? new Uint8Array()), one.row.bytes, "message");
  },
  async evidence(one) {
    const found = await verifyEvidence(one.bytes, unhex(one.row.root ?? one.context.root));
    const { verdict } = one.row;
    if (!verdict) return;
    const told = {
      type: found.type,
      kid: found.kid,
      device_id: found.deviceId,
      amount_tiyn: found.amountTiyn,
    };
    same(JSON.stringify(told), JSON.stringify(verdict), "verdict");
  },
  open(one) {
    const opened = openTransaction(one.bytes, unhex(one.context.open_network));
    same(hex(encodeTransaction(opened)), one.row.bytes, "encoding");
  },
};

/** What a case gives: "ok", the code of the refusal, or the words of another error; and the facts of a refusal. */
export async function judge(row, context) {
  try {
    await CHECKS[row.check](new Case(row, context));
    return { found: "ok", facts: [] };
  } catch (error) {
    if (!(error instanceof TengeError)) return { found: String(error.stack), facts: [] };
    const facts = Object.keys(error.facts).filter((name) => error.facts[name] !== undefined);
    return { found: error.code, facts };
  }
}

/** The context of a case. */
export function contextOf(file, row) {
  return typeof row.context === "string" ? file.context[row.context] : (row.context ?? file.context);
}

/**
 * How the cases of a file go: how many as they say, which otherwise, those that this code does not judge, by the reason
 * (a check that it does not have, or evidence of a type that it leaves to others), and the facts each code always told.
 */
export async function runFile(file) {
  const wrong = [];
  const left = {};
  const told = {};
  let right = 0;
  for (const row of file.cases) {
    const known = row.check in CHECKS;
    const { found, facts } = known ? await judge(row, contextOf(file, row)) : { found: row.check, facts: [] };
    if (!known || found === "E_EVIDENCE_ELSEWHERE") left[found] = [...(left[found] ?? []), row.id];
    else if (found === row.expect) right += 1;
    else wrong.push(`${row.id}: ${found}, not ${row.expect}`);
    if (known && found !== "ok") told[found] = (told[found] ?? facts).filter((name) => facts.includes(name));
  }
  return { right, wrong, left, told };
}

/** The answers to cases given as rows with their contexts. */
export async function answers(pairs) {
  const found = [];
  for (const [row, context] of pairs) found.push((await judge(row, context)).found);
  return found;
}
