"""The checks of an export, in the order they run (docs/formats.md, "Journal" to "Checkpoint")."""

import base64
from collections import defaultdict

from .evidence import (
    commitment,
    components,
    created,
    is_commitment,
    promised,
    signature_params,
    signed_target,
    split_target,
)
from .passes import check_passes
from .payments import check_paid_statements, check_payments
from .reading import ZERO, b64, canonical, demand, sealed, sha256, unb64, units

NONCE_SKEW = 60
PAYMENT_FIELDS = ("payment-signature", "payment", "crawler-exact-price", "crawler-max-price")
LINE_KINDS = ("sale", "sale_posted", "undelivered")
DETAIL = (
    "base",
    "dress",
    "evidence",
    "expires",
    "method",
    "offer",
    "price_proof",
    "signature",
    "terms",
    "thumbprint",
    "url",
)
# From which states each kind of entry leads to which.
STEPS = {
    "sale": ((None,), "posted"),
    "claim": ((None,), "pending"),
    "sale_posted": (("pending",), "posted"),
    "void": (("pending",), "voided"),
    "expire": (("pending",), "expired"),
    "undelivered": (("posted",), "undelivered"),
    "delivery": (("posted",), "posted"),
}


def check_chain(entries, figures):
    head = ZERO
    for place, entry in enumerate(entries, 1):
        body = entry["body"]
        demand(body["sequence"] == place, entry, f"place {body['sequence']} where {place} should be")
        demand(entry["prev"] == head, entry, "prev is not the hash of the entry before")
        head = b64(sha256(unb64(entry["prev"]) + canonical(body).encode()))
        demand(entry["hash"] == head, entry, "the hash is not that of prev and body")
    first = entries[0]["body"]
    demand(first["kind"] == "genesis" and first["format"] == "tollway-journal-1", entries[0], "no genesis")
    demand(entries.count("genesis") == 1, entries[0], "more than one genesis")
    figures["genesis"] = first
    return f"{len(entries)} entries, head {head}"


def check_documents(entries, figures):
    found = defaultdict(set)
    for entry in entries:
        body = entry["body"]
        if body["kind"] == "document":
            digest = unb64(body["sha256"])
            expected = {"offer": b64(digest[:16]), "terms": b64(digest)}.get(body["document"], body["id"])
            demand(body["id"] == expected, entry, f"the {body['document']}'s id does not follow from its hash")
            found[body["document"]].add(body["id"])
        elif body["kind"] in ("sale", "claim"):
            demand(body["thumbprint"] in found["key"], entry, "the key was not filed before")
            demand(body.get("offer") is None or body["offer"] in found["offer"], entry, "the offer was not filed before")
            demand(body.get("terms") is None or body["terms"] in found["terms"], entry, "the terms were not filed before")
    figures["offers"] = found["offer"]
    return ", ".join(f"{len(ids)} {kind}" for kind, ids in sorted(found.items()))


def check_commitments(entries, figures):
    seen, nonces = {}, {}
    for entry in entries.of_kind("sale", "claim"):
        body = entry["body"]
        digest = sha256(unb64(body["thumbprint"]) + b"\n" + body["base"].encode())
        derived = b64(min(created(entry), 2**32 - 1).to_bytes(4, "big") + digest[:28])
        demand(body["id"] == derived, entry, f"commitment id: its evidence gives {derived}")
        demand(body["id"] not in seen, entry, f"commitment {body['id']} stands in line {seen.get(body['id'])} too")
        seen[body["id"]] = entry["line"]
        nonce = (body["thumbprint"], body.get("nonce"))
        live = nonces.get(nonce, -1) >= body["at"]
        demand(nonce[1] is None or not live, entry, "the key has used this nonce before")
        nonces[nonce] = body["expires"] + NONCE_SKEW
    return f"{len(seen)} ids follow from key and base, none twice, {len(nonces)} nonces"


def check_evidence(entries, figures):
    """What a line says is what its buyer signed."""
    proofs = defaultdict(int)
    for entry in entries.of_kind("sale", "claim"):
        if is_commitment(entry):
            proofs[check_commitment(entry)] += 1
            continue
        body, covered = entry["body"], components(entry)
        params = signature_params(entry)
        demand(params["keyid"] == f'"{body["thumbprint"]}"', entry, "the base names another key")
        demand(int(params["expires"]) == body["expires"], entry, "the base ends at another time")
        demand(params.get("nonce") == (f'"{body["nonce"]}"' if "nonce" in body else None), entry, "another nonce")
        demand(covered['"@method"'] == body["method"], entry, "the base has another method")
        demand(signed_target(covered) == split_target(body["url"]), entry, "the base is about another URL")
        agents = [value for name, value in covered.items() if name.startswith('"signature-agent"')]
        demand(len(agents) == 1 and f'"{body["agent"]}' in agents[0], entry, "the base names another agent")
        digest = covered.get('"content-digest"', "")
        parts = "\n".join((body["method"], body["url"], digest)).encode()
        demand(body["fingerprint"] == b64(sha256(parts)), entry, "the fingerprint is another request's")
        fields = [name for name in PAYMENT_FIELDS if f'"{name}"' in covered]
        demand(len(fields) == 1, entry, "the base covers no payment, or more than one")
        proof = promised(entry, fields[0], covered[f'"{fields[0]}"'], figures["genesis"]["scale"])
        demand(body["price_proof"] == proof, entry, f"amount or price proof: the base gives {proof}")
        proofs[proof] += 1
    return ", ".join(f"{count} {proof}" for proof, count in sorted(proofs.items())) or "nothing sold"


def check_commitment(entry):
    """The same for a promise that is a document of its own."""
    body, claims = entry["body"], commitment(entry)
    for member, claim in (("agent", "agent"), ("url", "resource"), ("asset", "asset"), ("offer", "offer"),
                          ("expires", "exp"), ("nonce", "nonce")):
        demand(body.get(member) == claims[claim], entry, f"the buyer signed another {member}")
    demand(units(claims["amount"]) == units(body["amount"]), entry, f"amount: the buyer signed {claims['amount']}")
    demand(claims.get("terms") == body.get("terms"), entry, "the buyer signed other terms")
    digest = "sha-256=:" + base64.b64encode(unb64(claims["arguments"])).decode() + ":"
    parts = "\n".join((body["method"], body["url"], digest)).encode()
    demand(body["fingerprint"] == b64(sha256(parts)), entry, "the fingerprint is another call's")
    demand(body["price_proof"] == "buyer-signed", entry, "price proof: the buyer signed the sum")
    return "buyer-signed"


def check_double_entry(entries, figures):
    balances, states, postings, charged = defaultdict(int), {}, 0, 0
    claims = {}
    for entry in entries:
        body, kind = entry["body"], entry["body"]["kind"]
        if kind in ("sale", "claim"):
            claims[body["id"]] = body
        if kind in STEPS:
            before, after = STEPS[kind]
            state = states.get(body["id"])
            demand(state in before, entry, f"{kind} of a sale that is {state}")
            states[body["id"]] = after
            sold = claims[body["id"]]
            same = all(body[name] == sold[name] for name in ("agent", "amount") if name in body)
            demand(same, entry, "not the transfer that was promised")
            payer, revenue = f"payer:{sold['agent']}", f"revenue:{sold['rule']}"
            sides = (revenue, payer) if kind == "undelivered" else (payer, revenue)
            if "debit" in body:
                demand((body["debit"], body["credit"]) == sides, entry, "debit and credit are other accounts")
        if kind == "bill_paid":
            sides = (f"rail:{body['rail']}", f"payer:{body['agent']}")
            demand((body["debit"], body["credit"]) == sides, entry, "debit and credit are other accounts")
        if kind in (*LINE_KINDS, "bill_paid"):
            amount = units(body["amount"])
            balances[body["debit"]] += amount
            balances[body["credit"]] -= amount
            charges = kind in ("sale", "sale_posted")
            postings += charges
            charged += amount if charges else 0
    demand(sum(balances.values()) == 0, entries[-1], "the accounts do not sum to 0")
    figures.update(postings=postings, charged=charged, claims=claims)
    return f"{postings} postings, {len(balances)} accounts sum to 0: " + ", ".join(
        f"{name} {balance}" for name, balance in sorted(balances.items())
    )


def check_statements(entries, figures):
    unbilled, last = defaultdict(list), {}
    fresh, count = [], 0
    for entry in entries:
        body, kind = entry["body"], entry["body"]["kind"]
        if kind in LINE_KINDS:
            unbilled[body["agent"]].append(statement_line(entry, figures["claims"]))
        elif kind == "statement":
            agent, told = body["statement"]["agent"], body["statement"]
            lines = [line for line in unbilled[agent] if line["sequence"] <= told["to"]]
            unbilled[agent] = unbilled[agent][len(lines):]
            expected = statement_of(agent, lines, told, last.get(agent), figures["genesis"])
            wrong = sorted(name for name in {*told, *expected} if told.get(name) != expected.get(name))
            demand(lines and not wrong, entry, f"statement: {', '.join(wrong) or 'no lines'} do not follow")
            demand(sealed(body["jws"]) == canonical(told), entry, "the seal is over another statement")
            last[agent] = told
            fresh.append(told)
            count += 1
        elif kind == "checkpoint":
            cut = body["checkpoint"]
            at = entries[cut["sequence"] - 1] if cut["sequence"] else {"hash": ZERO}
            demand(cut["head"] == at["hash"], entry, "checkpoint: another head at its cut")
            demand(sealed(body["jws"]) == canonical(cut), entry, "the seal is over another checkpoint")
            same = all((told["to"], told["period"]) == (cut["sequence"], cut["period"]) for told in fresh)
            demand(same, entry, "a statement before it has another cut or period")
            left = [line for lines in unbilled.values() for line in lines if line["sequence"] <= cut["sequence"]]
            demand(not left, entry, f"lines before the cut that no statement bills: {len(left)}")
            fresh = []
    demand(not fresh, entries[-1], "a statement without a checkpoint after it")
    return f"{count} statements with their lines_hash and sums, {entries.count('checkpoint')} checkpoints"


def statement_line(entry, claims):
    """A line of a bill, as `lines_hash` covers it."""
    body = entry["body"]
    sold = claims[body["id"]]
    line = {name: body[name] for name in ("agent", "amount", "at", "id", "sequence")}
    line.update(head=entry["hash"], rule=sold["rule"], kind="undelivered" if body["kind"] == "undelivered" else "sale")
    if line["kind"] == "sale":
        line["sale"] = {name: sold[name] for name in DETAIL if name in sold}
        line["sale"]["status"] = body["status"]
    return line


def statement_of(agent, lines, told, last, genesis):
    """The statement of these lines; only period and cut are taken from the one that was told."""
    sums, proofs = defaultdict(int), {"buyer_signed": 0, "ceiling_only": 0, "signed_offer": 0}
    for line in lines:
        sums[line["kind"]] += units(line["amount"])
        if line["kind"] == "sale":
            proofs[line["sale"]["price_proof"].replace("-", "_")] += 1
    brought = int(last["carried"]) if last else 0
    total = sums["sale"] - sums["undelivered"]
    due, cent = brought + total, 10 ** max(genesis["scale"] - 2, 0)
    payable = due - due % cent if due > 0 else 0
    jsonl = "".join(canonical(line) + "\n" for line in lines)
    return {
        "agent": agent, "asset": genesis["asset"], "scale": genesis["scale"], "seller": genesis["seller"],
        "period": told["period"], "from": last["to"] + 1 if last else 1, "to": told["to"],
        "lines": len(lines), "lines_hash": b64(sha256(jsonl.encode())), "proofs": proofs,
        "charged": str(sums["sale"]), "undelivered_total": str(sums["undelivered"]), "total": str(total),
        "brought_forward": str(brought), "payable": str(payable), "carried": str(due - payable),
    }


CHECKS = (
    ("chain of hashes", check_chain),
    ("documents", check_documents),
    ("commitments", check_commitments),
    ("evidence", check_evidence),
    ("double entry", check_double_entry),
    ("statements", check_statements),
    ("exact payments", check_payments),
    ("paid statements", check_paid_statements),
    ("passes", check_passes),
)
