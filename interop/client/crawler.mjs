// A crawler of its own: asks, reads the demand, promises in one of three dresses, signs, and believes an answer only
// when the seller's key has signed it for this very request. Written from the RFCs and docs/formats.md.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { DIRECTORY_PATH, DIRECTORY_TAG, nonce, send, serveDirectory } from "./http.mjs";
import { b64url, contentDigest, members, sha256, signMessage, thumbprint, verifyJws, verifyMessage } from "./signatures.mjs";

const REQUEST_LINE = ['"@method"', '"@authority"', '"@path"', '"@query"'];
const fromBase64 = (text) => JSON.parse(Buffer.from(text, "base64").toString());
const toBase64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64");

/**
 * Each dress: the promise it sends and how its receipt reads. How the request is signed differs too, within what the
 * profile allows: another label, another form of `Signature-Agent`, another order of the parameters, `@target-uri`.
 */
export const DRESSES = {
  x402: {
    promise({ required }) {
      const [accepted] = required.accepts;
      const payload = { amount: accepted.amount, asset: accepted.asset };
      return ["payment-signature", toBase64({ x402Version: 2, accepted, payload })];
    },
    covered: [...REQUEST_LINE, '"signature-agent";key="pay"'],
    agentField: (origin) => `pay="${origin}"`,
    label: "pay",
    proof: "buyer-signed",
    receipt: (headers) => readX402(headers["payment-response"]),
    receiptFields: ["payment-response"],
  },
  deferred: {
    // As announced: no sum, the offer's id alone says it.
    promise({ body }) {
      const { scheme, network, extras } = body.accepts[0];
      return ["payment", `scheme="${scheme}", network="${network}", id="${extras.id}"`];
    },
    covered: ['"@target-uri"', '"@method"', '"signature-agent"'],
    agentField: (origin) => `"${origin}/"`,
    label: "sig2",
    proof: "signed-offer",
    receipt: (headers) => readHandshake(headers["payment-response"]),
    receiptFields: ["payment-response"],
  },
  crawl: {
    promise: ({ price }) => ["crawler-max-price", price],
    covered: ['"signature-agent"', ...REQUEST_LINE],
    agentField: (origin) => `other="https://elsewhere.example", crawl.1="${origin}"`,
    label: "crawl.1",
    proof: "ceiling-only",
    receipt: (headers) => ({ ...readX402(headers["payment-response"]), charged: headers["crawler-charged"] }),
    receiptFields: ["payment-response", "crawler-charged"],
  },
};

function readX402(text) {
  const { success, transaction, network, payer, amount, asset, extra } = fromBase64(text);
  assert.equal(success, true);
  return { id: transaction, network, payer, amount, asset, offer: extra.offer, sequence: extra.sequence, head: extra.head };
}

function readHandshake(text) {
  const word = (name) => JSON.parse(members(text).get(name));
  assert.equal(word("scheme"), "deferred");
  const [amount, asset, sequence, head] = ["amount", "asset", "sequence", "head"].map(word);
  return { id: word("commitment"), network: word("network"), amount, asset, offer: word("id"), sequence, head };
}

/** A seller as its own documents show it: its origin and the keys it signs with. */
export async function readSeller(origin) {
  const answer = await send({ url: origin + DIRECTORY_PATH });
  assert.equal(answer.status, 200);
  const { keys } = JSON.parse(answer.body);
  const byId = new Map(keys.map((key) => [thumbprint(key.x), key.x]));
  const { covered } = verifyMessage(answer, DIRECTORY_TAG, (keyid) => byId.get(keyid));
  assert.ok(covered.includes('"@authority";req'));
  assert.equal(answer.headers["content-digest"], contentDigest(answer.body));
  return { origin, keyOf: (keyid) => byId.get(keyid) ?? assert.fail(`the seller has no key ${keyid}`), keys: [...byId.values()] };
}

/** A new agent whose directory is being served. */
export async function newAgent() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x } = publicKey.export({ format: "jwk" });
  const directory = await serveDirectory({ privateKey, x });
  return { ...directory, key: privateKey, x, keyid: thumbprint(x) };
}

/** Asks without paying; the demand in all its dresses, its offer verified. */
export async function readDemand(agent, seller, { method, url }) {
  const answer = await send({ method, url, headers: { "signature-agent": `sig1="${agent.origin}"` } });
  assert.equal(answer.status, 402);
  assert.equal(answer.headers["cache-control"], "no-store");
  const required = fromBase64(answer.headers["payment-required"]);
  const demand = { required, body: JSON.parse(answer.body), price: answer.headers["crawler-price"] };
  const id = required.accepts[0].extra.offer;
  assert.equal(demand.body.accepts[0].extras.id, id);
  const document = await readOffer(seller, id);
  assert.equal(required.extensions["tollway-offer"].info.jws, document.jws);
  assert.equal(required.accepts[0].amount, document.offer.amount);
  return { ...demand, id, ...document };
}

async function readOffer(seller, id) {
  const answer = await send({ url: `${seller.origin}/.well-known/tollway/offers/${id}` });
  assert.equal(answer.status, 200);
  const jws = answer.body.toString();
  assert.equal(b64url(sha256(jws).subarray(0, 16)), id, "the offer's id is not its hash");
  const { kid } = JSON.parse(Buffer.from(jws.split(".")[0], "base64url"));
  const offer = JSON.parse(verifyJws(jws, "tollway-offer+jws", seller.keyOf(kid)));
  const now = Date.now() / 1000;
  assert.deepEqual([offer.version, offer.seller], [1, seller.origin]);
  assert.ok(offer.not_before <= now && now < offer.not_after, "the offer is not in its window");
  if (offer.terms) {
    const terms = await send({ url: offer.terms.url });
    assert.equal(b64url(sha256(terms.body)), offer.terms.hash, "the terms are not those of the offer");
  }
  return { jws, offer };
}

/** A signed request that promises to pay, and the id that its promise will have. */
export function promiseRequest(agent, dress, demand, { method = "GET", url, body }) {
  const [field, value] = dress.promise(demand);
  const headers = { "signature-agent": dress.agentField(agent.origin), [field]: value };
  if (body) headers["content-digest"] = contentDigest(body);
  const covered = [...dress.covered, `"${field}"`, ...(body ? ['"content-digest"'] : [])];
  return signed(agent, { method, url, headers, body }, { ...dress, covered });
}

/** A signed request that promises nothing. */
export const plainRequest = (agent, url, method = "GET") =>
  signed(agent, { method, url, headers: { "signature-agent": DRESSES.x402.agentField(agent.origin) } }, DRESSES.x402);

function signed(agent, request, { label, covered }) {
  const created = Math.floor(Date.now() / 1000);
  const parameters = `;tag="web-bot-auth";nonce="${nonce()}";keyid="${agent.keyid}";created=${created};expires=${created + 300}`;
  const { input, signature, base } = signMessage(request, { label, covered, parameters, key: agent.key });
  const headers = { ...request.headers, "signature-input": input, signature };
  return { ...request, headers, base, id: commitmentId(created, agent.keyid, base) };
}

export function commitmentId(created, keyid, base) {
  const time = Buffer.alloc(4);
  time.writeUInt32BE(created);
  return b64url(Buffer.concat([time, sha256(Buffer.from(keyid, "base64url"), "\n", base).subarray(0, 28)]));
}

/** Holds an answer against the seller's signature: status, these fields, the body, and the request it answers. */
export function checkSigned(seller, answer, fields) {
  const { covered } = verifyMessage(answer, "x402-response", seller.keyOf);
  const needed = ["@status", ...fields].map((name) => `"${name}"`);
  const ofRequest = REQUEST_LINE.map((name) => `${name};req`);
  for (const identifier of [...needed, ...ofRequest]) assert.ok(covered.includes(identifier), `${identifier} is not signed`);
  const digest = answer.headers["content-digest"] ?? contentDigest(answer.body);
  assert.equal(digest, contentDigest(answer.body), "the body is not the signed one");
  const other = { ...answer, request: { ...answer.request, url: `${answer.request.url}x` } };
  assert.throws(() => verifyMessage(other, "x402-response", seller.keyOf), /not the key's/);
}
