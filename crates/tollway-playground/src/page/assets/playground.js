// The page comes alive: what is said and decided goes to the server, what happens comes back as events.

import { follow, set } from "/assets/live.js";
import { addCard, decided } from "/assets/cards.js";
import { addSteps, toNewest } from "/assets/timeline.js";

const root = document.getElementById("playground");
const tab = root.dataset.tab;
const chat = document.getElementById("chat");
const said = document.getElementById("said");
const LINES_MAX = 200;

/** Sends a change of this tab; answers what the server says. */
export async function post(path, fields = {}) {
  const body = new URLSearchParams({ tab, ...fields });
  const answer = await fetch(path, { method: "POST", body });
  return { ok: answer.ok, text: (await answer.text()).trim() };
}

/** Adds an element to the chat; `seen` shows it wherever the reader is. */
export function toChat(element, seen = false) {
  const atEnd = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 80;
  chat.append(element);
  while (chat.children.length > LINES_MAX) chat.firstElementChild.remove();
  if (atEnd || seen) chat.scrollTop = chat.scrollHeight;
}

function line({ who, text, tone }) {
  const element = document.createElement("p");
  element.className = `line ${who} ${tone}`;
  element.textContent = text;
  toChat(element);
}

function busy(is) {
  root.classList.toggle("busy", is);
  if (is) toNewest();
  for (const button of document.querySelectorAll("[data-scene], [data-say], [data-post='/close-day'], #say button")) {
    button.disabled = is;
  }
}

function wallet(view) {
  for (const name of ["balance", "owed", "left", "day"]) set(name, view[name]);
  const rows = view.history.map((row) => {
    const item = document.createElement("li");
    const part = (kind, text) => {
      const element = document.createElement("span");
      element.className = kind;
      element.textContent = text;
      item.append(element);
      return element;
    };
    const seller = document.createElement("span");
    seller.className = "quiet";
    seller.textContent = row.seller;
    part("what", `${row.resource} `).append(seller);
    part("num", row.amount);
    part("ref mono quiet", row.reference);
    part(`badge scheme ${row.scheme}`, row.scheme);
    return item;
  });
  document.getElementById("history").replaceChildren(...rows);
  document.getElementById("no-history").hidden = rows.length > 0;
}

const show = { chat: line, card: addCard, decided, busy, wallet };

follow(`/live?tab=${tab}`, ["step", ...Object.keys(show)], (events, missed) => {
  addSteps(events.filter((event) => event.kind === "step").map((event) => event.data), missed);
  for (const event of events) show[event.kind]?.(event.data);
});

async function act(path, fields) {
  const { ok, text } = await post(path, fields);
  said.textContent = text;
  said.className = ok ? "quiet small" : "notice bad small";
}

for (const button of document.querySelectorAll("[data-scene]")) {
  button.addEventListener("click", () => act("/scene", { name: button.dataset.scene }));
}
for (const button of document.querySelectorAll("[data-post]")) {
  button.addEventListener("click", () => act(button.dataset.post));
}
for (const button of document.querySelectorAll("[data-say]")) {
  button.addEventListener("click", () => act("/say", { text: button.dataset.say }));
}

const words = document.getElementById("words");
document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = words.value.trim();
  if (!text) return;
  words.value = "";
  act("/say", { text });
});

const on = document.getElementById("auto-on");
const sum = document.getElementById("auto-sum");
const allow = () => act("/automatic", { up_to: on.checked ? sum.value : "" });
on.addEventListener("change", allow);
sum.addEventListener("change", () => on.checked && allow());
document.getElementById("automatic").addEventListener("submit", (event) => {
  event.preventDefault();
  on.checked = true;
  allow();
});

for (const element of root.querySelectorAll(".scenes, .hints, .acts, #say, #automatic, #filter")) element.hidden = false;
document.documentElement.dataset.ready = "yes";
