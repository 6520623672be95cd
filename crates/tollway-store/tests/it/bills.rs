//! Statements that are paid, the same on disk and in memory.

use tollway_ledger::{
    BillOutcome, BillPayment, Books, DeliveryNote, ExactBooks, MemoryBooks, Period, Posting, Reserve, StatementFilter,
};
use tollway_protocol::{Amount, Reason};

use crate::scene::{DAY, NOON, PlainSigner, agent, audit, charge, ledger, open, sale_of, terms};

on_both!(
    a_paid_statement_frees_its_payers_credit,
    threat_01_a_statement_is_paid_once,
    what_is_taken_back_after_it_was_paid_is_a_credit,
    a_payment_is_of_one_payer_and_one_statement,
);

fn payment(number: u64, amount: u128, reference: &str) -> BillPayment {
    BillPayment {
        agent: agent(number),
        period: Period::day_of(NOON),
        amount: Amount::new(amount),
        rail: "bank".into(),
        reference: reference.into(),
    }
}

async fn paid(books: &impl ExactBooks, payment: BillPayment) -> Posting {
    match books.bill_paid(payment, NOON + DAY).await.unwrap() {
        BillOutcome::Paid(posting) => posting,
        other => panic!("{other:?}"),
    }
}

async fn refused(books: &impl ExactBooks, payment: BillPayment) -> Reason {
    match books.bill_paid(payment, NOON + DAY).await.unwrap() {
        BillOutcome::Refused(refusal) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

/// Agents 1 and 2 owe 25,500 each, of which 20,000 are payable.
async fn closed_day(books: &impl Books) {
    for number in [1, 2] {
        books.agent_put(terms(number, 30_000, None), NOON).await.unwrap();
        charge(books, sale_of(number, 1, 20_500, NOON), NOON).await;
        charge(books, sale_of(number, 2, 5_000, NOON), NOON).await;
    }
    books.close(Period::day_of(NOON), NOON + DAY, &PlainSigner).await.unwrap();
}

async fn owed(books: &impl Books, number: u64) -> u128 {
    books.account(&agent(number), NOON).await.unwrap().unwrap().balance_owed.get()
}

async fn a_paid_statement_frees_its_payers_credit(books: &(impl Books + ExactBooks)) {
    closed_day(books).await;
    let further = || sale_of(1, 3, 20_000, NOON + DAY);
    assert!(matches!(books.reserve(further(), NOON + DAY).await.unwrap(), Reserve::Refused(_)));
    // Also while a sale of the same payer is under way.
    let Reserve::Reserved(held) = books.reserve(sale_of(1, 4, 100, NOON + DAY), NOON + DAY).await.unwrap() else {
        panic!("within credit");
    };
    let posting = paid(books, payment(1, 20_000, "stmt 7")).await;
    assert_eq!(books.head().await.unwrap(), (posting.sequence, posting.head));
    assert_eq!((owed(books, 1).await, owed(books, 2).await), (5_500, 25_500));
    charge(books, further(), NOON + DAY).await;
    drop(held);

    let statements = books.statements(StatementFilter::default()).await.unwrap();
    assert_eq!(statements[0].paid, Some(payment(1, 20_000, "stmt 7")));
    assert_eq!(statements[1].paid, None);
    let day = Period::day_of(NOON);
    let one = books.statement(&agent(1), &day).await.unwrap().unwrap();
    assert_eq!(one.paid, books.bill_payment(&agent(1), &day).await.unwrap());
    assert_eq!(books.bill_payment(&agent(2), &day).await.unwrap(), None);
    // What was carried is billed next, and no more.
    let next = books.close(Period::day_of(NOON + DAY), NOON + 2 * DAY, &PlainSigner).await.unwrap();
    assert_eq!(next.statements[0].brought_forward.get(), 5_500);
    assert_eq!(next.statements[0].payable, Amount::new(20_000));
    let report = audit(books).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!((report.bills_paid, report.paid), (1, Amount::new(20_000)));
    assert_eq!(report.balances["rail:bank"].get(), 20_000);
    assert_eq!(report.balances["payer:https://crawler-1.example"].get(), 25_500);
}

async fn threat_01_a_statement_is_paid_once(books: &(impl Books + ExactBooks)) {
    closed_day(books).await;
    for (wrong, reason) in [
        (payment(3, 20_000, "a"), Reason::NotFound),
        (BillPayment { period: Period::day_of(NOON + DAY), ..payment(1, 20_000, "a") }, Reason::NotFound),
        (payment(1, 19_999, "a"), Reason::AmountMismatch),
        (payment(1, 25_500, "a"), Reason::AmountMismatch),
        (payment(1, 0, "a"), Reason::AmountMismatch),
        (payment(1, 20_000, ""), Reason::MalformedPayment),
        (payment(1, 20_000, "a\nb"), Reason::MalformedPayment),
        (payment(1, 20_000, &"r".repeat(257)), Reason::MalformedPayment),
        (BillPayment { rail: String::new(), ..payment(1, 20_000, "a") }, Reason::MalformedPayment),
    ] {
        assert_eq!(refused(books, wrong.clone()).await, reason, "{wrong:?}");
    }
    let first = paid(books, payment(1, 20_000, "a")).await;
    let again = books.bill_paid(payment(1, 20_000, "a"), NOON + 9 * DAY).await.unwrap();
    assert_eq!(again, BillOutcome::Known(first));
    assert_eq!(refused(books, payment(1, 20_000, "b")).await, Reason::BillPaid);
    let by_card = BillPayment { rail: "card".into(), ..payment(1, 20_000, "a") };
    assert_eq!(refused(books, by_card).await, Reason::BillPaid);
    assert_eq!(books.head().await.unwrap(), (first.sequence, first.head));
    assert_eq!(owed(books, 1).await, 5_500);
}

async fn what_is_taken_back_after_it_was_paid_is_a_credit(books: &(impl Books + ExactBooks)) {
    closed_day(books).await;
    paid(books, payment(1, 20_000, "a")).await;
    let cut = DeliveryNote { bytes: 1, digest: None, complete: false };
    books.delivery_note(&sale_of(1, 1, 20_500, NOON).id, cut, NOON + DAY).await.unwrap();
    // 5,000 charged, 20,000 paid: nothing is owed, and no credit is made out of it.
    assert_eq!(owed(books, 1).await, 0);
    let report = audit(books).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!(report.balances["payer:https://crawler-1.example"].get(), -15_000);
    let next = books.close(Period::day_of(NOON + DAY), NOON + 2 * DAY, &PlainSigner).await.unwrap();
    assert_eq!((next.statements[0].payable, next.statements[0].carried.get()), (Amount::ZERO, -15_000));
    // Nothing is payable, so nothing can be paid.
    let nothing = BillPayment { period: Period::day_of(NOON + DAY), ..payment(1, 0, "b") };
    assert_eq!(refused(books, nothing).await, Reason::AmountMismatch);
    charge(books, sale_of(1, 9, 30_000, NOON + DAY), NOON + DAY).await;
    assert_eq!(owed(books, 1).await, 15_000);
}

async fn a_payment_is_of_one_payer_and_one_statement(books: &(impl Books + ExactBooks)) {
    closed_day(books).await;
    paid(books, payment(1, 20_000, "a")).await;
    assert_eq!(refused(books, payment(2, 20_000, "a")).await, Reason::ReplayMismatch);
    assert_eq!(owed(books, 2).await, 25_500);
    paid(books, BillPayment { rail: "card".into(), ..payment(2, 20_000, "a") }).await;
    assert!(audit(books).await.is_proved());
}
