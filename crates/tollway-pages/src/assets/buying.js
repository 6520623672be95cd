// Keeps the figures of a crawl, and its newest pages, as they are.

import { follow, refresh, set } from "./live.js";

const body = document.querySelector("[data-recent]");
const state = document.querySelector("[data-live-state]");
const kinds = ["num left", "wrap", "wrap", "num", "num"];

function show(events) {
  // Each event tells all of it: the newest is enough.
  const last = events.at(-1)?.data;
  if (!last) return;
  for (const [name, text] of Object.entries(last.set)) set(name, text);
  refresh();
  body.replaceChildren(...last.recent.map((cells) => {
    const row = document.createElement("tr");
    cells.forEach((text, place) => {
      const td = document.createElement("td");
      td.className = kinds[place];
      td.textContent = text;
      row.append(td);
    });
    return row;
  }));
}

follow("/live", ["figures"], show, (word) => {
  state.hidden = false;
  state.textContent = word === "open" ? "live" : "not connected";
  state.classList.toggle("good", word === "open");
  state.classList.toggle("warn", word !== "open");
});
