// HTTP Message Signatures (RFC 9421), Content-Digest (RFC 9530), JWK thumbprints (RFC 7638) and compact JWS (RFC 7515)
// with Ed25519, on node:crypto alone. A message is {method, url, headers} or {status, headers, request}.

import assert from "node:assert/strict";
import { createHash, createPublicKey, sign as cryptoSign, verify as cryptoVerify } from "node:crypto";

export const b64url = (bytes) => Buffer.from(bytes).toString("base64url");
export const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
export const contentDigest = (body) => `sha-256=:${sha256(body).toString("base64")}:`;

/** A public key from the `x` of its JWK. */
export const publicKey = (x) => createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });

/** RFC 7638: SHA-256 of the required members in alphabetic order. */
export const thumbprint = (x) => b64url(sha256(JSON.stringify({ crv: "Ed25519", kty: "OKP", x })));

/** Signs `covered` (component identifiers, in order); returns the two header values and the base. */
export function signMessage(message, { label, covered, parameters, key }) {
  const input = `(${covered.join(" ")})${parameters}`;
  const base = signatureBase(message, covered, input);
  const signature = cryptoSign(null, Buffer.from(base), key);
  return { input: `${label}=${input}`, signature: `${label}=:${signature.toString("base64")}:`, base };
}

/** Verifies the one signature of a message that has `tag`; returns what it covers, its parameters and its base. */
export function verifyMessage(message, tag, keyOf) {
  const inputs = members(message.headers["signature-input"]);
  const [label, input] = [...inputs].find(([, value]) => value.includes(`;tag="${tag}"`)) ?? assert.fail(`no tag ${tag}`);
  const [list, parameters] = split(input);
  const base = signatureBase(message, list, input);
  const signature = members(message.headers.signature).get(label).slice(1, -1);
  const x = keyOf(parameters.get("keyid"));
  assert.equal(thumbprint(x), parameters.get("keyid"), "the keyid is not the key's thumbprint");
  assert.ok(verifyBytes(x, base, Buffer.from(signature, "base64")), `the signature ${label} is not the key's`);
  return { covered: list, parameters, base };
}

/** Whether `x` signed `text`. */
export const verifyBytes = (x, text, signature) => cryptoVerify(null, Buffer.from(text), publicKey(x), signature);

/** The payload of a JWS of type `typ`; its header has one spelling. */
export function verifyJws(jws, typ, x) {
  const [header, payload, signature, ...more] = jws.split(".");
  assert.equal(more.length, 0);
  const expected = JSON.stringify({ alg: "EdDSA", kid: thumbprint(x), typ });
  assert.equal(Buffer.from(header, "base64url").toString(), expected);
  const right = verifyBytes(x, `${header}.${payload}`, Buffer.from(signature, "base64url"));
  assert.ok(right, `the JWS of type ${typ} is not the key's`);
  return Buffer.from(payload, "base64url").toString();
}

function signatureBase(message, covered, input) {
  assert.equal(new Set(covered).size, covered.length, "a component is covered twice");
  const lines = covered.map((identifier) => `${identifier}: ${componentValue(message, identifier)}`);
  return [...lines, `"@signature-params": ${input}`].join("\n");
}

function componentValue(message, identifier) {
  const [, name, rest] = /^"([^"]+)"(.*)$/.exec(identifier);
  const source = rest.includes(";req") ? message.request : message;
  const member = /;key="([^"]+)"/.exec(rest)?.[1];
  const url = source.url && new URL(source.url);
  const derived = {
    "@method": () => source.method,
    "@authority": () => url.host,
    "@path": () => url.pathname,
    "@query": () => url.search || "?",
    "@target-uri": () => url.href,
    "@status": () => String(source.status),
  }[name];
  const value = derived ? derived() : source.headers[name];
  assert.notEqual(value, undefined, `the message has no ${identifier}`);
  return member === undefined ? value.trim() : members(value).get(member);
}

/** The members of a structured-field dictionary, values verbatim. */
export function members(text) {
  const quoted = /"(?:[^"\\]|\\.)*"/y;
  const found = new Map();
  let [start, depth] = [0, 0];
  for (let at = 0; at <= text.length; at += 1) {
    quoted.lastIndex = at;
    if (quoted.test(text)) at = quoted.lastIndex;
    depth += { "(": 1, ")": -1 }[text[at]] ?? 0;
    if (at >= text.length || (text[at] === "," && depth === 0)) {
      const [, key, value] = /^\s*([a-z*][a-z0-9_.*-]*)=(.*?)\s*$/s.exec(text.slice(start, at));
      assert.ok(!found.has(key), `${key} stands twice`);
      found.set(key, value);
      start = at + 1;
    }
  }
  return found;
}

/** An inner list of component identifiers, and the parameters behind it. */
function split(input) {
  const end = input.indexOf(")");
  const list = input.slice(1, end).split(" ");
  const parameters = [...input.slice(end + 1).matchAll(/;([a-z]+)=(?:"([^"]*)"|([0-9]+))/g)];
  return [list, new Map(parameters.map(([, name, text, number]) => [name, text ?? Number(number)]))];
}
