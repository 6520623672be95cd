// Runs the same flows, written with viem and with ethers, on our devnet and on anvil with the same genesis, and compares
// what came of each step: transaction hashes, gas, logs, refusals. Prints one line per step that is equal.

import assert from "node:assert/strict";
import * as withEthers from "./devnet/ethers.mjs";
import { ours, theirs } from "./devnet/nodes.mjs";
import * as withViem from "./devnet/viem.mjs";

const plain = (value) => JSON.parse(JSON.stringify(value ?? null, (_, inner) => (typeof inner === "bigint" ? `${inner}` : inner)));

const nodes = [await ours(), await theirs()];
const keys = nodes[0].about.accounts.map(({ key }) => key);

for (const [library, { flows }] of Object.entries({ viem: withViem, ethers: withEthers })) {
  const [mine, other] = await Promise.all(nodes.map((node) => run(node, flows)));
  for (const [at, [step, value]] of mine.entries()) {
    assert.deepEqual([step, value], other[at], `${library}: not the same on both nodes: ${step}`);
    console.log(`ok  ${library}: ${step}`);
  }
  assert.equal(mine.length, other.length);
}
await Promise.all(nodes.map((node) => node.end()));

/** Every step with what came of it. */
async function run(node, flows) {
  const notes = [];
  try {
    await flows(node.url, keys, (step, value) => notes.push([step, plain(value)]));
  } catch (error) {
    throw new Error(`${node.name}, after ${notes.at(-1)?.[0]}`, { cause: error });
  }
  return notes;
}
