"""Recomputes exported books with Python's standard library alone, written from docs/formats.md.

Without arguments: plays a demo day in each dress, checks its export, then spoils copies of it in
several ways and demands that each is found; has its bill recorded as paid; and does the same with
exact payments. With arguments: checks these exports.
Prints one line per check; the first fault ends it with the number of its line and exit code 1.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True  # nothing is left in the tree

from export.checks import CHECKS  # noqa: E402
from export.reading import Fault, read_entries  # noqa: E402
from export.spoil import spoiled, spoiled_bills, spoiled_payments, text_of  # noqa: E402

DRESSES = ("x402", "deferred", "crawl")
BUILD_SECONDS = 900
DEMO_SECONDS = 120
# What reading a member that is missing or of another form raises.
MALFORMED = (AttributeError, LookupError, TypeError, ValueError)


def main(paths):
    if paths:
        for path in paths:
            verify(Path(path).read_text(encoding="utf-8"), say)
        return
    program = built_program()
    with tempfile.TemporaryDirectory(prefix="tollway-export-") as folder:
        for dress in DRESSES:
            check_day(program, Path(folder) / dress, dress)
        check_exact(program, Path(folder))


def built_program():
    """The program, brought up to date; or the one that the environment names."""
    if "TOLLWAY" in os.environ:
        return os.environ["TOLLWAY"]
    subprocess.run(["cargo", "build", "-q", "-p", "tollway"], check=True, timeout=BUILD_SECONDS)
    return str(Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug" / "tollway")


def check_day(program, day, dress):
    command = [program, "demo", "--json", "--dir", str(day), "--dress", dress]
    told = json.loads(subprocess.run(command, check=True, timeout=DEMO_SECONDS, stdout=subprocess.PIPE).stdout)
    say(f"== {dress}: the program says {told['postings']} postings, {told['charged']} charged")
    export = (day / "export.jsonl").read_text(encoding="utf-8")
    figures = verify(export, say)
    if (figures["postings"], figures["charged"]) != (told["postings"], int(told["charged"])):
        raise Fault(0, f"the export says {figures['postings']} postings, {figures['charged']} charged")
    say(f"ok  buyer's log: {check_buyer_log(day / 'audit.jsonl', export)}")
    say(f"ok  spoiled copies: {check_spoiled(export)}")
    say(f"ok  the program's own verify: {check_own_verify(program, day, export)}")
    say(f"ok  a bill recorded as paid: {check_paid(program, day)}")


def verify(export, tell):
    """Runs every check on an export; returns what it came to."""
    entries, figures = read_entries(export), {}
    for name, check in CHECKS:
        try:
            tell(f"ok  {name}: {check(entries, figures)}")
        except MALFORMED as error:
            raise Fault(entries.at, f"{name}: {type(error).__name__}: {error}") from error
    return figures


def check_buyer_log(path, export):
    """The buyer's receipts name the very entries that the seller exported."""
    entries = {entry["line"]: entry for entry in read_entries(export)}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    promised = {line["id"]: line for line in lines if line["kind"] == "promise"}
    receipts = [line for line in lines if line["kind"] == "receipt"]
    for receipt in receipts:
        entry, promise = entries[receipt["sequence"]], promised[receipt["id"]]
        same = all(entry["body"][name] == promise[name] for name in ("id", "url", "method", "amount", "offer", "dress"))
        if not same or entry["hash"] != receipt["head"] or entry["body"]["amount"] != receipt["amount"]:
            raise Fault(entry["line"], f"the buyer's receipt for {receipt['id']} tells of another sale")
    return f"{len(promised)} promises, {len(receipts)} receipts, each names its entry and that entry's hash"


def check_paid(program, day):
    """A bill that is recorded as paid is paid once, of what it asks for."""
    ledger = [program, "ledger", "-c", str(day / "tollway.toml"), "--json"]
    bill = json.loads(output([*ledger, "statement"]))[0]["statement"]
    payment = ["paid", bill["agent"], bill["period"], "--rail", "bank", "--reference", "transfer 1"]
    for already in (False, True):
        told = json.loads(output([*ledger, *payment]))
        if told["already_recorded"] != already or told["payment"]["amount"] != bill["payable"]:
            raise Fault(0, f"`ledger paid` says {told}")
    export = output([program, "ledger", "-c", str(day / "tollway.toml"), "export"])
    figures = verify(export, lambda _: None)
    if figures["paid"] != int(bill["payable"]):
        raise Fault(0, f"the export says {figures['paid']} was paid, the bill {bill['payable']}")
    found = check_spoiled(export, spoiled_bills)
    return f"{figures['paid']} paid, {found}; {check_own_verify(program, day, export, spoiled_bills)}"


def check_exact(program, folder):
    export = output(["cargo", "run", "-q", "-p", "tollway-evm", "--example", "exact_payments"], BUILD_SECONDS)
    say("== exact payments")
    verify(export, say)
    say(f"ok  spoiled copies: {check_spoiled(export, spoiled_payments)}")
    say(f"ok  the program's own verify: {check_own_verify(program, folder, export, spoiled_payments)}")


def output(command, seconds=DEMO_SECONDS):
    return subprocess.run(command, check=True, timeout=seconds, stdout=subprocess.PIPE).stdout.decode()


def check_spoiled(export, spoiled=spoiled):
    """Every spoiled copy is found out, and for the right reason."""
    count = 0
    for what, entries, word in spoiled(list(read_entries(export))):
        try:
            verify(text_of(entries), lambda _: None)
        except Fault as fault:
            if word not in str(fault):
                raise Fault(0, f"spoiled ({what}) and found, but as: {fault}") from fault
            count += 1
        else:
            raise Fault(0, f"spoiled ({what}) and not found")
    return f"{count} of {count} found"


def check_own_verify(program, day, export, spoiled=spoiled):
    """`ledger verify` takes the export, and finds every spoiled copy too."""
    copy, count = day / "spoiled.jsonl", 0
    command = [program, "ledger", "verify", "--export", str(copy), "--json"]

    def verdict(text):
        copy.write_text(text, encoding="utf-8")
        return subprocess.run(command, timeout=DEMO_SECONDS, stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode

    if verdict(export) != 0:
        raise Fault(0, "`ledger verify` refuses the export as it is")
    for what, entries, _ in spoiled(list(read_entries(export))):
        if verdict(text_of(entries)) == 0:
            raise Fault(0, f"`ledger verify` takes a copy with {what} spoiled")
        count += 1
    return f"takes the export, finds {count} of {count} spoiled copies"


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Fault, OSError, subprocess.SubprocessError) as fault:
        sys.exit(f"FAULT {fault}")
