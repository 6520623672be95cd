// Payments that wait for a yes: one card each, decided once, gone when their time is over.

import { post, toChat } from "/assets/playground.js";

const cards = new Map();

function fact(list, name, text, kind = "") {
  const term = document.createElement("dt");
  term.textContent = name;
  const value = document.createElement("dd");
  value.textContent = text;
  value.className = kind;
  list.append(term, value);
}

/** Shows a payment and asks. */
export function addCard(card) {
  const element = document.createElement("article");
  element.className = "pay";
  element.dataset.card = card.id;
  element.setAttribute("aria-label", `Payment of ${card.amount}`);
  const head = document.createElement("header");
  const price = document.createElement("strong");
  price.textContent = card.each ? `up to ${card.amount}` : card.amount;
  const scheme = document.createElement("span");
  scheme.className = `badge scheme ${card.scheme}`;
  scheme.textContent = card.scheme;
  head.append(price, scheme);
  const facts = document.createElement("dl");
  facts.className = "facts";
  fact(facts, "Resource", card.resource, "mono");
  fact(facts, "Seller", card.seller);
  if (card.each) fact(facts, "Each", card.each);
  fact(facts, "Network", card.network, "mono");
  fact(facts, "Pays", card.pay_to, "mono");
  fact(facts, "Budget left", card.budget_left, "num");
  const acts = document.createElement("div");
  acts.className = "row";
  const buttons = [["Confirm", "true", ""], ["Decline", "false", "plain"]].map(([text, yes, kind]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.className = kind;
    button.addEventListener("click", () => {
      for (const other of buttons) other.disabled = true;
      post("/decide", { card: card.id, yes });
    });
    return button;
  });
  const clock = document.createElement("span");
  clock.className = "quiet small num";
  acts.append(...buttons, clock);
  element.append(head, facts, acts);
  const ends = Date.now() + card.seconds * 1000;
  const tick = () => {
    clock.textContent = `${Math.max(0, Math.ceil((ends - Date.now()) / 1000))} s left`;
  };
  tick();
  cards.set(card.id, { element, acts, timer: setInterval(tick, 500) });
  toChat(element, true);
}

const WORDS = {
  confirmed: ["Confirmed", "good"],
  automatic: ["Paid automatically, within the limit", "good"],
  declined: ["Declined", "bad"],
  "timed-out": ["Nobody confirmed in time", "bad"],
  "over-budget": ["Over the budget", "bad"],
};

/** A card was decided, here or by its time. */
export function decided({ id, decision, automatic_left: left }) {
  const card = cards.get(id);
  if (!card) return;
  cards.delete(id);
  clearInterval(card.timer);
  const [words, tone] = WORDS[decision];
  const badge = document.createElement("span");
  badge.className = `badge ${tone}`;
  badge.textContent = left ? `${words}; ${left} of it left` : words;
  card.acts.replaceChildren(badge);
  card.element.classList.add("over");
}
