// The playground in a real browser: what a person sees, confirms, declines and allows, held against the wallet's balance
// on the chain and what is owed in the books. Prints one line per check; the first one that fails ends it.

import assert from "node:assert/strict";

import { start } from "./client/program.mjs";
import { SIZES, launch, looks, shoot, sound, visit, watch } from "./pages/browser.mjs";

/** A figure of the page as a number of dollars. */
const figure = async (page, name) => Number((await page.textContent(`[data-live="${name}"]`)).replace("$", ""));
const said = (page) => page.locator("#chat .line.agent").last().textContent();
const ready = (page) => page.waitForFunction(() => document.documentElement.dataset.ready === "yes");
const idle = (page) => page.waitForFunction(() => !document.getElementById("playground").classList.contains("busy"));

/** Waits until a figure of the page is this. */
async function becomes(page, name, wanted, timeout = 20_000) {
  await page.waitForFunction(
    ([name, wanted]) => Math.abs(Number(document.querySelector(`[data-live="${name}"]`).textContent.replace("$", "")) - wanted) < 1e-9,
    [name, wanted],
    { timeout },
  );
}

async function tell(page, text) {
  await page.fill("#words", text);
  const heard = page.waitForResponse((answer) => answer.url().endsWith("/say"));
  await page.click("#say button");
  assert.equal((await heard).status(), 200, text);
}

const card = (page) => page.locator("article.pay:not(.over)");

async function confirm(page, yes = "Confirm") {
  await card(page).getByRole("button", { name: yes }).click();
}

const tests = {
  async "the wallet is funded and the page is sound"(page) {
    assert.equal(await figure(page, "balance"), 10);
    assert.equal(await figure(page, "owed"), 0);
    await sound(page, "fresh");
  },

  async "a free tool costs nothing and asks nobody"(page) {
    await tell(page, "what is 3 + 4");
    await page.waitForSelector("#chat .line.done");
    assert.match(await said(page), /7/);
    assert.equal(await page.locator("article.pay").count(), 0);
    assert.equal(await figure(page, "balance"), 10);
    await idle(page);
  },

  async "declined: nothing is signed, the balance is the same"(page) {
    await tell(page, "square 12");
    await card(page).waitFor();
    assert.match(await card(page).textContent(), /\$0\.01.*exact.*square.*eip155:84532/s);
    await confirm(page, "Decline");
    await page.waitForSelector("#chat .line.no");
    assert.match(await said(page), /User declined payment/);
    await idle(page);
    assert.equal(await figure(page, "balance"), 10);
    assert.equal(await page.locator("#steps li", { hasText: "signed request" }).count(), 0);
  },

  async "confirmed: the balance falls by the price and the receipt is shown"(page) {
    await tell(page, "square 12");
    await card(page).waitFor();
    await confirm(page);
    await becomes(page, "balance", 9.99);
    await idle(page);
    assert.match(await said(page), /144/);
    assert.equal(await page.locator("#history li").count(), 1);
    const receipt = page.locator("#steps li", { hasText: "receipt" }).last();
    await receipt.locator("summary").click();
    await receipt.locator(".opened pre").first().waitFor();
    assert.match(await receipt.textContent(), /0x[0-9a-f]{64}/);
  },

  async "another tab cannot confirm for this one, and nobody twice"(page) {
    await tell(page, "buy from the two shops whichever is cheaper");
    await card(page).waitFor();
    const other = watch(await page.context().newPage());
    await other.goto(new URL("/", page.url()).href);
    await ready(other);
    const decide = (where, fields) => where.evaluate(async (fields) => {
      const tab = document.getElementById("playground").dataset.tab;
      const answer = await fetch("/decide", { method: "POST", body: new URLSearchParams({ tab, ...fields }) });
      return answer.status;
    }, fields);
    const id = await page.evaluate(() => globalThis.document.querySelector("article.pay:not(.over)").dataset.card);
    assert.equal(await other.locator("article.pay").count(), 0, "the other tab was not told");
    assert.equal(await decide(other, { card: id, yes: "true" }), 409);
    assert.equal(await decide(page, { card: id, yes: "true" }), 200);
    assert.equal(await decide(page, { card: id, yes: "true" }), 409);
    await becomes(page, "balance", 9.9);
    await idle(page);
    await other.close();
    // The refusals above are what was asked for; the browser notes each failed request.
    page.notes.errors.splice(0);
  },

  async "automatic up to the limit and not beyond"(page) {
    await page.fill("#auto-sum", "0.025");
    await page.check("#auto-on");
    await page.waitForFunction(() => document.getElementById("said").textContent.includes("$0.025"));
    for (const owed of [0.01, 0.02]) {
      await tell(page, "read the article on lighthouse dues");
      await becomes(page, "owed", owed);
      await idle(page);
    }
    await tell(page, "read the article on the penny post");
    await card(page).waitFor();
    await confirm(page, "Decline");
    await idle(page);
    await page.uncheck("#auto-on");
    assert.equal(await figure(page, "owed"), 0.02);
  },

  async "a crawl stays within its sum"(page) {
    await tell(page, "crawl the site for 0.05");
    await card(page).waitFor();
    assert.match(await card(page).textContent(), /up to \$0\.05/);
    await confirm(page);
    await becomes(page, "owed", 0.07);
    await idle(page);
    assert.match(await said(page), /5 of \d+ articles/);
  },

  async "the three scenes"(page) {
    const before = await figure(page, "balance");
    await page.click('[data-scene="sellers"]');
    await card(page).waitFor();
    await confirm(page);
    await becomes(page, "balance", before - 0.09);
    await idle(page);
    await page.click('[data-scene="browser"]');
    await card(page).waitFor();
    await confirm(page);
    await becomes(page, "balance", before - 0.14);
    await idle(page);
    assert.match(await said(page), /5 pages/);
    await page.click('[data-scene="trader"]');
    await card(page).waitFor();
    await confirm(page);
    await becomes(page, "owed", 0.12);
    await idle(page);
    assert.match(await said(page), /100 ticks.*ms a tick.*paying adds/s);
    await looks(page, "playground");
  },

  async "steps open, filter and copy"(page) {
    await page.getByText("Deferred", { exact: true }).click();
    const shown = await page.locator("#steps li:visible").evaluateAll((rows) => rows.map((row) => row.dataset.scheme));
    assert.ok(shown.length > 0 && shown.every((scheme) => scheme === "deferred"));
    const base = page.locator("#steps li:visible", { hasText: "signature base" }).last();
    await base.locator("summary").click();
    await base.locator(".opened pre").first().waitFor();
    assert.match(await base.textContent(), /"@method": GET/);
    const payment = page.locator("#steps li:visible", { hasText: "signed request" }).last();
    await payment.locator("summary").click();
    await payment.locator(".opened pre").first().waitFor();
    assert.match(await payment.textContent(), /curl -i -X GET/);
    await looks(page, "playground-step");
    await page.getByText("All", { exact: true }).click();
  },

  async "the day is closed: many promises, one transfer"(page) {
    const before = await figure(page, "balance");
    await page.click("[data-post='/close-day']");
    await card(page).waitFor();
    assert.match(await card(page).textContent(), /\$0\.12/);
    await shoot(page, "playground-bill");
    await confirm(page);
    await becomes(page, "owed", 0);
    await becomes(page, "balance", before - 0.12);
    await idle(page);
    assert.match(await said(page), /107 promises.*one bill of \$0\.12.*one transfer/s);
  },

  async "a flood of events does not freeze the page"(page) {
    await page.evaluate(() => {
      globalThis.longest = 0;
      let last = performance.now();
      const frame = (now) => {
        globalThis.longest = Math.max(globalThis.longest, now - last);
        last = now;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    await page.evaluate(async () => {
      const { addSteps } = await import("/assets/timeline.js");
      let id = 1e6;
      for (let second = 0; second < 3; second += 1) {
        for (let part = 0; part < 20; part += 1) {
          const steps = Array.from({ length: 50 }, () => ({ id: (id += 1), at: 0, label: "request", scheme: "deferred", title: "GET /feed/tick" }));
          addSteps(steps);
          await new Promise((resolve) => { setTimeout(resolve, 50); });
        }
      }
    });
    await tell(page, "watch the price feed for 20 cents");
    await card(page).waitFor();
    await confirm(page);
    await becomes(page, "owed", 0.2, 120_000);
    await idle(page);
    const [rows, longest] = await page.evaluate(() => [document.querySelectorAll("#steps li").length, globalThis.longest]);
    assert.ok(rows <= 400, `${rows} rows`);
    console.log(`    (longest frame ${Math.round(longest)} ms)`);
    await sound(page, "after a flood");
  },

  async "without scripts the page reads"(page, browser, base) {
    const cookies = await page.context().cookies();
    const context = await browser.newContext({ javaScriptEnabled: false, viewport: SIZES.phone });
    await context.addCookies(cookies);
    const plain = watch(await context.newPage());
    await plain.goto(base);
    const text = await plain.textContent("main");
    for (const words of ["Wallet", "$9.", "/articles/*", "History", "corner-atlas", "Timeline"]) assert.ok(text.includes(words), words);
    await context.close();
  },
};

const opens = (said) => /http:\/\/\S+token=\S+/.exec(said)?.[0];
const { found: url, end } = await start(["playground", "--listen", "127.0.0.1:0", "--no-open"], opens);
const browser = await launch();
try {
  const page = await visit(browser, url);
  await ready(page);
  const base = new URL("/", page.url()).href;
  assert.ok(!page.url().includes("token"), "the token is no longer in the address");
  for (const [name, test] of Object.entries(tests)) {
    await test(page, browser, base);
    console.log(`ok  ${name}`);
  }
} finally {
  await browser.close();
  await end();
}
