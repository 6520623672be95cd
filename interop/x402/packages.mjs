// What others wrote for x402, as package-lock.json pins it: installed under target/ when it is not there.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PINNED = ["package.json", "package-lock.json"];
const INSTALL_MS = 300_000;
const own = dirname(fileURLToPath(import.meta.url));
const folder = join(process.env.CARGO_TARGET_DIR ?? join(own, "../../target"), "interop-x402");

if (!isInstalled()) install();

/** A module of theirs. */
export const theirs = createRequire(join(folder, "package.json"));

/** The version of a package as it is installed. */
export const version = (name) => JSON.parse(read(join(folder, "node_modules", name), "package.json")).version;

function isInstalled() {
  const same = (name) => existsSync(join(folder, name)) && read(folder, name) === read(own, name);
  return PINNED.every(same) && existsSync(join(folder, "node_modules/.package-lock.json"));
}

function install() {
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "node_modules"), { recursive: true, force: true });
  for (const name of PINNED) copyFileSync(join(own, name), join(folder, name));
  const words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer", "--silent"];
  execFileSync("npm", words, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: INSTALL_MS });
}

function read(where, name) {
  return readFileSync(join(where, name), "utf8");
}
