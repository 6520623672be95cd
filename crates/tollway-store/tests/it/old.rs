//! Books that an older version wrote open, and go on.

use rusqlite::Connection;
use tollway_ledger::{BillOutcome, BillPayment, Books, ExactBooks, ExactClaim, Period, StatementFilter};
use tollway_protocol::Amount;

use crate::scene::{DAY, NOON, PlainSigner, agent, audit, charge, exact_sale, open, sale_of, settled, terms};

/// Takes from a file what its later versions have brought.
fn make_first_version(path: &std::path::Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "DROP TABLE passes; DROP TABLE payments; DROP TABLE bills; ALTER TABLE agents DROP COLUMN paid; PRAGMA user_version = 1;",
        )
        .unwrap();
}

#[tokio::test]
async fn books_of_the_first_version_open_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let books = open(&path);
    books.agent_put(terms(1, 50_000, None), NOON).await.unwrap();
    charge(&books, sale_of(1, 1, 30_000, NOON), NOON).await;
    books.close(Period::day_of(NOON), NOON + DAY, &PlainSigner).await.unwrap();
    let head = books.head().await.unwrap();
    drop(books);
    make_first_version(&path);

    let books = open(&path);
    assert_eq!(books.head().await.unwrap(), head);
    let view = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!(view.balance_owed, Amount::new(30_000));
    assert_eq!(books.statements(StatementFilter::default()).await.unwrap()[0].paid, None);
    let payment = BillPayment {
        agent: agent(1),
        period: Period::day_of(NOON),
        amount: Amount::new(30_000),
        rail: "card".into(),
        reference: "1".into(),
    };
    assert!(matches!(books.bill_paid(payment, NOON + DAY).await.unwrap(), BillOutcome::Paid(_)));
    assert!(matches!(books.exact_claim(exact_sale(1), NOON + DAY).await.unwrap(), ExactClaim::Claimed(_)));
    books.exact_outcome(&exact_sale(1).id, settled("0x1"), NOON + DAY).await.unwrap();
    books.agent_put(terms(2, 100, None), NOON + DAY).await.unwrap();
    charge(&books, sale_of(1, 2, 50_000, NOON + DAY), NOON + DAY).await;
    drop(books);
    // And once more, now that it has been brought up to date.
    let report = audit(&open(&path)).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!(report.balances["payer:https://crawler-1.example"].get(), 50_000);
}
