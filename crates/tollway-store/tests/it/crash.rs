//! A process that sells is killed at random points; what it had acknowledged must stand.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use tollway_ledger::{
    Books, ExactBooks, ExactClaim, ExactOutcome, ExactState, Hash, PostOutcome, Posting, Reserve, SaleState,
};
use tollway_store::SqliteBooks;

use crate::scene::{NOON, audit, exact_sale, ok, open, sale, settled, terms};

const CHILD_PATH: &str = "TOLLWAY_CRASH_BOOKS";
const CHILD_FIRST: &str = "TOLLWAY_CRASH_FIRST";
const KILLS: u64 = 20;

/// The test is its own child: started with a path in its environment, it sells until it is killed.
#[test]
fn threat_15_what_was_acknowledged_survives_kill_9() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let (Ok(path), Ok(first)) = (std::env::var(CHILD_PATH), std::env::var(CHILD_FIRST)) {
        runtime.block_on(sell_forever(path.as_ref(), first.parse().unwrap()));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    runtime.block_on(async {
        open(&path).agent_put(terms(1, 1_000_000_000, None), NOON).await.unwrap();
    });
    let mut seen = HashSet::new();
    for kill in 0..KILLS {
        let (mut child, lines) = start(&path, kill * 100_000);
        // A pseudo-random number of sales from 0 to 255 before the kill, the same in every run.
        let wait = usize::from(Hash::of(&kill.to_be_bytes()).as_bytes()[0]);
        let mut lines = lines.lines().map(Result::unwrap).filter_map(|line| {
            let (kind, rest) = line.split_once(' ')?;
            (kind == "ack").then(|| rest.to_owned())
        });
        let mut acknowledged: Vec<_> = lines.by_ref().take(wait).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died but we had not read yet. The last line may be torn.
        acknowledged.extend(lines.filter(|line| line.ends_with('.')));
        runtime.block_on(check(&path, &acknowledged, &mut seen));
    }
    assert!(seen.len() > 1_000);
    // Nothing in a journal is ever rewritten: what one crash had spoilt would still be there.
    let report = runtime.block_on(async { audit(&open(&path)).await });
    assert!(report.is_consistent() && report.is_proved(), "{:#?}", report.faults);
    let settled = report.assets.values().next().unwrap().settled;
    assert!(settled > 50 && report.sales + settled >= u64::try_from(seen.len()).unwrap());
}

/// After a restart each of these sales is known as it was acknowledged, and cannot be sold again.
async fn check(path: &Path, acknowledged: &[String], seen: &mut HashSet<u64>) {
    let books = open(path);
    for line in acknowledged {
        let words: Vec<_> = line.trim_end_matches('.').split(' ').collect();
        let [number, sequence, head] = words.as_slice() else {
            panic!("{line}");
        };
        let number: u64 = number.parse().unwrap();
        assert!(seen.insert(number));
        if is_exact(number) {
            let known = books.exact_lookup(&exact_sale(number).id).await.unwrap().unwrap();
            assert_eq!(known.state, ExactState::Settled);
            assert_eq!(known.posting.sequence.to_string(), *sequence);
            assert_eq!(known.posting.head.to_string(), *head);
            continue;
        }
        let known = match books.reserve(sale(number), NOON).await.unwrap() {
            Reserve::Known(known) => known,
            other => panic!("sale {number} is lost: {other:?}"),
        };
        assert_eq!(known.state, SaleState::Posted);
        assert_eq!(known.sequence.to_string(), *sequence);
        assert_eq!(known.head.to_string(), *head);
    }
}

fn start(path: &Path, first: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::threat_15_what_was_acknowledged_survives_kill_9", "--nocapture"])
        .env(CHILD_PATH, path)
        .env(CHILD_FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// Every fifth sale is an exact payment.
fn is_exact(number: u64) -> bool {
    number.is_multiple_of(5)
}

/// Eight sellers at once, every third promise claimed first, each acknowledged on standard output.
async fn sell_forever(path: &Path, first: u64) {
    let books = Arc::new(open(path));
    let sellers: Vec<_> = (0..8)
        .map(|seller| {
            let books = Arc::clone(&books);
            tokio::spawn(async move {
                for step in 0.. {
                    sell(&books, first + step * 8 + seller).await;
                }
            })
        })
        .collect();
    for seller in sellers {
        seller.await.unwrap();
    }
}

async fn sell(books: &SqliteBooks, number: u64) {
    if is_exact(number) {
        return sell_exactly(books, number).await;
    }
    let Reserve::Reserved(held) = books.reserve(sale(number), NOON).await.unwrap() else {
        panic!("sale {number} is known");
    };
    let outcome = if number.is_multiple_of(3) {
        let claim = books.claim(held, NOON).await.unwrap();
        books.post_claim(claim, ok(), NOON).await.unwrap()
    } else {
        books.post(held, ok(), NOON).await.unwrap()
    };
    let PostOutcome::Posted(posting) = outcome else {
        panic!("sale {number} was not posted");
    };
    acknowledge(number, posting);
}

/// Claimed, handed over, settled: the process may die between any two.
async fn sell_exactly(books: &SqliteBooks, number: u64) {
    let sale = exact_sale(number);
    let id = sale.id;
    let claimed = books.exact_claim(sale, NOON).await.unwrap();
    assert!(matches!(claimed, ExactClaim::Claimed(_)), "{claimed:?}");
    books.exact_outcome(&id, ExactOutcome::Unknown { transaction: None }, NOON).await.unwrap();
    acknowledge(number, books.exact_outcome(&id, settled("0x1"), NOON).await.unwrap());
}

fn acknowledge(number: u64, posting: Posting) {
    let line = format!("ack {number} {} {}.\n", posting.sequence, posting.head);
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).unwrap();
    stdout.flush().unwrap();
}
