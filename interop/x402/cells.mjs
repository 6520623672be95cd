// The matrix: every combination, what it is to show, and why some cannot be.

import * as buyers from "../mcp/clients.mjs";
import * as sellers from "../mcp/servers.mjs";
import * as clients from "./clients.mjs";
import * as servers from "./servers.mjs";

/** Buyers, and how they buy. */
export const CLIENTS = {
  "tollway pay": clients.tollway,
  "@x402/fetch": clients.fetchV2,
  "@x402/axios": clients.axiosV2,
  "x402-fetch": clients.fetchV1,
  "tollway mcp pay": buyers.throughPay,
  "x402 mcp on @modelcontextprotocol/sdk": buyers.buying(buyers.spec),
  "agents/x402 on @modelcontextprotocol/sdk": buyers.buying(buyers.agents),
  "@modelcontextprotocol/sdk": buyers.talking,
  "@modelcontextprotocol/inspector": buyers.inspecting,
};

/** Sellers, and how they are started. */
export const SERVERS = {
  "tollway gateway": servers.gateway,
  "@x402/express": servers.express,
  "@x402/hono": servers.hono,
  "x402-express": servers.expressV1,
  "tollway mcp sell": sellers.sell,
  "x402 mcp on @modelcontextprotocol/sdk": sellers.selling("spec"),
  "agents/x402 on @modelcontextprotocol/sdk": sellers.selling("agents"),
};

const OVER_HTTP = ["tollway pay", "@x402/fetch", "@x402/axios", "x402-fetch"];
const OURS = "tollway gateway";
const NO_V1_SERVER = "this server speaks version 2 only, this client version 1 only";

const OUR_SHOP = "tollway mcp sell";
const OUR_PURSE = "tollway mcp pay";
const SPEC = "x402 mcp on @modelcontextprotocol/sdk";
const AGENTS = "agents/x402 on @modelcontextprotocol/sdk";
const OTHER_WIRE = "of these two wires each refuses the other's payment; Tollway speaks both";
const ourDevnet = ({ facilitator, chain }) => facilitator === "ours" && chain === "devnet";

/** Ways of paying: who takes part, what is special about the route, and what is expected. */
const WAYS = [
  {
    way: "eip3009 v2",
    of: ["tollway pay", "@x402/fetch", "@x402/axios", "x402-fetch"],
    at: [OURS, "@x402/express", "@x402/hono"],
    skip: ({ client, server }) => client === "x402-fetch" && server !== OURS && NO_V1_SERVER,
    leave: ({ client, server }) => client === "x402-fetch" && server === OURS,
  },
  { way: "eip3009 v1", of: OVER_HTTP, at: ["x402-express"] },
  { way: "eip3009 v1, deferred offered too", of: ["x402-fetch"], at: [OURS], expect: "beside deferred" },
  { way: "permit2", of: ["tollway pay", "@x402/fetch"], at: [OURS, "@x402/express"], method: "permit2", allowance: true },
  {
    way: "permit2, eip2612 sponsored",
    of: ["tollway pay", "@x402/fetch"],
    at: [OURS, "@x402/express"],
    method: "permit2",
    sponsor: "eip2612",
  },
  {
    way: "permit2, erc20 approval sponsored",
    of: ["tollway pay", "@x402/fetch"],
    at: [OURS, "@x402/express"],
    method: "permit2",
    sponsor: "erc20",
  },
  { way: "upfront", of: ["tollway pay", "@x402/fetch"], at: [OURS, "@x402/express"], flow: "upfront" },
  { way: "too low v2", of: ["@x402/fetch"], at: [OURS, "@x402/express"], expect: "refused", wrong: { amount: "1" } },
  { way: "too low v1", of: ["x402-fetch"], at: [OURS, "x402-express"], expect: "refused", wrong: { maxAmountRequired: "1" } },
  { way: "other asset v2", of: ["@x402/fetch"], at: [OURS, "@x402/express"], expect: "refused", wrong: { asset: "other" } },
  { way: "other asset v1", of: ["x402-fetch"], at: [OURS, "x402-express"], expect: "refused", wrong: { asset: "other" } },
  { way: "replay v2", of: ["@x402/fetch"], at: [OURS, "@x402/express"], expect: "moved once" },
  { way: "replay v1", of: ["x402-fetch"], at: [OURS, "x402-express"], expect: "moved once" },
  {
    way: "settlement_pending",
    of: ["@x402/fetch"],
    at: [OURS, "@x402/express"],
    expect: "pending first",
    slow: true,
    leave: (names) => !ourDevnet(names),
  },
  ...["stdio", "http"].flatMap((transport) => [
    {
      way: `mcp, ${transport}`,
      of: [OUR_PURSE, SPEC, AGENTS],
      at: [OUR_SHOP, SPEC, AGENTS],
      transport,
      leave: (names) => !ourDevnet(names) || (names.client !== OUR_PURSE && names.client === names.server),
      skip: ({ client, server }) => client !== OUR_PURSE && server !== OUR_SHOP && OTHER_WIRE,
    },
    {
      way: `mcp, ${transport}, free`,
      of: ["@modelcontextprotocol/sdk", "@modelcontextprotocol/inspector"],
      at: [OUR_SHOP],
      transport,
      expect: "free",
      leave: (names) => !ourDevnet(names),
    },
  ]),
];

/** Every cell; those with `why` are not to succeed. */
export function cells() {
  const found = [];
  for (const chain of ["devnet", "anvil"]) {
    for (const facilitator of ["ours", "theirs"]) {
      for (const { way, of, at, skip, leave, ...rest } of WAYS) {
        for (const server of at) {
          for (const client of of) {
            const names = { client, server, facilitator, way, chain };
            if (leave?.(names)) continue;
            found.push({ ...names, ...rest, why: skip?.(names) || undefined });
          }
        }
      }
    }
  }
  return found;
}
