// The timeline: rows are added once a frame, the oldest go, and a row that is opened asks for what is inside it.

const ROWS_MAX = 400;
const steps = document.getElementById("steps");
const count = document.getElementById("count");
const empty = document.getElementById("no-steps");

function row(step) {
  const item = document.createElement("li");
  item.dataset.scheme = step.scheme;
  const details = document.createElement("details");
  details.dataset.step = step.id;
  const summary = document.createElement("summary");
  const part = (kind, text) => {
    const element = document.createElement("span");
    element.className = kind;
    element.textContent = text;
    summary.append(element);
  };
  part("label", step.label);
  part("text", step.title);
  part(`badge scheme ${step.scheme}`, step.scheme);
  details.append(summary);
  item.append(details);
  return item;
}

/** Adds steps; of a flood only the newest are drawn. */
export function addSteps(added, missed = 0) {
  if (added.length === 0 && missed === 0) return;
  const atEnd = steps.scrollHeight - steps.scrollTop - steps.clientHeight < 60;
  const rows = document.createDocumentFragment();
  for (const step of added.slice(-ROWS_MAX)) rows.append(row(step));
  steps.append(rows);
  const over = steps.children.length - ROWS_MAX;
  if (over > 0) {
    const range = document.createRange();
    range.setStartBefore(steps.firstElementChild);
    range.setEndAfter(steps.children[over - 1]);
    range.deleteContents();
  }
  empty.hidden = steps.children.length > 0;
  count.textContent = String(steps.children.length);
  if (atEnd) steps.scrollTop = steps.scrollHeight;
}

/** Shows the newest step, and keeps to it. */
export function toNewest() {
  steps.scrollTop = steps.scrollHeight;
}

/** Opens a step: asks for its inside once. */
steps.addEventListener("toggle", async (event) => {
  const details = event.target;
  if (!details.open || details.dataset.loaded) return;
  details.dataset.loaded = "yes";
  const answer = await fetch(`/step?part=1&id=${details.dataset.step}`);
  const inside = document.createElement("div");
  const text = await answer.text();
  if (answer.ok) inside.innerHTML = text;
  else inside.textContent = text;
  details.querySelector(":scope > a")?.remove();
  details.append(inside);
}, true);

steps.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.closest(".part").querySelector("pre").textContent);
  button.textContent = "Copied";
});

document.getElementById("filter").addEventListener("change", (event) => {
  steps.dataset.only = event.target.value;
  steps.scrollTop = steps.scrollHeight;
});
steps.scrollTop = steps.scrollHeight;
