// Everyone's client, server and facilitator with everyone else's, on two chains: `cargo xtask interop`.
// With --json one object; with --only WORD the cells that have the word in one of their five names. All cells together
// are held against docs/interop.md, which UPDATE_EXPECT=1 writes anew.

import * as nodes from "../devnet/nodes.mjs";
import { json, start } from "../client/program.mjs";
import { cells, SERVERS } from "./cells.mjs";
import { Chain, someAddress } from "./chain.mjs";
import { document } from "./document.mjs";
import * as facilitators from "./facilitators.mjs";
import { judge } from "./judge.mjs";
import { print } from "./table.mjs";

/** Longer than a payment takes that is pending at first. */
const CELL_MS = 90_000;
/** A facilitator that waits for less than a block says "pending" first. */
const BLOCK_S = 3;
const IMPATIENT = { settleWait: 2 };

process.env.TOLLWAY_WALLET_PASSWORD ??= "of a trial";
const { asJson, only } = options(process.argv.slice(2));
const wanted = cells().filter((cell) => only.every((word) => names(cell).some((name) => name.includes(word))));
wanted.forEach(prepare);
await Promise.all([runSlow(), runOn("devnet", nodes.ours), runOn("anvil", nodes.theirs)]);
print(wanted, asJson);
const documented = only.length > 0 || document(wanted);
// Connections of others' clients may still be open.
process.exit(documented && wanted.every(({ holds }) => holds) ? 0 : 1);

function options(words) {
  const found = { asJson: false, only: [] };
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--json") found.asJson = true;
    else if (word === "--only" && words.length > 0) found.only.push(words.shift());
    else throw new Error(`unknown argument ${word}; known: --json, --only WORD`);
  }
  return found;
}

function names({ client, server, facilitator, way, chain }) {
  return [client, server, facilitator, way, chain];
}

/** What a cell sells and who is paid are nobody else's. */
function prepare(cell, at) {
  Object.assign(cell, { id: `c${at}`, path: `c${at}.txt`, text: `cell ${at}: ${cell.way}\n`, payTo: someAddress() });
}

/** The keys of a chain: who gives buyers their money, whose gas settles. */
async function keys() {
  keys.known ??= start(["devnet", "--listen", "127.0.0.1:0", "--json"], json).then(async ({ found, end }) => {
    await end();
    return found.accounts.map(({ key }) => key);
  });
  return keys.known;
}

async function runOn(name, open) {
  const mine = wanted.filter((cell) => cell.chain === name && !cell.slow);
  if (mine.length === 0) return;
  const [rich, ours, theirs] = await keys();
  const node = await open();
  const chain = new Chain(name, node, rich);
  await runWith(chain, await facilitators.ours(chain, ours), mine.filter(({ facilitator }) => facilitator === "ours"));
  await runWith(chain, await facilitators.reference(chain, theirs), mine.filter(({ facilitator }) => facilitator === "theirs"));
  await node.end();
}

/** Blocks come seldom here. */
async function runSlow() {
  const mine = wanted.filter(({ slow }) => slow);
  if (mine.length === 0) return;
  const words = ["devnet", "--listen", "127.0.0.1:0", "--block-time", `${BLOCK_S}`, "--json"];
  const { found, end } = await start(words, json);
  const chain = new Chain("slow", { url: found.url }, found.accounts[0].key);
  const facilitator = await facilitators.ours(chain, found.accounts[1].key, IMPATIENT);
  await runWith(chain, await facilitators.overheard(facilitator), mine);
  await end();
}

/** One server for all cells that can share it. */
async function runWith(chain, facilitator, cells) {
  const shared = grouped(cells);
  for (const [, group] of shared) {
    const [{ server, method = "eip3009", transport = "" }] = group;
    const open = SERVERS[server];
    const seller = await open(`${chain.name}-${facilitator.short}-${method}${transport}`, facilitator, group);
    for (const cell of group) await run(cell, chain, seller, facilitator.settled);
    await seller.end();
  }
  await facilitator.end();
}

function kind({ server, method, transport }) {
  return `${server} ${method} ${transport}`;
}

function grouped(cells) {
  const groups = new Map();
  for (const cell of cells) groups.set(kind(cell), [...(groups.get(kind(cell)) ?? []), cell]);
  return groups;
}

async function run(cell, chain, seller, settled) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error("no outcome in time")), CELL_MS).unref();
  });
  try {
    cell.detail = await Promise.race([judge(cell, chain, seller, settled), late]);
    cell.ok = !cell.why;
    cell.holds = true;
  } catch (error) {
    cell.detail = `${error.message}`.replaceAll(/\s+/g, " ");
    cell.ok = false;
    cell.holds = false;
    if (process.env.INTEROP_TRACE) console.error(error);
  }
}
