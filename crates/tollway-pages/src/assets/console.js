// Keeps the overview's figures and newest sales as the books have them.

import { follow, refresh, set } from "./live.js";

const body = document.querySelector("[data-recent]");
const state = document.querySelector("[data-live-state]");
const asset = document.querySelector("[data-asset]")?.dataset.asset;

const cell = (text, kind = "") => {
  const td = document.createElement("td");
  td.className = kind;
  td.textContent = text;
  return td;
};

function show(events) {
  // Each event tells all of it: the newest is enough.
  const last = events.at(-1)?.data;
  if (!last) return;
  const figures = last.assets[asset];
  if (figures) for (const [name, text] of Object.entries(figures)) set(name, text);
  refresh();
  if (!body) return;
  const rows = last.recent.map((sale) => {
    const row = document.createElement("tr");
    row.append(cell(sale.at, "num left"), cell(sale.payer, "wrap"), cell(sale.path, "wrap"), cell(sale.way), cell(sale.amount, "num"));
    return row;
  });
  body.replaceChildren(...rows);
}

if (state) {
  follow("/live", ["figures"], show, (word) => {
    state.hidden = false;
    state.textContent = word === "open" ? "live" : "reconnecting";
    state.classList.toggle("good", word === "open");
    state.classList.toggle("warn", word !== "open");
  });
}
