//! Group commit, races, several processes, full disks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollway_ledger::{AuditReport, Books, BooksError, DeliveryNote, Period, PostOutcome, Reserve, SaleState, Sequence};
use tollway_protocol::{Amount, Reason};
use tollway_store::{OpenOptions, SqliteBooks};

use crate::scene::{DAY, Keys, NOON, PlainSigner, agent, audit, charge, ok, open, options, sale, sale_of, terms};

/// Reserves and posts; whether it was charged now.
async fn buy(books: &SqliteBooks, number: u64) -> bool {
    match books.reserve(sale(number), NOON).await.unwrap() {
        Reserve::Reserved(reservation) => {
            let outcome = books.post(reservation, ok(), NOON).await.unwrap();
            matches!(outcome, PostOutcome::Posted(_))
        }
        Reserve::Known(_) | Reserve::InFlight | Reserve::Refused(_) => false,
    }
}

fn clean(report: &AuditReport) {
    assert!(report.is_consistent(), "{:#?}", report.faults);
    assert!(report.is_proved(), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_sales_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    let before = books.batches();
    let tasks: Vec<_> = (0..2_000)
        .map(|number| {
            let books = Arc::clone(&books);
            tokio::spawn(async move { buy(&books, number).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    let batches = books.batches() - before;
    assert_eq!(books.postings(), 2_000);
    assert!(batches < 1_000, "{batches} commits for 2,000 sales");
    assert_eq!(books.exposure().lock().held(), 0);
    let report = audit(&*books).await;
    clean(&report);
    assert_eq!((report.sales, report.charged), (2_000, Amount::new(20_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_01_ten_thousand_copies_are_one_sale() {
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    let reserved = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..10_000)
        .map(|_| {
            let (books, reserved) = (Arc::clone(&books), Arc::clone(&reserved));
            tokio::spawn(async move {
                if let Reserve::Reserved(reservation) = books.reserve(sale(7), NOON).await.unwrap() {
                    reserved.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    books.post(reservation, ok(), NOON).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Not only one charge: the handler would have run once.
    assert_eq!(reserved.load(Ordering::Relaxed), 1);
    assert_eq!(books.postings(), 1);
    assert_eq!(books.exposure().lock().held(), 0);
    clean(&audit(&*books).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_01_a_thousand_buyers_with_credit_for_ten_make_ten_sales() {
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    for round in 0..5 {
        books.agent_put(terms(1, 100 * (round + 1), None), NOON).await.unwrap();
        let first = u64::try_from(round).unwrap() * 1_000;
        let tasks: Vec<_> = (first..first + 1_000)
            .map(|number| {
                let books = Arc::clone(&books);
                tokio::spawn(async move { buy(&books, number).await })
            })
            .collect();
        let mut charged = 0;
        for task in tasks {
            charged += u32::from(task.await.unwrap());
        }
        assert_eq!(charged, 10);
    }
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!((account.balance_owed, account.reserved), (Amount::new(500), Amount::ZERO));
    clean(&audit(&*books).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_sale_within_credit_is_refused_while_others_commit() {
    // Sixteen buyers on one account with credit for sixteen sales. Each gives its own back before
    // its next, so that credit is always just enough: counting one sale twice refuses another.
    let folder = tempfile::tempdir().unwrap();
    let books = Arc::new(open(&folder.path().join("books")));
    books.agent_put(terms(1, 160, None), NOON).await.unwrap();
    let tasks: Vec<_> = (0..16)
        .map(|buyer| {
            let books = Arc::clone(&books);
            tokio::spawn(async move {
                for step in 0..60 {
                    let number = buyer * 1_000 + step;
                    assert!(buy(&books, number).await, "sale {number} was refused");
                    let cut = DeliveryNote { bytes: 0, digest: None, complete: false };
                    books.delivery_note(&sale(number).id, cut, NOON).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!((account.balance_owed, account.reserved), (Amount::ZERO, Amount::ZERO));
    assert_eq!(books.exposure().lock().held(), 0);
}

#[tokio::test]
async fn threat_13_two_gateways_on_one_file_charge_once_and_within_credit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let (one, two) = (open(&path), open(&path));
    one.agent_put(terms(1, 20, None), NOON).await.unwrap();
    // Both hold the same sale, and a second one each: credit for two in all.
    let mut held = Vec::new();
    for (books, number) in [(&one, 1), (&two, 1), (&one, 2), (&two, 3)] {
        match books.reserve(sale(number), NOON).await.unwrap() {
            Reserve::Reserved(reservation) => held.push((books, reservation)),
            other => panic!("{other:?}"),
        }
    }
    let mut outcomes = Vec::new();
    for (books, reservation) in held {
        outcomes.push(match books.post(reservation, ok(), NOON).await.unwrap() {
            PostOutcome::Posted(_) => "posted",
            PostOutcome::Known(_) => "known",
            PostOutcome::Refused(refusal) => refusal.reason.code(),
        });
    }
    assert_eq!(outcomes, ["posted", "known", "posted", "over_credit"]);
    clean(&audit(&two).await);
}

#[tokio::test]
async fn a_change_in_one_process_is_seen_in_the_other_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let (gateway, tool) = (open(&path), SqliteBooks::open_existing(&path).unwrap());
    gateway.agent_put(terms(1, 1_000, None), NOON).await.unwrap();
    charge(&gateway, sale(1), NOON).await;
    let Reserve::Reserved(held) = gateway.reserve(sale(2), NOON).await.unwrap() else {
        panic!("not reserved");
    };
    tool.agent_block(&agent(1), true, NOON).await.unwrap();
    let refused = gateway.reserve(sale(3), NOON).await.unwrap();
    assert!(matches!(refused, Reserve::Refused(refusal) if refusal.reason == Reason::AgentBlocked));
    // And what was reserved before is not charged after.
    let late = gateway.post(held, ok(), NOON).await.unwrap();
    assert!(matches!(late, PostOutcome::Refused(refusal) if refusal.reason == Reason::AgentBlocked));
    tool.agent_block(&agent(1), false, NOON).await.unwrap();
    tool.agent_put(terms(1, 10, None), NOON).await.unwrap();
    let refused = gateway.reserve(sale(4), NOON).await.unwrap();
    assert!(matches!(refused, Reserve::Refused(refusal) if refusal.reason == Reason::OverCredit));
    assert_eq!(tool.ledger(), gateway.ledger());
    clean(&audit(&gateway).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn periods_are_closed_while_sales_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let (gateway, tool) = (Arc::new(open(&path)), open(&path));
    for number in 1..=4 {
        gateway.agent_put(terms(number, 1_000_000, None), NOON).await.unwrap();
    }
    // Four buyers whose clocks run through three days, 300 sales each.
    let sellers: Vec<_> = (1..=4)
        .map(|buyer| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move {
                for step in 0..300 {
                    let now = NOON + step * 3 * DAY / 300;
                    charge(&*gateway, sale_of(buyer, step, 10, now), now).await;
                }
            })
        })
        .collect();
    let mut periods: Vec<_> = (0..4).map(|days| Period::day_of(NOON + days * DAY)).collect();
    for period in &periods {
        tool.close(*period, NOON + 9 * DAY, &PlainSigner).await.unwrap();
        tool.close(*period, NOON + 9 * DAY, &PlainSigner).await.unwrap();
    }
    for seller in sellers {
        seller.await.unwrap();
    }
    periods.push(periods[0].month());
    tool.close(periods[4], NOON + 30 * DAY, &PlainSigner).await.unwrap();
    let mut billed = 0;
    for period in &periods {
        let closed = gateway.close(*period, NOON + 30 * DAY, &PlainSigner).await.unwrap();
        assert!(closed.already_closed);
        billed += closed.statements.iter().map(|statement| statement.lines).sum::<u64>();
    }
    // Every line stands on exactly one statement.
    assert_eq!(billed, 1_200);
    let report = audit(&tool).await;
    clean(&report);
    assert_eq!(report.checkpoints, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tools_closing_at_once_write_one_close() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let day = Period::day_of(NOON);
    let books = open(&path);
    books.agent_put(terms(1, 1_000, None), NOON).await.unwrap();
    charge(&books, sale(1), NOON).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let books = open(&path);
            tokio::spawn(async move { books.close(day, NOON + DAY, &PlainSigner).await.unwrap() })
        })
        .collect();
    let mut firsts = 0;
    for task in tasks {
        let closed = task.await.unwrap();
        assert_eq!(closed.statements.len(), 1);
        firsts += u32::from(!closed.already_closed);
    }
    assert_eq!(firsts, 1);
    clean(&audit(&books).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threat_14_a_full_nonce_memory_refuses_new_sales_and_forgets_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let full = OpenOptions { nonce_capacity: 1_000, ..options() };
    let books = Arc::new(SqliteBooks::open(&path, full.clone()).unwrap());
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    let mut held = Vec::new();
    for number in 0..1_000 {
        match books.reserve(sale(number), NOON).await.unwrap() {
            Reserve::Reserved(reservation) => held.push(reservation),
            other => panic!("{other:?}"),
        }
    }
    let reason = |reserve| match reserve {
        Reserve::Refused(tollway_protocol::Refusal { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    // Reserved nonces count as used ones do.
    assert_eq!(reason(books.reserve(sale(5_000), NOON).await.unwrap()), Reason::BooksFull);
    let tasks: Vec<_> = held
        .into_iter()
        .map(|reservation| {
            let books = Arc::clone(&books);
            tokio::spawn(async move { books.post(reservation, ok(), NOON).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), PostOutcome::Posted(_)));
    }
    let last = NOON + 360;
    assert_eq!(reason(books.reserve(sale(5_000), last).await.unwrap()), Reason::BooksFull);
    for number in 0..1_000 {
        let mut again = sale(number);
        assert!(matches!(books.reserve(again.clone(), last).await.unwrap(), Reserve::Known(_)));
        again.id = sale(6_000).id;
        assert_eq!(reason(books.reserve(again, last).await.unwrap()), Reason::NonceReplayed);
    }
    // Once the signatures have ended there is room, also after a restart.
    drop(books);
    let books = Arc::new(SqliteBooks::open(&path, full).unwrap());
    assert_eq!(reason(books.reserve(sale(5_000), last).await.unwrap()), Reason::BooksFull);
    let later = NOON + 600;
    let tasks: Vec<_> = (0..1_000)
        .map(|number| {
            let books = Arc::clone(&books);
            let sale = sale_of(1, 10_000 + number, 10, later);
            tokio::spawn(async move { charge(&*books, sale, later).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let next = sale_of(1, 20_000, 10, later);
    assert_eq!(reason(books.reserve(next, later).await.unwrap()), Reason::BooksFull);
    clean(&audit(&*books).await);
}

#[tokio::test]
async fn threat_14_a_million_nonces_do_not_open_the_replay_window() {
    const FLOOD: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let books = open(&path);
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    charge(&books, sale(1), NOON).await;
    drop(books);
    // As a million sales of other keys within the same minute would leave them.
    let file = rusqlite::Connection::open(&path).unwrap();
    let flood = format!(
        "WITH RECURSIVE flood(number) AS (VALUES (1) UNION ALL SELECT number + 1 FROM flood WHERE number < {FLOOD}) \
         INSERT INTO nonces SELECT CAST(printf('%032d', number) AS BLOB), (SELECT min(bucket) FROM nonce_buckets) \
         FROM flood; UPDATE nonce_buckets SET count = count + {FLOOD}"
    );
    file.execute_batch(&flood).unwrap();
    drop(file);
    for (room, fits) in [(0, false), (1, true)] {
        let bounded = OpenOptions { nonce_capacity: FLOOD + 1 + room, ..options() };
        let books = SqliteBooks::open(&path, bounded).unwrap();
        for now in [NOON, NOON + 300, NOON + 360] {
            assert!(matches!(books.reserve(sale(1), now).await.unwrap(), Reserve::Known(_)));
            let mut again = sale(1);
            again.id = sale(2).id;
            let refused = books.reserve(again, now).await.unwrap();
            assert!(matches!(refused, Reserve::Refused(refusal) if refusal.reason == Reason::NonceReplayed), "{now}");
        }
        match books.reserve(sale(2), NOON).await.unwrap() {
            Reserve::Reserved(_) => assert!(fits),
            Reserve::Refused(refusal) => assert_eq!((refusal.reason, fits), (Reason::BooksFull, false)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn threat_15_nonces_are_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let books = open(&path);
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    charge(&books, sale(1), NOON).await;
    drop(books);
    let books = open(&path);
    let mut again = sale(1);
    assert!(matches!(books.reserve(again.clone(), NOON).await.unwrap(), Reserve::Known(_)));
    again.id = sale(2).id;
    let refused = books.reserve(again, NOON).await.unwrap();
    assert!(matches!(refused, Reserve::Refused(refusal) if refusal.reason == Reason::NonceReplayed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_keeps_nothing_of_a_batch_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let small = OpenOptions { max_pages: Some(200), ..options() };
    let books = Arc::new(SqliteBooks::open(&path, small).unwrap());
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    let mut charged = Vec::new();
    let mut failed = Vec::new();
    for round in 0..20 {
        let tasks: Vec<_> = (round * 50..round * 50 + 50)
            .map(|number| {
                let books = Arc::clone(&books);
                tokio::spawn(async move {
                    let Reserve::Reserved(held) = books.reserve(sale(number), NOON).await.unwrap() else {
                        panic!("not reserved");
                    };
                    (number, books.post(held, ok(), NOON).await)
                })
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                (number, Ok(PostOutcome::Posted(_))) => charged.push(number),
                (number, Err(error)) => {
                    assert_eq!(error, BooksError::DiskFull);
                    assert_eq!(error.reason(), Reason::BooksDiskFull);
                    failed.push(number);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(!charged.is_empty() && !failed.is_empty());
    assert_eq!(books.exposure().lock().held(), 0);
    for number in &failed {
        assert_eq!(books.lookup(&sale(*number).id).await.unwrap(), None);
    }
    let report = audit(&*books).await;
    clean(&report);
    assert_eq!(report.sales, u64::try_from(charged.len()).unwrap());
    // Reads went on; with room again, so do the same sales.
    books.limit_pages(1_000_000).await.unwrap();
    for number in failed {
        assert!(buy(&books, number).await);
    }
    clean(&audit(&*books).await);
    assert_eq!(books.postings(), 1_000);
}

#[tokio::test]
async fn a_writer_elsewhere_makes_the_books_locked_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let hasty = OpenOptions { busy_wait: Duration::from_millis(20), ..options() };
    let books = SqliteBooks::open(&path, hasty).unwrap();
    books.agent_put(terms(1, 1_000, None), NOON).await.unwrap();
    charge(&books, sale(1), NOON).await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let Reserve::Reserved(held) = books.reserve(sale(2), NOON).await.unwrap() else {
        panic!("not reserved");
    };
    let error = books.post(held, ok(), NOON).await.unwrap_err();
    assert_eq!((error.clone(), error.reason()), (BooksError::Locked, Reason::BooksLocked));
    let known = books.lookup(&sale(1).id).await.unwrap().unwrap();
    assert_eq!(known.state, SaleState::Posted);
    other.execute_batch("ROLLBACK").unwrap();
    charge(&books, sale(2), NOON).await;
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_undo_its_posting() {
    let folder = tempfile::tempdir().unwrap();
    let books = open(&folder.path().join("books"));
    books.agent_put(terms(1, 1_000, None), NOON).await.unwrap();
    let Reserve::Reserved(held) = books.reserve(sale(1), NOON).await.unwrap() else {
        panic!("not reserved");
    };
    {
        // Polled once, so that the writer has it; then dropped.
        let mut posting = std::pin::pin!(books.post(held, ok(), NOON));
        let waker = std::task::Waker::noop();
        let _ = posting.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    // A later command is answered only after the earlier one.
    books.agent_put(terms(2, 1_000, None), NOON).await.unwrap();
    let known = books.lookup(&sale(1).id).await.unwrap().unwrap();
    assert_eq!(known.state, SaleState::Posted);
    assert_eq!(books.exposure().lock().held(), 0);
}

#[test]
fn files_that_are_not_these_books_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at".repeat(100)).unwrap();
    let foreign = folder.path().join("foreign");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    drop(other);
    let ours = folder.path().join("ours");
    drop(open(&ours));
    let before = (std::fs::read(&text).unwrap(), std::fs::read(&foreign).unwrap());

    let refused = |result: Result<SqliteBooks, BooksError>| match result {
        Err(error) => error.reason(),
        Ok(_) => panic!("opened"),
    };
    assert_eq!(refused(SqliteBooks::open(&text, options())), Reason::BooksForeign);
    assert_eq!(refused(SqliteBooks::open(&foreign, options())), Reason::BooksForeign);
    assert_eq!(refused(SqliteBooks::open_existing(&foreign)), Reason::BooksForeign);
    let seller = OpenOptions { seller: "https://other.example".into(), ..options() };
    assert_eq!(refused(SqliteBooks::open(&ours, seller)), Reason::BooksForeign);
    let asset = OpenOptions { asset: "EUR".parse().unwrap(), ..options() };
    assert_eq!(refused(SqliteBooks::open(&ours, asset)), Reason::BooksForeign);
    let missing = folder.path().join("missing");
    assert_eq!(refused(SqliteBooks::open_existing(&missing)), Reason::BooksUnavailable);
    assert!(!missing.exists());
    assert_eq!(before, (std::fs::read(&text).unwrap(), std::fs::read(&foreign).unwrap()));
}

#[tokio::test]
async fn an_export_changed_anywhere_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let books = open(&folder.path().join("books"));
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    for number in 0..5 {
        charge(&books, sale(number), NOON).await;
    }
    let day = Period::day_of(NOON);
    books.close(day, day.end(), &PlainSigner).await.unwrap();
    let entries = books.entries(Sequence::new(1), 1_000).await.unwrap();
    let lines: Vec<String> = entries.iter().map(|entry| entry.export_line() + "\n").collect();
    let verify = |text: &str| tollway_ledger::verify_export(text.as_bytes(), &Keys);
    clean(&verify(&lines.concat()));
    for left_out in 0..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(left_out);
        assert!(!verify(&fewer.concat()).is_consistent(), "entry {left_out} left out");
    }
    let text = lines.concat();
    for at in (0..text.len()).step_by(41) {
        let mut bytes = text.clone().into_bytes();
        let changed = if bytes[at] == b'1' { b'2' } else { b'1' };
        bytes[at] = changed;
        let report = tollway_ledger::verify_export(bytes.as_slice(), &Keys);
        assert!(!report.is_consistent(), "byte {at} changed");
    }
}
