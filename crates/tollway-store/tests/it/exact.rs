//! The life of exact payments, the same on disk and in memory.

use tollway_ledger::exact::{IDENTIFIER_MAX_BYTES, PAYMENT_MAX_BYTES, REASON_MAX_BYTES};
use tollway_ledger::{
    Books, BooksError, Delivery, ExactBooks, ExactClaim, ExactOutcome, ExactSale, ExactState, Fingerprint, MemoryBooks,
    PaymentId, Posting, Sequence,
};
use tollway_protocol::{Amount, Reason};

use crate::scene::{NOON, audit, exact_sale, ledger, ok, open, settled};

on_both!(
    a_payment_is_claimed_once_and_known_ever_after,
    threat_23_every_step_is_legal_or_refused,
    outcomes_are_repeated_without_a_trace,
    an_identifier_belongs_to_one_payment,
    what_is_open_and_what_was_claimed_can_be_listed,
    nothing_makes_a_line_too_long_to_be_read,
    a_payment_without_an_end_can_be_exported,
);

async fn claim(books: &impl ExactBooks, sale: ExactSale, now: u64) -> Posting {
    match books.exact_claim(sale, now).await.unwrap() {
        ExactClaim::Claimed(posting) => posting,
        other => panic!("{other:?}"),
    }
}

async fn refused(books: &impl ExactBooks, sale: ExactSale) -> Reason {
    match books.exact_claim(sale, NOON).await.unwrap() {
        ExactClaim::Refused(refusal) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

async fn a_payment_is_claimed_once_and_known_ever_after(books: &(impl Books + ExactBooks)) {
    let sale = exact_sale(1);
    let claimed = claim(books, sale.clone(), NOON).await;
    let ExactClaim::Known(known) = books.exact_claim(sale.clone(), NOON + 9).await.unwrap() else {
        panic!("claimed twice");
    };
    assert_eq!((&known.sale, known.state, known.claimed_at), (&sale, ExactState::Claimed, NOON));
    assert_eq!((known.claim, known.posting, &known.transaction), (claimed, claimed, &None));
    assert_eq!(known.delivery, Delivery::default());
    let other = ExactSale { fingerprint: Fingerprint::of("POST", "https://seller.example/other", ""), ..sale.clone() };
    assert_eq!(refused(books, other).await, Reason::ReplayMismatch);

    let posting = books.exact_outcome(&sale.id, settled("0xabc"), NOON + 2).await.unwrap();
    let known = books.exact_lookup(&sale.id).await.unwrap().unwrap();
    assert_eq!((known.state, known.posting), (ExactState::Settled, posting));
    assert_eq!((known.claim, known.claimed_at), (claimed, NOON));
    assert_eq!((known.transaction.as_deref(), known.delivery), (Some("0xabc"), ok()));
    assert!(matches!(books.exact_claim(sale, NOON + 9).await.unwrap(), ExactClaim::Known(_)));
    assert_eq!(books.exact_lookup(&exact_sale(2).id).await.unwrap(), None);
    assert_eq!(books.head().await.unwrap().0, Sequence::new(3));

    let report = audit(books).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
    let totals = &report.assets["eip155:84532/0x036cbd53842c5426634e7929541ec2318f3dcf7e"];
    assert_eq!((totals.claimed, totals.settled, totals.received), (1, 1, Amount::new(1_000)));
    assert_eq!(totals.balances["revenue:exact pages"].get(), -1_000);
    // What came in on a chain is no part of the sums of promises.
    assert!(report.balances.is_empty());
    assert_eq!((report.sales, report.charged), (0, Amount::ZERO));
}

fn unknown(transaction: Option<&str>) -> ExactOutcome {
    ExactOutcome::Unknown { transaction: transaction.map(str::to_owned) }
}

fn failed(reason: &str) -> ExactOutcome {
    ExactOutcome::Failed { reason: reason.into(), transaction: None }
}

fn owed() -> ExactOutcome {
    ExactOutcome::RefundOwed { reason: "the handler answered 500".into() }
}

/// How a payment gets into each state.
fn roads() -> [(ExactState, Vec<ExactOutcome>); 6] {
    [
        (ExactState::Claimed, vec![]),
        (ExactState::Unknown, vec![unknown(Some("0x1"))]),
        (ExactState::Settled, vec![unknown(None), settled("0x1")]),
        (ExactState::Failed, vec![unknown(Some("0x1")), failed("nonce used")]),
        (ExactState::Released, vec![ExactOutcome::Released]),
        (ExactState::RefundOwed, vec![settled("0x1"), owed()]),
    ]
}

async fn threat_23_every_step_is_legal_or_refused(books: &(impl Books + ExactBooks)) {
    use ExactState as S;
    let steps = [unknown(Some("0x2")), settled("0x2"), failed("why"), ExactOutcome::Released, owed()];
    let mut number = 0;
    for (state, road) in roads() {
        for step in &steps {
            number += 1;
            let id = exact_sale(number).id;
            claim(books, exact_sale(number), NOON).await;
            for passed in &road {
                books.exact_outcome(&id, passed.clone(), NOON).await.unwrap();
            }
            let before = books.head().await.unwrap();
            let answer = books.exact_outcome(&id, step.clone(), NOON).await;
            let expected = match (state, step) {
                (S::Claimed | S::Unknown, ExactOutcome::Unknown { .. }) => Some(S::Unknown),
                (S::Claimed | S::Unknown, ExactOutcome::Settled { .. }) => Some(S::Settled),
                (S::Claimed | S::Unknown | S::Failed, ExactOutcome::Failed { .. }) => Some(S::Failed),
                (S::Claimed | S::Released, ExactOutcome::Released) => Some(S::Released),
                (S::Settled | S::RefundOwed, ExactOutcome::RefundOwed { .. }) => Some(S::RefundOwed),
                _ => None,
            };
            let record = books.exact_lookup(&id).await.unwrap().unwrap();
            match expected {
                Some(next) => assert_eq!((record.state, record.posting), (next, answer.unwrap()), "{state:?} {step:?}"),
                None => {
                    let reason = answer.unwrap_err().reason();
                    assert_eq!((reason, record.state), (Reason::InvalidTransactionState, state), "{step:?}");
                    assert_eq!(books.head().await.unwrap(), before);
                }
            }
        }
    }
    let nobody = books.exact_outcome(&exact_sale(999).id, owed(), NOON).await;
    assert!(matches!(nobody, Err(BooksError::Refused(refusal)) if refusal.reason == Reason::NotFound));
    let report = audit(books).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
}

async fn outcomes_are_repeated_without_a_trace(books: &(impl Books + ExactBooks)) {
    for (number, (state, road)) in (1..).zip(roads()) {
        let id = exact_sale(number).id;
        claim(books, exact_sale(number), NOON).await;
        let mut entries = Vec::new();
        for step in &road {
            entries.push(books.exact_outcome(&id, step.clone(), NOON).await.unwrap());
        }
        let (before, record) = (books.head().await.unwrap(), books.exact_lookup(&id).await.unwrap());
        for (step, entry) in road.iter().zip(&entries).rev() {
            // Steps that a final state has left behind are gone; a settlement stays known.
            let final_state = matches!(step, ExactOutcome::Unknown { .. }) && state.is_final();
            if !final_state {
                assert_eq!(books.exact_outcome(&id, step.clone(), NOON + 5).await.unwrap(), *entry, "{step:?}");
            }
        }
        assert_eq!(books.head().await.unwrap(), before, "{state:?}");
        assert_eq!(books.exact_lookup(&id).await.unwrap(), record);
    }
    let known = books.exact_lookup(&exact_sale(4).id).await.unwrap().unwrap();
    assert_eq!((known.reason.as_deref(), known.transaction.as_deref()), (Some("nonce used"), Some("0x1")));
    let known = books.exact_lookup(&exact_sale(6).id).await.unwrap().unwrap();
    assert_eq!((known.reason.as_deref(), known.delivery), (Some("the handler answered 500"), ok()));
    // A transfer that was sent again under another fee has another name.
    let id = exact_sale(2).id;
    books.exact_outcome(&id, unknown(Some("0x9")), NOON).await.unwrap();
    let stood = books.exact_outcome(&id, unknown(None), NOON).await.unwrap();
    let known = books.exact_lookup(&id).await.unwrap().unwrap();
    assert_eq!((known.transaction.as_deref(), known.posting), (Some("0x9"), stood));
}

async fn an_identifier_belongs_to_one_payment(books: &(impl Books + ExactBooks)) {
    let named = |number, name: &str| ExactSale { identifier: Some(name.to_owned()), ..exact_sale(number) };
    claim(books, named(1, "pay_0123456789abcdef"), NOON).await;
    assert_eq!(refused(books, named(2, "pay_0123456789abcdef")).await, Reason::IdentifierConflict);
    claim(books, named(2, "pay_0123456789abcdeF"), NOON).await;
    claim(books, exact_sale(3), NOON).await;
    claim(books, exact_sale(4), NOON).await;
    // The same payment is known by itself, whatever it is called now.
    assert!(matches!(books.exact_claim(named(1, "pay_other"), NOON).await.unwrap(), ExactClaim::Known(_)));
    let found = books.exact_by_identifier("pay_0123456789abcdef").await.unwrap().unwrap();
    assert_eq!(found.sale, named(1, "pay_0123456789abcdef"));
    assert_eq!(books.exact_by_identifier("pay_other").await.unwrap(), None);
    // It is not free again when its payment came to nothing.
    books.exact_outcome(&exact_sale(1).id, ExactOutcome::Released, NOON).await.unwrap();
    assert_eq!(refused(books, named(5, "pay_0123456789abcdef")).await, Reason::IdentifierConflict);
}

async fn what_is_open_and_what_was_claimed_can_be_listed(books: &(impl Books + ExactBooks)) {
    for number in 0..10 {
        claim(books, exact_sale(number), NOON + number).await;
    }
    for number in [0, 3, 4] {
        books.exact_outcome(&exact_sale(number).id, settled("0xbatch"), NOON + 20).await.unwrap();
    }
    books.exact_outcome(&exact_sale(2).id, unknown(Some("0x1")), NOON + 20).await.unwrap();
    books.exact_outcome(&exact_sale(5).id, failed("x"), NOON + 20).await.unwrap();
    let ids = |numbers: &[u64]| numbers.iter().map(|number| exact_sale(*number).id).collect::<Vec<PaymentId>>();
    let open = books.exact_open(4).await.unwrap();
    assert_eq!(open.iter().map(|record| record.sale.id).collect::<Vec<_>>(), ids(&[1, 2, 6, 7]));
    assert_eq!(open[1].state, ExactState::Unknown);
    let (mut after, mut all) = (Sequence::ZERO, Vec::new());
    loop {
        let page = books.exact_list(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.claim.sequence;
        all.extend(page.iter().map(|record| record.sale.id));
    }
    assert_eq!(all, ids(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    // Several payments in one transfer are no fault.
    assert!(audit(books).await.is_proved());
}

async fn nothing_makes_a_line_too_long_to_be_read(books: &(impl Books + ExactBooks)) {
    let long = |length: usize| "\u{1}".repeat(length);
    for (sale, reason) in [
        (ExactSale { payment: long(PAYMENT_MAX_BYTES + 1), ..exact_sale(1) }, Reason::PaymentTooLarge),
        (ExactSale { identifier: Some(long(IDENTIFIER_MAX_BYTES + 1)), ..exact_sale(1) }, Reason::MalformedPayment),
        (ExactSale { identifier: Some(String::new()), ..exact_sale(1) }, Reason::MalformedPayment),
        (ExactSale { payer: long(257), ..exact_sale(1) }, Reason::MalformedPayment),
        (ExactSale { pay_to: long(257), ..exact_sale(1) }, Reason::MalformedPayment),
        (ExactSale { url: long((16 << 10) + 1), ..exact_sale(1) }, Reason::MalformedPayment),
        (ExactSale { payer: String::new(), ..exact_sale(1) }, Reason::MalformedPayment),
    ] {
        assert_eq!(refused(books, sale).await, reason);
    }
    assert_eq!(books.head().await.unwrap().0, Sequence::ZERO);
    // The longest that is taken, of characters that JSON writes longest.
    let longest = ExactSale {
        payment: long(PAYMENT_MAX_BYTES - 8) + "payload",
        url: long(16 << 10),
        payer: long(256),
        pay_to: long(256),
        rule: long(256),
        identifier: Some(long(128)),
        ..exact_sale(1)
    };
    claim(books, longest, NOON).await;
    for transaction in [String::new(), long(257)] {
        let answer = books.exact_outcome(&exact_sale(1).id, settled(&transaction), NOON).await;
        assert_eq!(answer.unwrap_err().reason(), Reason::MalformedPayment);
    }
    // Someone else's text is cut, between characters.
    books.exact_outcome(&exact_sale(1).id, failed(&"é".repeat(5_000)), NOON).await.unwrap();
    let known = books.exact_lookup(&exact_sale(1).id).await.unwrap().unwrap();
    assert_eq!(known.reason.unwrap().len(), REASON_MAX_BYTES);
    assert!(audit(books).await.is_proved());
}

async fn a_payment_without_an_end_can_be_exported(books: &(impl Books + ExactBooks)) {
    claim(books, ExactSale { expires: u64::MAX, ..exact_sale(1) }, NOON).await;
    assert!(audit(books).await.is_proved());
    let known = books.exact_lookup(&exact_sale(1).id).await.unwrap().unwrap();
    assert_eq!(known.sale.expires, (1 << 53) - 1);
}
