"""What a buyer signed, read from a signature base or from a commitment (docs/formats.md, "Evidence")."""

import base64
import json
import re
from urllib.parse import urlsplit

from .reading import demand, unb64, units

COMPONENT = re.compile(r'("[^"]+"(?:;[a-z]+(?:="[^"]*")?)*): (.*)')
PARAMETER = re.compile(r';([a-z]+)=("[^"]*"|[0-9]+)')
MEMBER = re.compile(r'([a-z]+)="([^"]*)"')


def components(entry):
    """The covered components by identifier, each with its value."""
    found = {}
    for line in entry["body"]["base"].split("\n")[:-1]:
        match = COMPONENT.fullmatch(line)
        demand(match and match[1] not in found, entry, f"no line of a signature base: {line!r}")
        found[match[1]] = match[2]
    return found


def signature_params(entry):
    """The parameters in the last line of the base, quotes kept."""
    start, last = '"@signature-params": ', entry["body"]["base"].split("\n")[-1]
    demand(last.startswith(start + "("), entry, "the base does not end in @signature-params")
    covered, _, parameters = last[len(start) :].partition(")")
    told = covered[1:].split(" ")
    demand(told == list(components(entry)), entry, "the base's lines are not those that its last line tells")
    return dict(PARAMETER.findall(parameters))


def is_commitment(entry):
    """Whether the buyer signed a document of its own, and not an HTTP message."""
    kind = entry["body"].get("evidence", "rfc9421")
    demand(kind in ("rfc9421", "jws"), entry, f"evidence of a kind that is not known: {kind}")
    demand((kind == "jws") == (entry["body"]["dress"] == "mcp"), entry, "the evidence is not of the dress's kind")
    return kind == "jws"


def commitment(entry):
    """The claims in the signing input of a compact JWS."""
    header, _, payload = entry["body"]["base"].partition(".")
    head = json.loads(unb64(header))
    told = {"alg": "EdDSA", "kid": entry["body"]["thumbprint"], "typ": "tollway-commitment+jws"}
    demand(head == told, entry, "the base is not a commitment of this key")
    return json.loads(unb64(payload))


def created(entry):
    """When the buyer signed."""
    return commitment(entry)["iat"] if is_commitment(entry) else int(signature_params(entry)["created"])


def signed_target(covered):
    """Authority, path and query that were signed, separately or as one URI."""
    if '"@target-uri"' in covered:
        return split_target(covered['"@target-uri"'])
    return tuple(covered.get(f'"{name}"') for name in ("@authority", "@path", "@query"))


def split_target(url):
    parts = urlsplit(url)
    return parts.netloc, parts.path or "/", "?" + parts.query


def promised(entry, field, value, scale):
    """What proves the price of a line: the sum was signed, an offer that names it, or a ceiling above it."""
    amount, offer = units(entry["body"]["amount"]), entry["body"].get("offer")
    if field == "payment-signature":
        payment = json.loads(base64.b64decode(value, validate=True))
        accepted, payload = payment["accepted"], payment["payload"]
        same = units(accepted["amount"]) == units(payload["amount"]) == amount and accepted["extra"]["offer"] == offer
        demand(same, entry, f"amount: the buyer signed {payload['amount']} under {accepted['extra']['offer']}")
        return "buyer-signed"
    if field == "payment":
        members = dict(MEMBER.findall(value))
        demand(members["scheme"] == "deferred" and members["id"] == offer, entry, "the buyer named another offer")
        demand(units(members.get("amount", str(amount))) == amount, entry, f"amount: signed {members.get('amount')}")
        return "buyer-signed" if "amount" in members else "signed-offer"
    signed = atomic(value, scale)
    if field == "crawler-exact-price":
        demand(signed == amount, entry, f"amount: the buyer signed {value}")
        return "buyer-signed"
    demand(signed >= amount, entry, f"amount: the buyer's ceiling was {value}")
    return "ceiling-only"


def atomic(price, scale):
    """`USD 0.01` in atomic units."""
    whole, _, fraction = price.split(" ")[1].partition(".")
    return int(whole + fraction.ljust(scale, "0"))
