// Who sells tools: our program in front of a server that knows no money, and servers that sell by themselves.

import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { run, scratch, start } from "../client/program.mjs";
import { NETWORK, USDC } from "../x402/chain.mjs";
import { close, listen, listening } from "../x402/facilitators.mjs";
import { commandOf, serveHttp, write } from "./tools.mjs";

const AMOUNT = "10000";
const requirements = {
  scheme: "exact",
  network: NETWORK,
  amount: AMOUNT,
  asset: USDC,
  maxTimeoutSeconds: 300,
  extra: { name: "USDC", version: "2" },
};
const toolsOf = (cells) => cells.map(({ id, text, payTo }) => ({ name: id, text, payTo }));
const quoted = (words) => words.map((word) => `'${word}'`).join(" ");

/** `tollway mcp sell`, before a server of the SDK; each side by the transport the cells name. */
export async function sell(name, facilitator, cells) {
  const folder = scratch(name);
  mkdirSync(folder, { recursive: true });
  run("keys", "new", join(folder, "seller.jwk"));
  const tools = { facilitator: facilitator.url, requirements, tools: toolsOf(cells) };
  const file = join(folder, "tools.json");
  write(file, tools);
  const url = await freeUrl();
  const prices = join(folder, "prices.toml");
  writeFileSync(prices, pricesOf(url, facilitator, cells));
  const words = ["mcp", "sell", "--prices", prices];
  if (cells[0].transport === "stdio") {
    const upstream = ["--command", quoted(commandOf("free", file))];
    return { of: (cell) => ({ tool: cell.id, command: [...words, ...upstream] }), end: async () => {} };
  }
  const upstream = await serveHttp("free", tools);
  const listener = ["--upstream", upstream.url, "--listen", url.slice("http://".length)];
  const { end } = await start([...words, ...listener], listening);
  return { of: (cell) => ({ tool: cell.id, url: `${url}/mcp` }), end: () => end().then(upstream.end) };
}

function pricesOf(url, facilitator, cells) {
  const call = ({ id, payTo, expect }) => `[[calls]]
tool = "${id}"
${expect === "free" ? "free = true" : `price = "$0.01"\nexact = { pay_to = "${payTo}" }`}
`;
  return `public_urls = ["${url}"]
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
${cells.map(call).join("\n")}`;
}

/** A server that sells by itself, by one of the published wires. */
export const selling = (wire) => async (name, facilitator, cells) => {
  const tools = { facilitator: facilitator.url, requirements, tools: toolsOf(cells) };
  if (cells[0].transport === "stdio") {
    const file = scratch(`${name}-tools.json`);
    write(file, tools);
    const command = commandOf(wire, file);
    return { of: (cell) => ({ tool: cell.id, program: command[0], command: command.slice(1) }), end: async () => {} };
  }
  const server = await serveHttp(wire, tools);
  return { of: (cell) => ({ tool: cell.id, url: server.url }), end: server.end };
};

async function freeUrl() {
  const server = createServer();
  const url = await listen(server);
  await close(server);
  return url;
}
