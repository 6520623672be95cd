//! Exact payments on disk at their limits: many at once, several processes, restarts.

use std::sync::Arc;

use tollway_ledger::{Books, ExactBooks, ExactClaim, ExactOutcome, ExactState, Posting, Reserve};
use tollway_store::SqliteBooks;

use crate::scene::{NOON, audit, exact_sale, ok, open, sale, settled, terms};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_01_ten_thousand_copies_of_a_payment_are_one_claim() {
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let books = Arc::clone(&books);
            tokio::spawn(async move { claims(&books, 7).await })
        })
        .collect();
    let mut runs = 0;
    for task in tasks {
        runs += u64::from(task.await.unwrap());
    }
    assert_eq!(runs, 1);
    assert_eq!(books.head().await.unwrap().0.get(), 2);
    assert!(audit(&*books).await.is_proved());
}

/// Whether this caller is the one that runs the handler.
async fn claims(books: &SqliteBooks, number: u64) -> bool {
    match books.exact_claim(exact_sale(number), NOON).await.unwrap() {
        ExactClaim::Claimed(_) => true,
        ExactClaim::Known(_) => false,
        ExactClaim::Refused(refusal) => panic!("{refusal}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_02_a_payment_settles_once_whoever_says_so_again() {
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    assert!(claims(&books, 1).await);
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let books = Arc::clone(&books);
            tokio::spawn(async move { books.exact_outcome(&exact_sale(1).id, settled("0x1"), NOON).await.unwrap() })
        })
        .collect();
    let mut postings: Vec<Posting> = Vec::new();
    for task in tasks {
        postings.push(task.await.unwrap());
    }
    assert!(postings.iter().all(|posting| *posting == postings[0]));
    let report = audit(&*books).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!(report.assets.values().next().unwrap().settled, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_share_commits_with_promises() {
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    let before = books.batches();
    let tasks: Vec<_> = (0..400)
        .map(|number| {
            let books = Arc::clone(&books);
            tokio::spawn(async move {
                let Reserve::Reserved(held) = books.reserve(sale(number), NOON).await.unwrap() else {
                    panic!("sale {number} is known");
                };
                let (posted, claimed) = tokio::join!(books.post(held, ok(), NOON), claims(&books, number));
                posted.unwrap();
                assert!(claimed);
                books.exact_outcome(&exact_sale(number).id, settled("0xbatch"), NOON).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let commits = books.batches() - before;
    assert!(commits < 400, "{commits} commits for 1,200 commands");
    let report = audit(&*books).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
    assert_eq!((report.sales, report.assets.values().next().unwrap().settled), (400, 400));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_13_two_gateways_on_one_file_claim_a_payment_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let gateways = [Arc::new(open(&path)), Arc::new(open(&path))];
    let mut tasks = Vec::new();
    for number in 0..50 {
        for books in &gateways {
            let books = Arc::clone(books);
            tasks.push(tokio::spawn(async move {
                if !claims(&books, number).await {
                    return 0;
                }
                books.exact_outcome(&exact_sale(number).id, settled("0x1"), NOON).await.unwrap();
                1
            }));
        }
    }
    let mut runs = 0;
    for task in tasks {
        runs += task.await.unwrap();
    }
    assert_eq!(runs, 50);
    let report = audit(&*gateways[1]).await;
    assert!(report.is_proved(), "{:#?}", report.faults);
}

#[tokio::test]
async fn threat_50_what_is_open_is_found_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let books = open(&path);
    for number in 0..4 {
        assert!(claims(&books, number).await);
    }
    let sent = ExactOutcome::Unknown { transaction: Some("0x1".into()) };
    books.exact_outcome(&exact_sale(1).id, sent, NOON).await.unwrap();
    books.exact_outcome(&exact_sale(2).id, settled("0x2"), NOON).await.unwrap();
    let before = books.exact_list(tollway_ledger::Sequence::ZERO, 10).await.unwrap();
    drop(books);
    let books = open(&path);
    let open = books.exact_open(10).await.unwrap();
    let found: Vec<_> = open.iter().map(|record| (record.sale.id, record.state)).collect();
    let expected = [(0, ExactState::Claimed), (1, ExactState::Unknown), (3, ExactState::Claimed)];
    assert_eq!(found, expected.map(|(number, state)| (exact_sale(number).id, state)));
    assert_eq!(open[1].transaction.as_deref(), Some("0x1"));
    assert_eq!(books.exact_list(tollway_ledger::Sequence::ZERO, 10).await.unwrap(), before);
    assert!(!claims(&books, 3).await);
}
