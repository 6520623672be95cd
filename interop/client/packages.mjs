// Packages of others, as package-lock.json pins them: installed under target/ when they are not there.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PINNED = ["package.json", "package-lock.json"];
const INSTALL_MS = 300_000;
const own = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(process.env.CARGO_TARGET_DIR ?? join(own, "..", "target"), "interop");

if (!isInstalled()) install();
const require = createRequire(join(folder, "package.json"));

export const httpMessageSig = require("http-message-sig");
export const structuredHeaders = require("structured-headers");
export const webBotAuth = require("web-bot-auth");
export const webBotAuthCrypto = require("web-bot-auth/crypto");
/** The older one that `web-bot-auth` brings along. */
export const webBotAuthHttp = createRequire(require.resolve("web-bot-auth"))("http-message-sig");

function isInstalled() {
  const same = (name) => existsSync(join(folder, name)) && read(folder, name) === read(own, name);
  return PINNED.every(same) && existsSync(join(folder, "node_modules", ".package-lock.json"));
}

function install() {
  mkdirSync(folder, { recursive: true });
  rmSync(join(folder, "node_modules"), { recursive: true, force: true });
  for (const name of PINNED) copyFileSync(join(own, name), join(folder, name));
  const words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
  execFileSync("npm", words, { cwd: folder, stdio: "inherit", timeout: INSTALL_MS });
}

function read(where, name) {
  return readFileSync(join(where, name), "utf8");
}
