//! The lines of a bill, checked by its payer: nothing is taken from the seller but what it signed.

use std::collections::HashSet;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tollway_http::evidence::{self, Claimed};
use tollway_ledger::{Balance, CommitmentId, Hash, PriceProof, Reconciliation, SellerLine, Statement, reconcile};
use tollway_protocol::{Amount, Dress};
use tollway_signatures::{PublicKey, Verifier as _};

use super::ledger_audit::Logged;

/// What was checked of a bill.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// The seller's key signed exactly this statement.
    pub(crate) sealed_by_seller: bool,
    /// The lines are the ones it was signed for, and add up to it.
    pub(crate) lines_add_up: bool,
    /// Lines whose signature is by one's own key, over their own commitment and amount.
    pub(crate) lines_proved: u64,
    /// Lines that are not.
    pub(crate) lines_unproved: Vec<CommitmentId>,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        self.sealed_by_seller && self.lines_add_up && self.lines_unproved.is_empty()
    }
}

/// A line as the seller sends it.
#[derive(Deserialize)]
struct Row {
    agent: String,
    amount: Amount,
    id: CommitmentId,
    kind: Kind,
    sale: Option<Signed>,
    sequence: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Sale,
    Undelivered,
}

#[derive(Deserialize)]
struct Signed {
    base: String,
    signature: String,
    dress: Dress,
    expires: u64,
    method: String,
    offer: Option<String>,
    price_proof: PriceProof,
    url: String,
}

/// Checks lines against the bill they belong to and against one's own key.
///
/// # Errors
/// Names a line that cannot be read.
pub(crate) fn check_lines(
    statement: &Statement,
    jsonl: &str,
    own: &PublicKey,
) -> anyhow::Result<(Vec<SellerLine>, Verdict)> {
    let mut verdict = Verdict::default();
    let mut lines: Vec<SellerLine> = Vec::new();
    let (mut charged, mut back, mut count) = (Amount::ZERO, Amount::ZERO, 0);
    let (mut once, mut taken_back) = (HashSet::new(), HashSet::new());
    let (mut last, mut in_order) = (0, true);
    for (number, text) in jsonl.lines().enumerate() {
        let row: Row = serde_json::from_str(text).with_context(|| format!("line {} of the bill", number + 1))?;
        in_order &= row.sequence > last && (statement.from.get()..=statement.to.get()).contains(&row.sequence);
        last = row.sequence;
        count += 1;
        let sum = match row.kind {
            Kind::Sale => {
                // A promise is charged once, however often it is proved.
                let proved = once.insert(row.id)
                    && row.sale.is_some_and(|sale| is_own(own, row.id, sale, (row.agent, row.amount)));
                verdict.lines_proved += u64::from(proved);
                if !proved {
                    verdict.lines_unproved.push(row.id);
                }
                lines.push(SellerLine { id: row.id, amount: row.amount, undelivered: false });
                &mut charged
            }
            Kind::Undelivered => {
                taken_back.insert(row.id);
                &mut back
            }
        };
        *sum = sum.checked_add(row.amount).context("the bill is larger than can be counted")?;
    }
    for line in &mut lines {
        line.undelivered = taken_back.contains(&line.id);
    }
    verdict.lines_add_up = in_order
        && count == statement.lines
        && Hash::of(jsonl.as_bytes()) == statement.lines_hash
        && charged == statement.charged
        && back == statement.undelivered_total
        && Balance::of(charged, back) == Some(statement.total)
        && is_rounded(statement);
    Ok((lines, verdict))
}

/// Whether what is payable is the total in whole hundredths, and less than one was brought forward.
fn is_rounded(statement: &Statement) -> bool {
    let hundredth = 10_u128.checked_pow(u32::from(statement.scale.saturating_sub(2))).unwrap_or(u128::MAX);
    let brought = statement.brought_forward;
    let due = statement.total.checked_add(brought);
    u128::try_from(brought.get()).unwrap_or(0) < hundredth
        && due.map(|due| due.round_down(hundredth)) == Some((statement.payable, statement.carried))
}

/// Whether a line is a promise that one's own key has signed, for this amount.
fn is_own(own: &PublicKey, id: CommitmentId, sale: Signed, charged: (String, Amount)) -> bool {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&sale.signature);
    let derived = CommitmentId::derive(id.created(), own.thumbprint().as_bytes(), sale.base.as_bytes());
    let signed = decoded.is_ok_and(|signature| own.verify(sale.base.as_bytes(), &signature).is_ok());
    let Signed { base, dress, expires, method, offer, price_proof, url, .. } = sale;
    let (agent, amount) = charged;
    let claimed = Claimed { agent, amount, dress, expires, method, nonce: None, offer, price_proof, url };
    derived == id && signed && evidence::check(&base, &claimed).is_ok()
}

/// Compares a bill with one's own log, as far as the bill goes: with receipts for places of the
/// journal that it covers, and with promises without a receipt that it lists or that were made in
/// its period. What is billed here though its receipt names a place outside is only the seller's.
pub(crate) fn reconciled(statement: &Statement, lines: &[SellerLine], log: &[Logged]) -> Reconciliation {
    let billed: HashSet<_> = lines.iter().map(|line| line.id).collect();
    let covered = statement.from.get()..=statement.to.get();
    let period = statement.period.start()..statement.period.end();
    let concerned = log.iter().filter(|logged| match logged.sequence {
        Some(sequence) => covered.contains(&sequence),
        None => billed.contains(&logged.line.id) || period.contains(&logged.line.id.created()),
    });
    reconcile(lines.iter().copied(), concerned.map(|logged| logged.line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use tollway_ledger::{AgentId, BuyerLine, Period, ProofCounts, Sequence};
    use tollway_protocol::Asset;
    use tollway_signatures::{PrivateKey, Signer as _};

    fn key() -> PrivateKey {
        PrivateKey::from_seed([7; 32])
    }

    /// The id and the sale of a promise of two thousand.
    fn promise(number: u64) -> (CommitmentId, serde_json::Value) {
        let base = format!(
            "\"signature-agent\": \"https://crawler.example\"\n\"crawler-exact-price\": USD 0.002\n\
             \"@signature-params\": (\"signature-agent\" \"crawler-exact-price\");expires=9;nonce=\"{number}\""
        );
        let id = CommitmentId::derive(1_000, key().public().thumbprint().as_bytes(), base.as_bytes());
        let sale = serde_json::json!({
            "base": base,
            "signature": URL_SAFE_NO_PAD.encode(key().sign(base.as_bytes())),
            "dress": "crawl",
            "expires": 9,
            "method": "GET",
            "price_proof": "buyer-signed",
            "url": "https://seller.example/",
        });
        (id, sale)
    }

    fn line(kind: &str, sequence: u64, id: CommitmentId) -> serde_json::Value {
        let agent = "https://crawler.example";
        serde_json::json!({"agent": agent, "amount": "2000", "id": id, "kind": kind, "sequence": sequence})
    }

    fn sold(sequence: u64, number: u64) -> serde_json::Value {
        let (id, sale) = promise(number);
        let mut line = line("sale", sequence, id);
        line["sale"] = sale;
        line
    }

    /// The bill that these lines make, over the places 10 to 19.
    fn bill(lines: &[serde_json::Value]) -> (Statement, String) {
        let jsonl: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let sum = |kind: &str| {
            let amounts = lines.iter().filter(|line| line["kind"] == kind).map(|line| line["amount"].as_str());
            Amount::new(amounts.map(|amount| amount.unwrap().parse::<u128>().unwrap()).sum())
        };
        let (charged, back) = (sum("sale"), sum("undelivered"));
        let total = Balance::of(charged, back).unwrap();
        let (payable, carried) = total.round_down(10_000);
        let statement = Statement {
            agent: AgentId::new("https://crawler.example").unwrap(),
            asset: Asset::usd(),
            brought_forward: Balance::ZERO,
            carried,
            charged,
            from: Sequence::new(10),
            lines: lines.len() as u64,
            lines_hash: Hash::of(jsonl.as_bytes()),
            payable,
            period: Period::day_of(1_000),
            proofs: ProofCounts::default(),
            scale: 6,
            seller: "https://seller.example".to_owned(),
            to: Sequence::new(19),
            total,
            undelivered_total: back,
            jws: String::new(),
            sequence: Sequence::new(20),
            paid: None,
        };
        (statement, jsonl)
    }

    fn checked(lines: &[serde_json::Value]) -> Verdict {
        let (statement, jsonl) = bill(lines);
        let (_, verdict) = check_lines(&statement, &jsonl, &key().public()).unwrap();
        Verdict { sealed_by_seller: true, ..verdict }
    }

    #[test]
    fn own_promises_in_order_make_a_bill() {
        assert!(checked(&[sold(10, 1), sold(12, 2), line("undelivered", 19, promise(1).0)]).holds());
        assert!(checked(&[]).holds());
    }

    #[test]
    fn threat_45_a_charge_without_the_payer_s_signature_is_named() {
        let invented = line("sale", 11, promise(3).0);
        let mut raised = sold(11, 3);
        raised["amount"] = "9000".into();
        let mut borrowed = sold(11, 3);
        borrowed["sale"] = promise(4).1;
        for forged in [invented, raised, borrowed] {
            let verdict = checked(&[sold(10, 1), forged.clone()]);
            assert!(verdict.lines_add_up && !verdict.holds(), "{forged}");
            assert_eq!(verdict.lines_unproved, [promise(3).0]);
        }
    }

    #[test]
    fn threat_45_a_promise_is_billed_once() {
        let verdict = checked(&[sold(10, 1), sold(11, 1)]);
        assert_eq!((verdict.holds(), verdict.lines_unproved), (false, vec![promise(1).0]));
    }

    #[test]
    fn lines_stand_in_order_in_the_places_that_the_bill_covers() {
        for lines in [[sold(11, 1), sold(10, 2)], [sold(9, 1), sold(10, 2)], [sold(10, 1), sold(20, 2)]] {
            assert!(!checked(&lines).lines_add_up, "{lines:?}");
        }
    }

    #[test]
    fn what_is_payable_follows_from_the_total() {
        let (statement, jsonl) = bill(&[sold(10, 1), sold(11, 2)]);
        let adds_up = |statement: &Statement| check_lines(statement, &jsonl, &key().public()).unwrap().1.lines_add_up;
        assert!(adds_up(&statement));
        assert!(!adds_up(&Statement { payable: Amount::new(10_000), ..statement.clone() }));
        assert!(!adds_up(&Statement { carried: Balance::ZERO, ..statement.clone() }));
        assert!(!adds_up(&Statement { undelivered_total: Amount::new(1), ..statement.clone() }));
        let brought = |units: i128, payable: u128, carried: i128| Statement {
            brought_forward: Balance::new(units),
            payable: Amount::new(payable),
            carried: Balance::new(carried),
            ..statement.clone()
        };
        assert!(adds_up(&brought(9_999, 10_000, 3_999)));
        assert!(adds_up(&brought(-5_000, 0, -1_000)));
        assert!(!adds_up(&brought(96_000, 100_000, 0)), "a hundredth or more is never carried");
    }

    #[test]
    fn a_log_is_compared_as_far_as_the_bill_goes() {
        let logged = |number: u64, sequence: Option<u64>| {
            let id = promise(number).0;
            Logged { line: BuyerLine { id, amount: Amount::new(2_000) }, sequence }
        };
        let (statement, jsonl) = bill(&[sold(10, 1), sold(11, 2)]);
        let (lines, _) = check_lines(&statement, &jsonl, &key().public()).unwrap();
        let clean = |log: &[Logged]| reconciled(&statement, &lines, log).is_clean();
        let both = [logged(1, Some(10)), logged(2, None)];
        assert!(clean(&both));
        assert!(clean(&[both[0], both[1], logged(3, Some(9)), logged(4, Some(20))]), "other bills' lines");
        // Billed before, at another place: it is not owed again.
        assert_eq!(reconciled(&statement, &lines, &[both[1], logged(1, Some(5))]).only_seller, [promise(1).0]);
        assert_eq!(reconciled(&statement, &lines, &[both[0], both[1], logged(5, Some(12))]).only_buyer, [promise(5).0]);
        assert_eq!(reconciled(&statement, &lines, &[both[0], both[1], logged(5, None)]).only_buyer, [promise(5).0]);
    }
}
