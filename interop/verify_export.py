"""Recomputes exported books with Python's standard library alone, from docs/formats.md.

Without arguments: plays a demo day in each dress, checks its export, then spoils copies of it in
several ways and demands that each is found. With arguments: checks these exports.
Prints one line per check; the first fault ends it with the number of its line and exit code 1.
"""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

DRESSES = ("x402", "deferred", "crawl")
BUILD_SECONDS = 900
DEMO_SECONDS = 120
NONCE_SKEW = 60
ZERO = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
PAYMENT_FIELDS = ("payment-signature", "payment", "crawler-exact-price", "crawler-max-price")
LINE_KINDS = ("sale", "sale_posted", "undelivered")
DETAIL = ("base", "dress", "expires", "method", "offer", "price_proof", "signature", "terms", "thumbprint", "url")


class Fault(Exception):
    """What does not follow, and in which line of the export."""

    def __init__(self, line, what):
        super().__init__(f"line {line}: {what}")


def main():
    if sys.argv[1:]:
        for path in sys.argv[1:]:
            verify(Path(path).read_text(encoding="utf-8"), say)
        return
    program = built_program()
    with tempfile.TemporaryDirectory(prefix="tollway-export-") as folder:
        for dress in DRESSES:
            day = Path(folder) / dress
            command = [program, "demo", "--json", "--dir", day, "--dress", dress]
            told = json.loads(subprocess.run(command, check=True, timeout=DEMO_SECONDS, stdout=subprocess.PIPE).stdout)
            say(f"== {dress}: {told['postings']} postings, {told['charged']} charged")
            export = (day / "export.jsonl").read_text(encoding="utf-8")
            figures = verify(export, say)
            if (figures["postings"], figures["charged"]) != (told["postings"], int(told["charged"])):
                raise Fault(0, f"the program says otherwise: {told['postings']}, {told['charged']}")
            verify_buyer_log(day / "audit.jsonl", export)
            refuse_spoiled(export)


def say(text):
    print(text, flush=True)


def built_program():
    """The program, brought up to date; or the one that the environment names."""
    named = os.environ.get("TOLLWAY")
    if named:
        return named
    subprocess.run(["cargo", "build", "-q", "-p", "tollway"], check=True, timeout=BUILD_SECONDS)
    return str(Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug" / "tollway")


def verify(text, tell):
    """Runs every check on an export; returns what it came to."""
    entries = read_entries(text)
    figures = {}
    for name, check in CHECKS:
        tell(f"ok  {name}: {check(entries, figures)}")
    return figures


def verify_buyer_log(path, export):
    """The buyer's receipts name the very entries that the seller exported."""
    hashes = {entry["line"]: (entry["hash"], entry["body"].get("id")) for entry in read_entries(export)}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    promised = {line["id"]: line for line in lines if line["kind"] == "promise"}
    receipts = [line for line in lines if line["kind"] == "receipt"]
    for receipt in receipts:
        place = receipt["sequence"]
        if hashes.get(place) != (receipt["head"], receipt["id"]) or receipt["id"] not in promised:
            raise Fault(place, f"the buyer's receipt for {receipt['id']} names another entry")
    say(f"ok  buyer's log: {len(promised)} promises, {len(receipts)} receipts, each names its entry and its hash")


# --- reading


def read_entries(text):
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entry = json.loads(line, object_pairs_hook=without_repeats, parse_float=refuse, parse_constant=refuse)
        except ValueError as error:
            raise Fault(number, f"not strict JSON: {error}") from error
        if set(entry) != {"body", "hash", "prev"}:
            raise Fault(number, "an entry is body, hash and prev")
        entries.append({"line": number, **entry})
    return entries


def without_repeats(pairs):
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a member is repeated")
    return dict(pairs)


def refuse(text):
    raise ValueError(f"{text} is no whole number")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(data) != text:
        raise ValueError(f"{text} is not the one spelling of its bytes")
    return data


def units(text):
    if not re.fullmatch(r"0|[1-9][0-9]{0,37}", text):
        raise ValueError(f"{text!r} is no amount")
    return int(text)


def of_kind(entries, *kinds):
    return [entry for entry in entries if entry["body"]["kind"] in kinds]


def demand(holds, entry, what):
    if not holds:
        raise Fault(entry["line"], what)


# --- checks, in the order they run


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
    demand(len(of_kind(entries, "genesis")) == 1, entries[0], "more than one genesis")
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
    sales = of_kind(entries, "sale", "claim")
    for entry in sales:
        body = entry["body"]
        created = int(signature_params(entry)["created"])
        digest = sha256(unb64(body["thumbprint"]) + b"\n" + body["base"].encode())
        derived = b64(min(created, 2**32 - 1).to_bytes(4, "big") + digest[:28])
        demand(body["id"] == derived, entry, f"commitment id: its evidence gives {derived}")
        demand(body["id"] not in seen, entry, f"commitment {body['id']} stands in line {seen.get(body['id'])} too")
        seen[body["id"]] = entry["line"]
        nonce = (body["thumbprint"], body.get("nonce"))
        live = nonces.get(nonce, -1) >= body["at"]
        demand(nonce[1] is None or not live, entry, "the key has used this nonce before")
        nonces[nonce] = body["expires"] + NONCE_SKEW
    return f"{len(sales)} ids follow from key and base, none twice, {len(nonces)} nonces"


def check_evidence(entries, figures):
    """What a line says is what its buyer signed."""
    proofs = defaultdict(int)
    for entry in of_kind(entries, "sale", "claim"):
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
        if kind in LINE_KINDS:
            amount = units(body["amount"])
            balances[body["debit"]] += amount
            balances[body["credit"]] -= amount
            postings += kind != "undelivered"
            charged += amount if kind != "undelivered" else 0
    demand(sum(balances.values()) == 0, entries[-1], "the accounts do not sum to 0")
    figures.update(postings=postings, charged=charged, claims=claims)
    return f"{postings} postings, {len(balances)} accounts sum to 0: " + ", ".join(
        f"{name} {balance}" for name, balance in sorted(balances.items()))


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
    return f"{count} statements with their lines_hash and sums, {len(of_kind(entries, 'checkpoint'))} checkpoints"


CHECKS = (
    ("chain of hashes", check_chain),
    ("documents", check_documents),
    ("commitments", check_commitments),
    ("evidence", check_evidence),
    ("double entry", check_double_entry),
    ("statements", check_statements),
)
