// Who sells: our gateway, or somebody's middleware in front of a handler. Each cell has a path, a text and a payee of its own.

import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { run, scratch, start } from "../client/program.mjs";
import { NETWORK, NETWORK_V1, USDC } from "./chain.mjs";
import { close, listen, listening } from "./facilitators.mjs";
import { theirs } from "./packages.mjs";

export const PRICE = "$0.01";
export const AMOUNT = 10_000n;
const UPFRONT = { paymentFlow: "upfront" };

/** Our gateway with a rule for each cell: paid at once or by promise, on one URL. */
export async function gateway(name, facilitator, cells) {
  const folder = scratch(name);
  mkdirSync(join(folder, "site"), { recursive: true });
  run("keys", "new", join(folder, "seller.jwk"));
  for (const cell of cells) writeFileSync(join(folder, "site", cell.path), cell.text);
  const url = await freeUrl();
  const permit2 = cells.some(({ method }) => method === "permit2");
  const text = `public_urls = ["${url}"]
listen = "${url.slice("http://".length)}"
[origin]
folder = "site"
[seller]
key = "seller.jwk"
[books]
path = "books.db"
[agents]
allow_loopback = true
[exact]
pay_to = "${cells[0].payTo}"
networks = ["${NETWORK}"]
facilitator = ["${facilitator.url}"]
${permit2 ? asPermit2 : ""}
${cells.map(rule).join("\n")}`;
  writeFileSync(join(folder, "tollway.toml"), text);
  const { end } = await start(["gateway", "-c", join(folder, "tollway.toml")], listening);
  return { url, end };
}

/** The same asset, to be moved by Permit2. */
const asPermit2 = `[[exact.assets]]
network = "${NETWORK}"
address = "${USDC}"
name = "USDC"
version = "2"
decimals = 6
symbol = "USDC"
permit2 = true`;

/** Without a word of it, the gateway declares what its facilitator takes. */
const only = { erc20: `, gas_sponsoring = ["erc20-approval"]` };

const rule = ({ id, path, payTo, flow, sponsor }) => `[[rules]]
id = "${id}"
path = "/${path}"
audience = "everyone"
action = "charge"
price = "${PRICE}"
exact = { pay_to = "${payTo}", flow = "${flow ?? "authorization"}"${only[sponsor] ?? ""} }
`;

/** A port that is free now: the gateway has to know its public name before it listens. */
async function freeUrl() {
  const server = createServer();
  const url = await listen(server);
  await close(server);
  return url;
}

function routes(cells) {
  const { declareEip2612GasSponsoringExtension, declareErc20ApprovalGasSponsoringExtension } = theirs("@x402/extensions");
  const declared = { eip2612: declareEip2612GasSponsoringExtension, erc20: declareErc20ApprovalGasSponsoringExtension };
  const route = ({ path, payTo, method, flow, sponsor }) => {
    const extra = { name: "USDC", version: "2", ...(flow === "upfront" && UPFRONT) };
    if (method === "permit2") extra.assetTransferMethod = "permit2";
    const price = { amount: `${AMOUNT}`, asset: USDC, extra };
    const accepts = { scheme: "exact", network: NETWORK, payTo, price, extra };
    return [`GET /${path}`, { accepts, description: path, mimeType: "text/plain", extensions: declared[sponsor]?.() }];
  };
  return Object.fromEntries(cells.map(route));
}

function resourceServer(middleware, { url }) {
  const { ExactEvmScheme } = theirs("@x402/evm/exact/server");
  const { HTTPFacilitatorClient } = theirs("@x402/core/server");
  return new middleware.x402ResourceServer(new HTTPFacilitatorClient({ url })).register(NETWORK, new ExactEvmScheme());
}

/** @x402/express. */
export async function express(_, facilitator, cells) {
  const middleware = theirs("@x402/express");
  const app = theirs("express")();
  app.use(middleware.paymentMiddleware(routes(cells), resourceServer(middleware, facilitator)));
  return serveExpress(app, cells);
}

/** @x402/hono. */
export async function hono(_, facilitator, cells) {
  const middleware = theirs("@x402/hono");
  const app = new (theirs("hono").Hono)();
  app.use(middleware.paymentMiddleware(routes(cells), resourceServer(middleware, facilitator)));
  for (const { path, text } of cells) app.get(`/${path}`, (context) => context.text(text));
  const { getRequestListener } = theirs("@hono/node-server");
  const server = createServer(getRequestListener(app.fetch));
  return { url: await listen(server), end: () => close(server) };
}

/** x402-express, of version 1: one payee for each middleware. */
export async function expressV1(_, facilitator, cells) {
  const { paymentMiddleware } = theirs("x402-express");
  const app = theirs("express")();
  for (const { path, payTo } of cells) {
    app.use(paymentMiddleware(payTo, { [`GET /${path}`]: { price: PRICE, network: NETWORK_V1 } }, { url: facilitator.url }));
  }
  return serveExpress(app, cells);
}

async function serveExpress(app, cells) {
  for (const { path, text } of cells) app.get(`/${path}`, (_, response) => response.type("text").send(text));
  const server = createServer(app);
  return { url: await listen(server), end: () => close(server) };
}
