// A driver for the browser and a judge of accessibility, by exact version, installed below target/ where they are not
// there yet. The browser itself is the system's.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGES = { "playwright-core": "1.65.1", "axe-core": "4.14.1" };
const INSTALL_MS = 300_000;
const own = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.env.CARGO_TARGET_DIR ?? join(own, "..", "..", "target"), "interop-pages");
const there = createRequire(join(folder, "index.js"));

const has = ([name, version]) => {
  const path = join(folder, "node_modules", name, "package.json");
  return existsSync(path) && there(path).version === version;
};
if (!Object.entries(PACKAGES).every(has)) {
  mkdirSync(folder, { recursive: true });
  const words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix", folder];
  const names = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`);
  execFileSync("npm", [...words, ...names], { stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
}

export const { chromium } = there("playwright-core");
/** The judge's script, to be run inside a page. */
export const axe = there("axe-core").source;
