// Pays for this page from a browser's wallet (EIP-6963), once: what is signed is sent again, never signed again.
const byId = (id) => document.getElementById(id);
const say = (text) => { byId("said").textContent = text; };
const TRIES = 12;

const copy = byId("copy");
copy.hidden = false;
copy.addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("command").textContent);
  copy.textContent = "Copied";
});

const box = byId("wallets");
const known = new Set();
addEventListener("eip6963:announceProvider", ({ detail: { info, provider } }) => {
  if (known.has(info.uuid) || known.size >= 12) return;
  known.add(info.uuid);
  const button = document.createElement("button");
  button.type = "button";
  if (/^data:image\//.test(info.icon ?? "")) {
    const icon = document.createElement("img");
    icon.src = info.icon;
    icon.alt = "";
    button.append(icon);
  }
  button.append(`Pay with ${String(info.name).slice(0, 40)}`);
  button.addEventListener("click", () => pay(provider));
  byId("buttons").append(button);
  byId("none").hidden = true;
});
box.hidden = false;
dispatchEvent(new Event("eip6963:requestProvider"));

/** What is asked for at this moment, by the one way that a wallet can sign. */
async function ask() {
  const answer = await fetch(location.href, { headers: { accept: "application/json" }, cache: "no-store" });
  const demand = answer.headers.get("payment-required");
  if (!demand) throw new Error("The page no longer asks for a payment. Load it again.");
  const { accepts, resource } = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(demand), (c) => c.charCodeAt(0))));
  const fits = (way) => way.scheme === "exact" && way.network.startsWith("eip155:") && !["permit2", "erc7710"].includes(way.extra?.assetTransferMethod);
  const way = accepts.find((way) => fits(way) && way.network === box.dataset.network && way.asset === box.dataset.asset);
  if (!way || way.amount !== box.dataset.amount) throw new Error("The price has changed. Load the page again to see it.");
  return { way, resource };
}

async function sign(provider, { way, resource }) {
  const [from] = await provider.request({ method: "eth_requestAccounts" });
  const chainId = Number(way.network.split(":")[1]);
  const wanted = `0x${chainId.toString(16)}`;
  if (Number(await provider.request({ method: "eth_chainId" })) !== chainId) {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId: wanted }] });
  }
  const now = Math.floor(Date.now() / 1000);
  const nonce = `0x${[...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const authorization = { from, to: way.payTo, value: way.amount, validAfter: String(now - 600), validBefore: String(now + way.maxTimeoutSeconds), nonce };
  const field = (type) => (name) => ({ name, type });
  const typed = {
    types: {
      EIP712Domain: [...["name", "version"].map(field("string")), field("uint256")("chainId"), field("address")("verifyingContract")],
      TransferWithAuthorization: [...["from", "to"].map(field("address")), ...["value", "validAfter", "validBefore"].map(field("uint256")), field("bytes32")("nonce")],
    },
    primaryType: "TransferWithAuthorization",
    domain: { name: way.extra.name, version: way.extra.version, chainId, verifyingContract: way.asset },
    message: authorization,
  };
  const signature = await provider.request({ method: "eth_signTypedData_v4", params: [from, JSON.stringify(typed)] });
  const payment = { x402Version: 2, resource, accepted: way, payload: { signature, authorization } };
  return btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(payment))));
}

/** The same bytes until there is an answer that says what became of them. */
async function send(payment) {
  for (let left = TRIES; ; left -= 1) {
    const answer = await fetch(location.href, { headers: { accept: "text/html, */*", "payment-signature": payment }, cache: "no-store" }).catch(() => null);
    const open = !answer || answer.status === 503 || answer.headers.get("retry-after");
    if (!open || left === 0) return answer;
    say("Sent. Waiting for the network …");
    await new Promise((done) => setTimeout(done, 1000 * Math.min(Number(answer?.headers.get("retry-after") ?? 1) || 1, 10)));
  }
}

async function pay(provider) {
  const buttons = [...byId("buttons").querySelectorAll("button")];
  buttons.forEach((button) => { button.disabled = true; });
  try {
    say("Look at your wallet: it shows what you are asked to sign.");
    const payment = await sign(provider, await ask());
    say("Paying …");
    const answer = await send(payment);
    if (!answer?.ok) {
      const told = await answer?.json().catch(() => null);
      say(`Not served: ${told?.detail ?? told?.error ?? "no answer"}. Nothing more was signed.`);
      return;
    }
    await show(answer);
  } catch (error) {
    say(error?.code === 4001 ? "Declined. Nothing was signed." : String(error?.message ?? error));
    buttons.forEach((button) => { button.disabled = false; });
  }
}

async function show(answer) {
  const receipt = answer.headers.get("payment-response");
  const { transaction } = receipt ? JSON.parse(atob(receipt)) : {};
  const type = answer.headers.get("content-type") ?? "";
  const bought = await answer.blob();
  say(transaction ? `Paid. Transaction ${transaction}` : "Paid.");
  byId("buttons").replaceChildren();
  if (type.startsWith("text/html")) {
    const text = await bought.text();
    const open = document.createElement("button");
    open.type = "button";
    open.textContent = "Read the page";
    open.addEventListener("click", () => {
      document.open();
      document.write(text);
      document.close();
    });
    byId("buttons").append(open);
    open.focus();
  }
  const save = document.createElement("a");
  save.className = "button";
  save.href = URL.createObjectURL(bought);
  save.download = location.pathname.split("/").pop() || "page.html";
  save.textContent = "Save it";
  byId("buttons").append(save);
}
