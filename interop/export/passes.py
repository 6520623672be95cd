"""Passes: each was paid for, and no more of it was used than was bought (docs/formats.md, "Journal")."""

from .reading import demand


def check_passes(entries, figures):
    payers, passes = {}, {}
    claimed = {}
    for entry in entries:
        body = entry["body"]
        kind = body["kind"]
        if kind in ("sale", "claim"):
            claimed[body["id"]] = (body["agent"], body["rule"])
        elif kind == "exact_claim":
            claimed[body["id"]] = (body["payer"], body["rule"])
        if kind in ("sale", "sale_posted", "exact_settled"):
            payers[body["id"]] = claimed[body["id"]]
        elif kind == "pass_opened":
            demand(body["id"] not in passes, entry, "the pass was opened before")
            paid = payers.get(body["id"])
            demand(paid == (body["payer"], body["rule"]), entry, "no payment of its payer under its rule has opened it")
            passes[body["id"]] = {"terms": body, "taken": set(), "used": 1, "revoked": False}
        elif kind in ("pass_used", "pass_returned", "pass_revoked"):
            demand(body["id"] in passes, entry, "there is no such pass")
            step(passes[body["id"]], entry, kind, body)
    return f"{len(passes)} passes, {sum(one['used'] for one in passes.values())} requests"


def step(one, entry, kind, body):
    if kind == "pass_used":
        terms = one["terms"]
        one["used"] += 1
        one["taken"].add(body["sequence"])
        open_still = not one["revoked"] and body["at"] < terms["ends"] and one["used"] <= terms["requests"]
        demand(open_still, entry, "the pass was over")
        demand(body["number"] == one["used"], entry, "it is not the next request of its pass")
    elif kind == "pass_returned":
        demand(body["taken"] in one["taken"], entry, "no request of its pass was taken there")
        one["taken"].remove(body["taken"])
        one["used"] -= 1
    else:
        demand(not one["revoked"], entry, "the pass was revoked before")
        one["revoked"] = True
