//! A bill at its URL: paid once, by one payment of its sum, of which the books know before the receipt
//! leaves.

use serde_json::Value;
use tollway_core::clock::Clock as _;
use tollway_core::scheme::cash::Mood;
use tollway_core::seller::{BILLS, BILLS_PATH};
use tollway_ledger::{
    AgentId, AgentTerms, BillPayment, Books as _, CheckpointSigner, CommitmentId, Delivery, EntryKind, Evidence,
    EvidenceKind, ExactBooks as _, ExactState as S, Fingerprint, Hash, Period, PostOutcome, PriceProof, Reserve, Sale,
    Statement,
};
use tollway_protocol::{Amount, Asset, Dress, PaymentPayload, Reason as R, header};
use tollway_signatures::{PrivateKey, jws};

use super::shop::{MONEY, Shop, failed, json, rules, settled};
use crate::rig::{NOON, SEAL_TYPE, Sent};

/// What each statement asks for: whole cents of what is owed.
const PAYABLE: u128 = 20_000;

struct Seal(String);

impl CheckpointSigner for Seal {
    fn sign(&self, payload: &[u8]) -> String {
        jws::sign(SEAL_TYPE, payload, &PrivateKey::from_seed([1; 32]))
    }

    fn thumbprint(&self) -> String {
        PrivateKey::from_seed([1; 32]).public().thumbprint().to_string()
    }

    fn seller(&self) -> String {
        self.0.clone()
    }
}

fn agent(name: &str) -> AgentId {
    AgentId::new(format!("https://{name}.example")).unwrap()
}

/// A promise of this much by an agent, posted.
async fn promised(shop: &Shop, name: &str, amount: u128) {
    let (agent, url) = (agent(name), format!("{}/later/{name}", shop.site.origin()));
    let terms = AgentTerms { agent: agent.clone(), credit_limit: Amount::new(1_000_000), daily_budget: None };
    shop.books.agent_put(terms, NOON).await.unwrap();
    let thumbprint = *Hash::of(name.as_bytes()).as_bytes();
    let sale = Sale {
        id: CommitmentId::derive(NOON, &thumbprint, name.as_bytes()),
        fingerprint: Fingerprint::of("GET", &url, ""),
        agent,
        thumbprint,
        nonce: Some(format!("nonce of {name}")),
        expires: NOON + 300,
        amount: Amount::new(amount),
        asset: Asset::usd(),
        rule: "later".into(),
        method: "GET".into(),
        url,
        dress: Dress::X402,
        offer: Some("offer".into()),
        terms: None,
        price_proof: PriceProof::BuyerSigned,
        evidence: Evidence { kind: EvidenceKind::Rfc9421, base: name.to_owned(), signature: [1; 64] },
    };
    let Reserve::Reserved(held) = shop.books.reserve(sale, NOON).await.unwrap() else { panic!("no credit") };
    let delivery = Delivery { status: 200, ..Delivery::default() };
    assert!(matches!(shop.books.post(held, delivery, NOON).await.unwrap(), PostOutcome::Posted(_)));
}

/// Two agents owe the same, a third less than a cent; the day is closed.
async fn closed(shop: Shop) -> Shop {
    for (name, amount) in [("one", PAYABLE + 5_500), ("two", PAYABLE), ("three", 10)] {
        promised(&shop, name, amount).await;
    }
    shop.clock.advance(86_400);
    shop.books.close(Period::day_of(NOON), NOON + 86_400, &Seal(shop.site.origin())).await.unwrap();
    shop
}

async fn billed() -> Shop {
    closed(Shop::new().await).await
}

async fn statement(shop: &Shop, name: &str) -> Statement {
    shop.books.statement(&agent(name), &Period::day_of(NOON)).await.unwrap().unwrap()
}

/// Where an agent's bill is paid.
async fn place(shop: &Shop, name: &str) -> String {
    shop.seller.bill_path(&statement(shop, name).await).unwrap()
}

async fn paid_by(shop: &Shop, name: &str) -> Option<BillPayment> {
    shop.books.bill_payment(&agent(name), &Period::day_of(NOON)).await.unwrap()
}

fn count(kinds: &[EntryKind], kind: EntryKind) -> usize {
    kinds.iter().filter(|found| **found == kind).count()
}

#[tokio::test]
async fn a_bill_asks_for_its_sum_is_paid_once_and_the_books_say_by_what() {
    let shop = closed(Shop::on_a_socket(rules(), None).await).await;
    let place = place(&shop, "one").await;
    let asked = shop.send(&shop.unpaid("GET", &place)).await.unwrap();
    assert_eq!(asked.status, 402, "{asked:?}");
    let demand = asked.demand();
    assert_eq!(demand.resource.description.as_deref(), Some("bill 2026-11-22"));
    let [terms] = demand.accepts.as_slice() else { panic!("one way: {demand:?}") };
    assert_eq!((terms.scheme.as_str(), terms.amount.get(), terms.asset.as_str()), ("exact", PAYABLE, "COIN"));
    let sent = shop.buy("GET", &place).await;
    let got = shop.send(&sent).await.unwrap();
    assert_eq!(got.status, 200, "{got:?}");
    let settlement = settled(&got);
    assert_eq!((settlement.transaction.as_str(), settlement.amount.unwrap().get()), ("slip-1", PAYABLE));
    assert!(got.field(header::SIGNATURE).is_some(), "the seller signs its receipt");
    let paid = paid_by(&shop, "one").await.unwrap();
    let record = &shop.payments().await[0];
    assert_eq!(paid.reference, format!("slip-1#{}", record.sale.id));
    assert_eq!((paid.rail.as_str(), paid.amount.get()), ("exact cash:till", PAYABLE));
    assert_eq!((record.sale.rule.as_str(), record.state), (BILLS, S::Settled));
    let steps = [EntryKind::ExactClaim, EntryKind::ExactUnknown, EntryKind::ExactSettled, EntryKind::BillPaid];
    assert!(shop.journal().await.ends_with(&steps));
    let owed = shop.books.account(&agent("one"), shop.clock.now()).await.unwrap().unwrap().balance_owed.get();
    assert_eq!(owed, 5_500, "what was carried is owed, what was billed is not");

    let shown = shop.send(&shop.unpaid("GET", &place)).await.unwrap();
    assert_eq!((shown.status, shown.field(header::PAYMENT_REQUIRED)), (200, None));
    assert_eq!(json(&shown)["paid"]["reference"], paid.reference.as_str());
    assert!(!String::from_utf8_lossy(&shown.body).contains("one.example"), "nothing of the agent is told");
    assert_eq!(shop.till.money("ann"), MONEY - PAYABLE);
}

#[tokio::test]
async fn threat_01_a_bill_is_paid_once_and_the_same_payment_gets_its_receipt_again() {
    let shop = billed().await;
    let place = place(&shop, "one").await;
    let (first, second) = (shop.buy("GET", &place).await, shop.buy("GET", &place).await);
    assert_eq!(shop.call(&first).await.status, 200);
    for hours in [0, 1, 48] {
        shop.clock.advance(hours * 3_600);
        let again = shop.call(&first).await;
        assert_eq!((again.status, settled(&again).transaction.as_str()), (200, "slip-1"), "{again:?}");
        let got = shop.call(&second).await;
        assert_eq!((got.status, got.reason()), (409, Some(R::BillPaid)));
        assert!(got.field(header::PAYMENT_REQUIRED).is_none());
    }
    assert_eq!((shop.till.settles(), shop.till.paid()), (1, 1));
    assert_eq!(count(&shop.journal().await, EntryKind::BillPaid), 1);
}

#[tokio::test]
async fn threat_01_of_many_payments_at_once_one_moves_money() {
    let shop = std::sync::Arc::new(billed().await);
    let place = place(&shop, "one").await;
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (shop, sent) = (std::sync::Arc::clone(&shop), shop.buy("GET", &place).await);
        lanes.spawn(async move { shop.call(&sent).await });
    }
    let answers = lanes.join_all().await;
    assert_eq!(answers.iter().filter(|got| got.status == 200).count(), 1);
    for got in answers.iter().filter(|got| got.status != 200) {
        assert!(matches!(got.reason(), Some(R::BillPaid | R::ReplayPending)), "{got:?}");
        assert_eq!(got.status, 409);
    }
    assert_eq!((shop.till.settles(), shop.till.money("ann")), (1, MONEY - PAYABLE));
}

#[tokio::test]
async fn threat_03_while_one_payment_is_not_known_no_other_is_taken() {
    let shop = billed().await;
    let place = place(&shop, "one").await;
    let (first, second) = (shop.buy("GET", &place).await, shop.buy("GET", &place).await);
    shop.till.set_mood(Mood::Mute);
    let got = shop.call(&first).await;
    assert_eq!((got.status, got.reason()), (503, Some(R::SettlementPending)));
    shop.till.set_mood(Mood::Honest);
    let got = shop.call(&second).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::ReplayPending)));
    assert_eq!(paid_by(&shop, "one").await, None);
    assert_eq!(shop.layer.resolve_exact().await.unwrap().settled.len(), 1);
    assert_eq!(paid_by(&shop, "one").await.unwrap().rail, "exact cash:till", "the job says paid, not only settled");
    assert_eq!((shop.call(&first).await.status, shop.call(&second).await.reason()), (200, Some(R::BillPaid)));
    assert_eq!(shop.till.paid(), 1);
}

#[tokio::test]
async fn what_did_not_settle_leaves_the_bill_open_for_the_next() {
    let shop = billed().await;
    let place = place(&shop, "one").await;
    shop.till.set_mood(Mood::Refusing);
    for _ in 0..5 {
        let got = shop.call(&shop.buy("GET", &place).await).await;
        assert_eq!((got.status, failed(&got).reason.as_deref()), (402, Some("invalid_exact_cash_refused")));
    }
    shop.till.set_mood(Mood::Honest);
    assert_eq!(shop.call(&shop.buy("GET", &place).await).await.status, 200);
    assert_eq!(shop.states().await, [S::Failed, S::Failed, S::Failed, S::Failed, S::Failed, S::Settled]);
}

#[tokio::test]
async fn threat_12_a_bill_takes_its_own_sum_and_nothing_made_for_something_else() {
    let shop = billed().await;
    let (one, two) = (place(&shop, "one").await, place(&shop, "two").await);
    let terms = shop.terms(&one).await;
    let mut less = terms.clone();
    less.amount = Amount::new(PAYABLE - 1);
    let page = shop.terms("/paid/a").await;
    let (first, second) = (shop.note("ann", &terms), shop.note("ann", &less));
    for (accepted, note) in [
        (&terms, &second),
        (&less, &second),
        (&page, &shop.note("ann", &page)),
        // The same sum for the same day, of another agent.
        (&shop.terms(&two).await, &first),
    ] {
        let got = shop.call(&shop.paying("GET", &one, &PaymentPayload::new(accepted.clone(), note.payload()))).await;
        assert_eq!(got.status, 402, "{got:?}");
        assert!(matches!(got.reason(), Some(R::AmountMismatch | R::NoMatchingOffer | R::OfferUnknown)), "{got:?}");
    }
    let bought_elsewhere = shop.paying("GET", "/paid/a", &PaymentPayload::new(terms.clone(), first.payload()));
    assert_eq!(shop.call(&bought_elsewhere).await.reason(), Some(R::OfferUnknown), "nor is a page paid as a bill");
    assert_eq!((shop.till.verifies(), shop.till.settles(), shop.payments().await.len()), (0, 0, 0));
    assert_eq!(shop.call(&shop.paying("GET", &one, &PaymentPayload::new(terms, first.payload()))).await.status, 200);
    assert_eq!((paid_by(&shop, "one").await.is_some(), paid_by(&shop, "two").await), (true, None));
}

#[tokio::test]
async fn a_bills_url_is_told_to_nobody_else_and_cannot_be_guessed() {
    let shop = billed().await;
    let (one, two) = (place(&shop, "one").await, place(&shop, "two").await);
    assert_ne!(one, two);
    let (token, other) = (one.strip_prefix(BILLS_PATH).unwrap(), two.strip_prefix(BILLS_PATH).unwrap());
    // The place of the one, the secret of the other.
    let crossed = format!("{}{}", &token[..11], &other[11..]);
    let mut near = token.to_owned();
    near.replace_range(30..31, if &token[30..31] == "A" { "B" } else { "A" });
    for wrong in [crossed.as_str(), &near, "AAAA", "", &"A".repeat(43), &"_".repeat(43), &token[..42]] {
        let got = shop.call(&shop.unpaid("GET", &format!("{BILLS_PATH}{wrong}"))).await;
        assert_eq!((got.status, got.reason()), (404, Some(R::NotFound)), "{wrong}");
    }
    assert_eq!(shop.call(&shop.unpaid("GET", &format!("{one}?a=b"))).await.status, 404);
    assert_eq!(shop.call(&shop.unpaid("POST", &one)).await.reason(), Some(R::MethodNotAllowed));
    let shown = shop.call(&shop.unpaid("GET", &one)).await;
    assert!(!format!("{shown:?}{}", String::from_utf8_lossy(&shown.body)).contains("one.example"));
    let path = "/.well-known/tollway/statements/2026-11-22";
    assert_ne!(shop.call(&shop.unpaid("GET", path)).await.status, 200, "the statement itself asks for a signature");
}

#[tokio::test]
async fn a_bill_of_nothing_asks_for_nothing() {
    let shop = billed().await;
    let place = place(&shop, "three").await;
    let shown = shop.call(&shop.unpaid("GET", &place)).await;
    assert_eq!((shown.status, &json(&shown)["paid"], &json(&shown)["amount"]), (200, &Value::Null, &"0".into()));
    let terms = shop.terms("/paid/a").await;
    let note = shop.note("ann", &terms).payload();
    let got = shop.call(&shop.paying("GET", &place, &PaymentPayload::new(terms, note))).await;
    assert_eq!((got.status, got.reason(), shop.till.verifies()), (409, Some(R::BillPaid), 0));
}

/// A payment of a bill that has settled, of which the books do not say "paid" yet.
async fn settled_only(shop: &Shop, place: &str) -> Sent {
    let sent = shop.buy("GET", place).await;
    let PaymentPayload { accepted, payload, .. } =
        PaymentPayload::decode(&sent.field(header::PAYMENT_SIGNATURE)).unwrap();
    let message = PaymentPayload::new(accepted, payload);
    let url = shop.site.url(place);
    let token = place.strip_prefix(BILLS_PATH).unwrap();
    let bill = shop.seller.bill(token, &url, shop.clock.now()).await.unwrap();
    let payment = tollway_core::scheme::exact::ExactPayment::of_v2(message).unwrap();
    let admission = shop.seller.admit_bill(&bill, payment, shop.clock.now()).await.unwrap();
    let tollway_core::seller::ExactAdmission::Fresh(verified) = admission else { panic!("it is new") };
    verified.settle(Delivery::default()).await.unwrap();
    sent
}

#[tokio::test]
async fn threat_50_a_crash_between_settlement_and_bill_is_mended() {
    for by_the_job in [true, false] {
        let shop = billed().await;
        let place = place(&shop, "one").await;
        let sent = settled_only(&shop, &place).await;
        assert_eq!((shop.states().await, paid_by(&shop, "one").await), (vec![S::Settled], None));
        let shop = shop.after_a_crash(rules()).await;
        if by_the_job {
            shop.layer.resolve_exact().await.unwrap();
        } else {
            assert_eq!(shop.call(&shop.unpaid("GET", &place)).await.status, 200, "whoever looks finds it paid");
        }
        assert!(paid_by(&shop, "one").await.unwrap().reference.starts_with("slip-1#"), "{by_the_job}");
        assert_eq!(shop.call(&sent).await.status, 200);
        assert_eq!((shop.till.paid(), count(&shop.journal().await, EntryKind::BillPaid)), (1, 1));
    }
}

#[tokio::test]
async fn threat_50_money_for_a_bill_that_was_paid_otherwise_meanwhile_is_owed_back() {
    let shop = billed().await;
    let place = place(&shop, "one").await;
    let sent = settled_only(&shop, &place).await;
    let (agent, period, amount) = (agent("one"), Period::day_of(NOON), Amount::new(PAYABLE));
    let by_bank = BillPayment { agent, period, amount, rail: "bank".into(), reference: "1".into() };
    shop.books.bill_paid(by_bank, shop.clock.now()).await.unwrap();
    let shop = shop.after_a_crash(rules()).await;
    shop.layer.resolve_exact().await.unwrap();
    assert_eq!(shop.states().await, [S::RefundOwed]);
    let got = shop.call(&sent).await;
    assert_eq!((got.status, got.reason()), (409, Some(R::RefundOwed)), "{got:?}");
    assert_eq!(paid_by(&shop, "one").await.unwrap().rail, "bank");
}
