// Small comforts of every page: times in the reader's own zone, forms that ask before they do harm, rows that filter.

for (const element of document.querySelectorAll("time[datetime]")) {
  const at = new Date(element.dateTime);
  if (!Number.isNaN(at.valueOf())) element.title = at.toLocaleString();
}

for (const form of document.querySelectorAll("form[data-ask]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.ask)) event.preventDefault();
  });
}

for (const field of document.querySelectorAll("input[data-filters]")) {
  const rows = document.querySelectorAll(`#${field.dataset.filters} tbody tr`);
  const apply = () => {
    const word = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(word);
  };
  field.addEventListener("input", apply);
  field.closest("[hidden]")?.removeAttribute("hidden");
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copies);
    await navigator.clipboard.writeText(from.textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1200);
  });
}
