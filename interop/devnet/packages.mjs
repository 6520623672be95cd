// Other people's programs, by exact version, installed below target/ where they are not there yet.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const PACKAGES = ["@foundry-rs/anvil@1.7.1", "viem@2.57.20", "ethers@6.17.0"];
const INSTALL_MS = 300_000;
const folder = resolve("target/interop-devnet");

if (!existsSync(join(folder, "node_modules/ethers/package.json"))) {
  mkdirSync(folder, { recursive: true });
  const words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix", folder];
  execFileSync("npm", [...words, ...PACKAGES], { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
}

/** A module of theirs. */
export const theirs = createRequire(join(folder, "index.js"));

/** Anvil itself: the package's own script would outlive a kill as a second process. */
const machine = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
export const anvil = theirs.resolve(`@foundry-rs/anvil-${machine}/bin/anvil`);
