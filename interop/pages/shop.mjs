// A gateway with a console, and an agent that buys there: the scene for the console's browser test. Every figure on its
// pages comes from sales that really happened.

import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { freePort } from "../client/http.mjs";
import { program, run, scratch, start } from "../client/program.mjs";

const PAGES = 9;

const RULES = `
[[rules]]
id = "articles"
path = "/articles/*"
audience = "everyone"
action = "charge"
price = "$0.002"

[[rules]]
id = "data"
path = "/data/*"
audience = "everyone"
action = "charge"
price = "$0.0125"

[[rules]]
id = "drafts"
path = "/drafts/*"
audience = "everyone"
action = "block"
`;

/** Starts gateway and agent; `crawl()` buys all articles, `pay(path)` one page. */
export async function openShop() {
  const folder = scratch("shop");
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  writeSite(join(folder, "site"));
  run("keys", "new", join(folder, "seller.jwk"));
  run("keys", "new", join(folder, "crawler.jwk"));
  const config = join(folder, "shop.toml");
  writeFileSync(config, toml(port, origin));
  const keys = await start(["keys", "serve", join(folder, "crawler.jwk"), "--listen", "127.0.0.1:0"], (said) => /serving (http:\/\/[^/]+)/.exec(said)?.[1]);
  const agent = keys.found;
  const gateway = await start(["gateway", "-c", config], (said) => /console\s+(http\S+)\n/.exec(said)?.[1]);
  run("agents", "-c", config, "add", agent, "--credit", "$1", "--daily-budget", "$0.50");
  run("agents", "-c", config, "add", "https://idle.example", "--credit", "$5");
  const buyer = ["--agent", agent, "--key", join(folder, "crawler.jwk"), "--audit", join(folder, "audit.jsonl")];
  return {
    agent,
    config,
    origin,
    folder,
    buyer,
    url: gateway.found,
    crawl: () => run("crawl", `${origin}/`, ...buyer, "--max-price", "$0.01", "--budget", "$1", "--json"),
    watched: (...words) => watched([...words, ...(words[0] === "crawl" ? [`${origin}/`, ...buyer] : ["--audit", join(folder, "audit.jsonl"), "--purse", join(folder, "no-purse")])]),
    pay: (path) => run("pay", `${origin}${path}`, ...buyer, "--max-price", "$0.10", "--json"),
    spent: () => JSON.parse(run("spending", "--audit", join(folder, "audit.jsonl"), "--purse", join(folder, "no-purse"), "--json")),
    ask: (...words) => JSON.parse(run(...words, "-c", config, "--json")),
    ledger: (...words) => JSON.parse(run("ledger", "-c", config, "--json", ...words)),
    close: async () => {
      await gateway.end();
      await keys.end();
    },
  };
}

/** Starts a command that serves a page and prints its URL on standard error; `end()` gives its exit code. */
function watched(words) {
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const gone = new Promise((resolve) => child.once("exit", resolve));
  return new Promise((resolve, reject) => {
    let said = "";
    gone.then((code) => reject(new Error(`${words[0]} ended with ${code}: ${said}`)));
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const url = /watch at (\S+)\n/.exec(said)?.[1];
      if (url) resolve({ url, end: () => (child.kill("SIGTERM"), gone) });
    });
  });
}

function writeSite(site) {
  for (const name of ["articles", "data", "drafts"]) mkdirSync(join(site, name), { recursive: true });
  const articles = Array.from({ length: PAGES }, (_, at) => `articles/${at + 1}.html`);
  const links = articles.map((name) => `<a href="/${name}">${name}</a>`).join(" ");
  writeFileSync(join(site, "index.html"), `<!doctype html><title>Shop</title>${links}`);
  for (const name of articles) writeFileSync(join(site, name), `<!doctype html><title>${name}</title>`);
  writeFileSync(join(site, "data", "prices.csv"), "a,b\n");
  writeFileSync(join(site, "drafts", "x.html"), "draft");
}

const toml = (port, origin) => `
public_urls = ["${origin}"]
listen = "127.0.0.1:${port}"
[origin]
folder = "site"
[seller]
key = "seller.jwk"
[books]
path = "shop.db"
[agents]
allow_loopback = true
[console]
listen = "127.0.0.1:0"
[request_log]
sample = 1.0
${RULES}`;
