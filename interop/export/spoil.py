"""Copies of an export with one thing changed each, and the fault that has to be found.

The later ones make the chain anew over what they changed, as a seller could who rewrites its books.
"""

import json

from .reading import ZERO, b64, canonical, sha256, unb64


def spoiled(entries):
    """Pairs: what was done, the spoiled entries, a word of the fault."""
    sales = [place for place, entry in enumerate(entries) if entry["body"]["kind"] == "sale"]
    one, other, third = sales[0], sales[len(sales) // 2], sales[-1]
    foreign = entries[other]["body"]

    yield "an amount, chain kept", changed(entries, one, amount="1"), "the hash is not that"
    yield "a line left out, chain kept", entries[:one] + entries[one + 1 :], "place"
    yield "two lines swapped, chain kept", swapped(entries, one, other), "place"
    yield "the last hash", [*entries[:-1], {**entries[-1], "hash": ZERO}], "the hash is not that"

    yield "an amount", relinked(changed(entries, one, amount="1")), "amount"
    yield "another URL", relinked(changed(entries, one, url=foreign["url"])), "another URL"
    other_agent = {"agent": "https://other.example", "debit": "payer:https://other.example"}
    yield "another agent", relinked(changed(entries, one, **other_agent)), "another agent"
    yield "another end", relinked(changed(entries, one, expires=foreign["expires"] + 1)), "ends at another time"
    yield "another base", relinked(changed(entries, one, base=foreign["base"])), "commitment id"
    yield "an id", relinked(changed(entries, one, id=b64(bytes(32)))), "commitment id"
    yield "another price proof", relinked(changed(entries, one, price_proof="ceiling-only")), "price proof"
    yield "a sale twice", relinked(entries[: third + 1] + entries[third:]), "stands in line"
    yield "another account", relinked(changed(entries, one, credit="revenue:other")), "debit and credit"
    yield "a sale left out", relinked(entries[:one] + entries[one + 1 :]), "statement"
    yield "an answer's status", relinked(changed(entries, third, status=206)), "statement"
    yield "an amount that is a number", relinked(changed(entries, third, amount=2000)), "TypeError"
    yield "an offer's hash", relinked(offer_changed(entries)), "does not follow from its hash"


def spoiled_payments(entries):
    """The same for an export of exact payments."""
    def first(kind):
        return next(place for place, entry in enumerate(entries) if entry["body"]["kind"] == kind)

    claim, settled, owed = first("exact_claim"), first("exact_settled"), first("refund_owed")
    claims = [entry["body"] for entry in entries if entry["body"]["kind"] == "exact_claim"]
    named = [body["identifier"] for body in claims if "identifier" in body]
    yield "an amount, chain kept", changed(entries, claim, amount="1"), "the hash is not that"
    yield "an amount", relinked(changed(entries, claim, amount="1")), "another amount"
    yield "another payer", relinked(changed(entries, claim, payer=claims[0]["pay_to"])), "another payer"
    yield "another payTo", relinked(changed(entries, claim, pay_to=claims[0]["payer"])), "another payTo"
    yield "another payment's evidence", relinked(changed(entries, claim, payment=claims[1]["payment"])), "signed"
    yield "another end", relinked(changed(entries, claim, expires=1)), "another end"
    yield "an id", relinked(changed(entries, claim, id=b64(bytes(32)))), "payment id"
    yield "an identifier twice", relinked(changed(entries, first("exact_released") - 1, identifier=named[0])), "identifier"
    yield "a claim twice", relinked([*entries, entries[claim]]), "exact_claim of a payment that is settled"
    yield "settled twice", relinked([*entries, entries[settled]]), "exact_settled of a payment that is settled"
    yield "settled after it failed", relinked(changed(entries, settled, id=failed_id(entries))), "exact_settled of"
    yield "more settled than claimed", relinked(changed(entries, settled, amount="1")), "not the transfer"
    yield "settled elsewhere", relinked(changed(entries, settled, debit="received:eip155:1/0x0")), "debit and credit"
    yield "settled by nothing", relinked(changed(entries, settled, transaction="")), "no transfer"
    yield "another's refund", relinked(changed(entries, owed, credit="refund:0x0")), "debit and credit"
    yield "a claim left out", relinked(entries[:claim] + entries[claim + 1 :]), "payment that is None"


def failed_id(entries):
    return next(entry["body"]["id"] for entry in entries if entry["body"]["kind"] == "exact_released")


def spoiled_bills(entries):
    """The same for an export that ends in a paid statement."""
    last = len(entries) - 1
    yield "an amount", relinked(changed(entries, last, amount="1")), "no statement asks"
    yield "another period", relinked(changed(entries, last, period="2020-01")), "no statement asks"
    yield "another account", relinked(changed(entries, last, debit="rail:card")), "debit and credit"
    yield "paid twice", relinked([*entries, changed(entries, last, reference="other")[last]]), "paid before"


def changed(entries, place, **members):
    copy = list(entries)
    copy[place] = {**entries[place], "body": {**entries[place]["body"], **members}}
    return copy


def swapped(entries, one, other):
    copy = list(entries)
    copy[one], copy[other] = copy[other], copy[one]
    return copy


def offer_changed(entries):
    is_offer = (entry["body"].get("document") == "offer" for entry in entries)
    place = list(is_offer).index(True)
    return changed(entries, place, sha256=ZERO)


def relinked(entries):
    """The same bodies, counted and chained anew."""
    copy, head = [], ZERO
    for sequence, entry in enumerate(entries, 1):
        body = {**entry["body"], "sequence": sequence}
        link = {"body": body, "prev": head}
        head = b64(sha256(unb64(head) + canonical(body).encode()))
        copy.append({**link, "hash": head})
    return copy


def text_of(entries):
    """The entries as an export's text."""
    lines = [{name: entry[name] for name in ("body", "hash", "prev")} for entry in entries]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
