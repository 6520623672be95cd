"""Reads an export strictly: one text has one meaning, or it is a fault (docs/formats.md, "Journal")."""

import base64
import hashlib
import json
import re


class Fault(Exception):
    """What does not follow, and in which line of the export."""

    def __init__(self, line, what):
        super().__init__(f"line {line}: {what}")


class Entries(list):
    """Entries of an export; `at` is the line of the one that was looked at last."""

    at = 0

    def __iter__(self):
        for entry in super().__iter__():
            self.at = entry["line"]
            yield entry

    def of_kind(self, *kinds):
        return (entry for entry in self if entry["body"]["kind"] in kinds)

    def count(self, kind):
        return sum(1 for _ in self.of_kind(kind))


def read_entries(text):
    entries = Entries()
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


ZERO = "A" * 43


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


def demand(holds, entry, what):
    if not holds:
        raise Fault(entry["line"], what)


def sealed(jws):
    """What a JWS was made over; whether its key made it is for a reader with keys."""
    header, payload, _ = jws.split(".")
    told = json.loads(unb64(header))
    if told["alg"] != "EdDSA" or told["typ"] != "tollway-books+jws":
        raise ValueError(f"no seal of books: {told}")
    return unb64(payload).decode()
