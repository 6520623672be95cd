// The matrix: every combination, what it is to show, and why some cannot be.

import * as clients from "./clients.mjs";
import * as servers from "./servers.mjs";

/** Buyers, and how they buy. */
export const CLIENTS = {
  "tollway pay": clients.tollway,
  "@x402/fetch": clients.fetchV2,
  "@x402/axios": clients.axiosV2,
  "x402-fetch": clients.fetchV1,
};

/** Sellers, and how they are started. */
export const SERVERS = {
  "tollway gateway": servers.gateway,
  "@x402/express": servers.express,
  "@x402/hono": servers.hono,
  "x402-express": servers.expressV1,
};

const OURS = "tollway gateway";
const NO_V1_SERVER = "this server speaks version 2 only, this client version 1 only";

/** Ways of paying: who takes part, what is special about the route, and what is expected. */
const WAYS = [
  {
    way: "eip3009 v2",
    of: ["tollway pay", "@x402/fetch", "@x402/axios", "x402-fetch"],
    at: [OURS, "@x402/express", "@x402/hono"],
    skip: ({ client, server }) => client === "x402-fetch" && server !== OURS && NO_V1_SERVER,
    leave: ({ client, server }) => client === "x402-fetch" && server === OURS,
  },
  { way: "eip3009 v1", of: Object.keys(CLIENTS), at: ["x402-express"] },
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
    leave: ({ facilitator, chain }) => facilitator !== "ours" || chain !== "devnet",
  },
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
