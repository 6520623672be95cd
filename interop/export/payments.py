"""The checks of exact payments and of paid statements (docs/formats.md, "Exact payments", "Paid statements")."""

import json
from collections import defaultdict

from .ethereum import EXACT_PROXY, signed_by_key
from .reading import b64, demand, sha256, units

OPEN = ("claimed", "unknown")
# From which states each kind of entry leads to which.
STEPS = {
    "exact_claim": ((None,), "claimed"),
    "exact_unknown": (OPEN, "unknown"),
    "exact_settled": (OPEN, "settled"),
    "exact_failed": (OPEN, "failed"),
    "exact_released": (("claimed",), "released"),
    "refund_owed": (("settled",), "refund owed"),
}


def check_payments(entries, figures):
    states, claims, identifiers = {}, {}, set()
    proofs = defaultdict(int)
    balances = defaultdict(lambda: defaultdict(int))
    for entry in entries.of_kind(*STEPS):
        body = entry["body"]
        before, after = STEPS[body["kind"]]
        state = states.get(body["id"])
        demand(state in before, entry, f"{body['kind']} of a payment that is {state}")
        states[body["id"]] = after
        if body["kind"] == "exact_claim":
            claims[body["id"]] = body
            proofs[check_claim(entry, identifiers)] += 1
        elif "amount" in body:
            claim = claims[body["id"]]
            same = all(body[name] == claim[name] for name in ("amount", "asset", "network"))
            demand(same, entry, "not the transfer that was claimed")
            demand((body["debit"], body["credit"]) == sides(body, claim), entry, "debit and credit are other accounts")
            accounts = balances[asset_key(body)]
            accounts[body["debit"]] += units(body["amount"])
            accounts[body["credit"]] -= units(body["amount"])
        demand(body["kind"] != "exact_settled" or body["transaction"], entry, "settled by no transfer")
        demand(("reason" in body) == (after in ("failed", "refund owed")), entry, "a reason is of what failed")
    demand(all(sum(accounts.values()) == 0 for accounts in balances.values()), entries[-1], "an asset does not sum to 0")
    figures["payments"] = claims
    ends = defaultdict(int)
    for state in states.values():
        ends[state] += 1
    told = [f"{count} {state}" for state, count in sorted(ends.items())]
    told += [f"{count} {proof}" for proof, count in sorted(proofs.items())]
    told += [f"{asset} {name} {sum_}" for asset, accounts in balances.items() for name, sum_ in sorted(accounts.items())]
    return ", ".join(told) or "none"


def sides(body, claim):
    revenue = f"revenue:{claim['rule']}"
    if body["kind"] == "refund_owed":
        return revenue, f"refund:{folded(claim['network'], claim['payer'])}"
    return f"received:{asset_key(claim)}", revenue


def asset_key(body):
    return f"{body['network']}/{folded(body['network'], body['asset'])}"


def folded(network, address):
    return address.lower() if network.startswith("eip155:") else address


def check_claim(entry, identifiers):
    """What the line says is what its payer signed, as far as the form of the payment is known here; says who signed."""
    body = entry["body"]
    demand((body["debit"], body["credit"]) == sides(body, body), entry, "debit and credit are other accounts")
    demand(body.get("identifier") not in identifiers, entry, "another payment has this identifier")
    identifiers.update({body.get("identifier")} - {None})
    demand(len(body["payment"].encode()) <= 32 << 10, entry, "the payment is longer than 32 KiB")
    payment = json.loads(body["payment"])
    signed = authorized(payment)
    if signed is None:
        return "of a form that is not known here"
    payer, pay_to, amount, token, nonce, ends = signed
    network = body["network"]
    demand(folded(network, payer) == folded(network, body["payer"]), entry, "another payer signed")
    demand(folded(network, pay_to) == folded(network, body["pay_to"]), entry, "signed for another payTo")
    demand(units(amount) == units(body["amount"]), entry, f"signed for another amount, {amount}")
    demand(token is None or folded(network, token) == folded(network, body["asset"]), entry, "signed for another asset")
    demand(body["expires"] == min(ends, 2**53 - 1), entry, "signed for another end")
    derived = b64(sha256(b"".join(
        len(part).to_bytes(8, "big") + part
        for part in (network.encode(), folded(network, body["asset"]).encode(), folded(network, payer).encode(), nonce)
    )))
    demand(body["id"] == derived, entry, f"payment id: its evidence gives {derived}")
    spender = payment["paymentPayload"]["payload"].get("permit2Authorization", {}).get("spender", EXACT_PROXY)
    demand(spender.lower() == EXACT_PROXY, entry, "signed for another spender")
    by_key = signed_by_key(payment, network, body["asset"], payer)
    return "signed by the payer's key" if by_key else "that only a contract wallet can have accepted"


def authorized(payment):
    """Payer, payTo, amount, asset (or None), nonce and end of a signed payment; None for a form not known here."""
    payload = payment.get("paymentPayload", payment).get("payload", {})
    if "authorization" in payload:
        told = payload["authorization"]
        nonce = bytes.fromhex(told["nonce"].removeprefix("0x"))
        return told["from"], told["to"], told["value"], None, nonce, int(told["validBefore"])
    if "permit2Authorization" in payload:
        told = payload["permit2Authorization"]
        permitted, nonce = told["permitted"], int(told["nonce"]).to_bytes(32, "big")
        return told["from"], told["witness"]["to"], permitted["amount"], permitted["token"], nonce, int(told["deadline"]) + 1
    return None


def check_paid_statements(entries, figures):
    statements, paid, references = {}, set(), set()
    total = 0
    for entry in entries.of_kind("statement", "bill_paid"):
        body = entry["body"]
        if body["kind"] == "statement":
            told = body["statement"]
            statements[told["agent"], told["period"]] = (body["sequence"], told["payable"])
            continue
        name, reference = (body["agent"], body["period"]), (body["rail"], body["reference"])
        demand(statements.get(name) == (body["statement"], body["amount"]), entry, "no statement asks for this")
        demand(name not in paid, entry, "the statement was paid before")
        demand(reference not in references, entry, "the reference pays another statement")
        paid.add(name)
        references.add(reference)
        total += units(body["amount"])
    figures["paid"] = total
    return f"{len(paid)} of {len(statements)}, {total} in all"
