//! A facilitator's books: one suite for memory and file, against a small model; killed at random points.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tollway_ledger::{
    Attempt, BooksError, ClaimAnswer, Hash, MemorySettlements, PaymentId, SettlementClaim, SettlementOutcome,
    SettlementRecord, SettlementState, Settlements,
};
use tollway_protocol::{Amount, Network, Reason};
use tollway_store::SqliteSettlements;

use crate::scene::NOON;

const SIGNER: [u8; 20] = [5; 20];

fn network() -> Network {
    "eip155:84532".parse().unwrap()
}

fn open(path: &Path) -> SqliteSettlements {
    SqliteSettlements::open(path, Duration::from_secs(5)).unwrap()
}

fn id(number: u64) -> PaymentId {
    PaymentId::from_bytes(*Hash::of(&number.to_be_bytes()).as_bytes())
}

fn claim(number: u64, payload: u8) -> SettlementClaim {
    SettlementClaim {
        id: id(number),
        digest: Hash::of(&[payload]),
        network: network(),
        asset: "0x036CbD53842c5426634e7929541eC2318f3dCF7e".parse().unwrap(),
        payer: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C".into(),
        pay_to: "0x000000000000000000000000000000000000dEaD".into(),
        amount: Amount::new(u128::MAX / 3),
        expires: NOON + 300,
        order: vec![7; 40],
    }
}

fn attempt(nonce: u64, rival: u8, claims: &[u64]) -> Attempt {
    let nonce_byte = u8::try_from(nonce).unwrap();
    Attempt {
        network: network(),
        signer: SIGNER,
        nonce,
        transaction: [rival.wrapping_mul(16).wrapping_add(nonce_byte); 32],
        raw: vec![2, rival],
        max_fee: 1_000_000_000 * u128::from(rival + 1),
        tip: 1,
        gas: 100_000,
        value: 5_000_000_000,
        head: 10,
        claims: claims.iter().copied().map(id).collect(),
        at: NOON,
    }
}

fn settled(transaction: [u8; 32]) -> SettlementOutcome {
    SettlementOutcome::Settled { transaction, block: 11 }
}

/// What every implementation does, told as a story.
async fn story(books: &dyn Settlements) {
    assert_eq!(books.claim(claim(1, 1), NOON).await.unwrap(), ClaimAnswer::Claimed);
    let ClaimAnswer::Known(known) = books.claim(claim(1, 1), NOON + 1).await.unwrap() else { panic!("not known") };
    let record =
        SettlementRecord { claim: claim(1, 1), state: SettlementState::Claimed, claimed_at: NOON, changed_at: NOON };
    assert_eq!(*known, record);
    assert_eq!(books.claim(claim(1, 2), NOON).await.unwrap(), ClaimAnswer::Conflict);
    assert_eq!(books.claim(claim(2, 1), NOON).await.unwrap(), ClaimAnswer::Claimed);
    assert_eq!(books.claim(claim(3, 1), NOON).await.unwrap(), ClaimAnswer::Claimed);
    books.release(&id(3), NOON).await.unwrap();
    assert_eq!(books.lookup(&id(3)).await.unwrap(), None);

    // One transaction with two claims, then a dearer rival.
    books.attempt(attempt(0, 0, &[1, 2]), NOON).await.unwrap();
    books.attempt(attempt(0, 0, &[1, 2]), NOON).await.unwrap();
    refused(books.release(&id(1), NOON).await, Reason::InvalidTransactionState);
    refused(books.attempt(attempt(1, 0, &[1]), NOON).await, Reason::InvalidTransactionState);
    refused(books.attempt(attempt(1, 0, &[9]), NOON).await, Reason::NotFound);
    assert_eq!(books.attempts(&network(), SIGNER).await.unwrap().len(), 1);
    books.attempt(attempt(0, 1, &[1, 2]), NOON + 5).await.unwrap();
    let attempts = books.attempts(&network(), SIGNER).await.unwrap();
    assert_eq!(attempts, [attempt(0, 0, &[1, 2]), attempt(0, 1, &[1, 2])]);
    // Rivals cost once: the dearest.
    assert_eq!(books.spent(&network(), NOON / 86_400).await.unwrap(), 200_005);
    let winner = attempt(0, 1, &[]).transaction;
    assert_eq!(books.by_transaction(&winner).await.unwrap().len(), 2);
    assert_eq!(books.open(&network(), None, 10).await.unwrap().len(), 2);
    assert_eq!(books.open(&network(), None, 1).await.unwrap().len(), 1);

    // All or none.
    let failed = SettlementOutcome::Failed { reason: "no".into(), transaction: Some(winner) };
    let wrong = vec![(id(1), settled(winner)), (id(9), settled(winner))];
    refused(books.outcomes(wrong, NOON).await, Reason::NotFound);
    assert_eq!(books.open(&network(), None, 10).await.unwrap().len(), 2);
    books.outcomes(vec![(id(1), settled(winner)), (id(2), failed.clone())], NOON + 6).await.unwrap();
    books.outcomes(vec![(id(1), settled(winner)), (id(2), failed.clone())], NOON + 7).await.unwrap();
    refused(books.outcomes(vec![(id(1), failed)], NOON).await, Reason::InvalidTransactionState);
    refused(books.attempt(attempt(2, 0, &[1]), NOON).await, Reason::InvalidTransactionState);
    assert_eq!(books.lookup(&id(1)).await.unwrap().unwrap().changed_at, NOON + 6);

    // A reorganisation, then the other way round in one step.
    let reopened = vec![(id(2), SettlementOutcome::Reopened), (id(2), settled(winner))];
    books.outcomes(reopened, NOON + 8).await.unwrap();
    assert_eq!(books.open(&network(), None, 10).await.unwrap(), []);
    books.close(&network(), SIGNER, 0, 123).await.unwrap();
    books.close(&network(), SIGNER, 0, 123).await.unwrap();
    assert_eq!(books.attempts(&network(), SIGNER).await.unwrap(), []);
    assert_eq!(books.spent(&network(), NOON / 86_400).await.unwrap(), 123);
    assert_eq!(books.spent(&network(), NOON / 86_400 + 1).await.unwrap(), 0);
}

fn refused<T: std::fmt::Debug>(answer: Result<T, BooksError>, reason: Reason) {
    assert!(matches!(&answer, Err(BooksError::Refused(refusal)) if refusal.reason == reason), "{answer:?}");
}

#[tokio::test]
async fn memory_and_file_tell_the_same_story() {
    story(&MemorySettlements::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settlements");
    story(&open(&path)).await;
    let again = open(&path);
    let record = again.lookup(&id(1)).await.unwrap().unwrap();
    assert_eq!(record.state, SettlementState::Settled { transaction: attempt(0, 1, &[]).transaction, block: 11 });
    assert_eq!(again.spent(&network(), NOON / 86_400).await.unwrap(), 123);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let books = MemorySettlements::new();
    let large = SettlementClaim { order: vec![0; 300_000], ..claim(1, 1) };
    refused(books.claim(large, NOON).await, Reason::InvalidPayload);
    let many = Attempt { claims: (0..300).map(id).collect(), ..attempt(0, 0, &[]) };
    refused(books.attempt(many, NOON).await, Reason::InvalidPayload);
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Claim(u64, u8),
    Release(u64),
    Attempt(u64, u8, Vec<u64>),
    Outcome(u64, u8),
    Close(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6_u64, 0..2_u8).prop_map(|(number, payload)| Step::Claim(number, payload)),
        (0..6_u64).prop_map(Step::Release),
        (0..3_u64, 0..3_u8, prop::collection::vec(0..6_u64, 0..3)).prop_map(|(n, r, c)| Step::Attempt(n, r, c)),
        (0..6_u64, 0..5_u8).prop_map(|(number, kind)| Step::Outcome(number, kind)),
        (0..3_u64).prop_map(Step::Close),
    ];
    prop::collection::vec(step, 1..60)
}

/// Takes a step; what it came to, in words.
async fn take(books: &dyn Settlements, step: &Step) -> String {
    match step {
        Step::Claim(number, payload) => format!("{:?}", books.claim(claim(*number, *payload), NOON).await),
        Step::Release(number) => format!("{:?}", books.release(&id(*number), NOON).await),
        Step::Attempt(nonce, rival, claims) => {
            format!("{:?}", books.attempt(attempt(*nonce, *rival, claims), NOON).await)
        }
        Step::Outcome(number, kind) => {
            let outcome = match kind {
                0 => settled([1; 32]),
                1 => SettlementOutcome::Failed { reason: "no".into(), transaction: None },
                2 => SettlementOutcome::Unknown,
                3 => SettlementOutcome::Requeued,
                _ => SettlementOutcome::Reopened,
            };
            format!("{:?}", books.outcomes(vec![(id(*number), outcome)], NOON).await)
        }
        Step::Close(nonce) => format!("{:?}", books.close(&network(), SIGNER, *nonce, 50).await),
    }
}

/// Everything that can be asked.
async fn all(books: &dyn Settlements) -> String {
    let mut records = BTreeMap::new();
    for number in 0..6 {
        records.insert(number, books.lookup(&id(number)).await.unwrap());
    }
    let open = books.open(&network(), None, 100).await.unwrap();
    let attempts = books.attempts(&network(), SIGNER).await.unwrap();
    let spent = books.spent(&network(), NOON / 86_400).await.unwrap();
    format!("{records:?} {open:?} {attempts:?} {spent}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_histories_are_the_same_in_memory_and_in_a_file(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (memory, file) = (MemorySettlements::new(), open(&folder.path().join("settlements")));
            let mut decided: BTreeMap<u64, SettlementState> = BTreeMap::new();
            for step in &steps {
                prop_assert_eq!(take(&memory, step).await, take(&file, step).await, "{:?}", step);
                for number in 0..6 {
                    let state = memory.lookup(&id(number)).await.unwrap().map(|record| record.state);
                    // What is decided is left by a reorganisation only.
                    let reopened = matches!(step, Step::Outcome(of, 4..) if *of == number);
                    if let Some(before) = decided.get(&number) && !reopened {
                        prop_assert_eq!(Some(before), state.as_ref());
                    }
                    match state.filter(SettlementState::is_final) {
                        Some(state) => drop(decided.insert(number, state)),
                        None => drop(decided.remove(&number)),
                    }
                }
            }
            prop_assert_eq!(all(&memory).await, all(&file).await);
            Ok(())
        })?;
    }
}

const CHILD: &str = "TOLLWAY_CRASH_SETTLEMENTS";

/// The test is its own child: started with a path in its environment, it claims and sends until it is killed.
#[test]
fn threat_15_claims_and_attempts_that_were_acknowledged_survive_kill_9() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    if let Ok(place) = std::env::var(CHILD) {
        let (first, path) = place.split_once(' ').unwrap();
        runtime.block_on(claim_forever(path.as_ref(), first.parse().unwrap()));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settlements");
    let mut seen = 0;
    for kill in 0..10_u64 {
        let wait = usize::from(Hash::of(&kill.to_be_bytes()).as_bytes()[1]);
        let acknowledged = claim_and_kill(&path, kill * 100_000, wait);
        seen += acknowledged.len();
        let books = open(&path);
        runtime.block_on(async {
            for number in acknowledged {
                let record = books.lookup(&id(number)).await.unwrap().unwrap();
                assert!(matches!(record.state, SettlementState::Broadcast { .. }), "{number}: {record:?}");
            }
            let attempts = books.attempts(&network(), SIGNER).await.unwrap();
            let carried: usize = attempts.iter().map(|attempt| attempt.claims.len()).sum();
            let open = books.open(&network(), None, 1_000_000).await.unwrap();
            let sent = open.iter().filter(|record| record.state != SettlementState::Claimed).count();
            assert_eq!(carried, sent, "an attempt and its claims are written together");
        });
    }
    assert!(seen > 500, "{seen}");
}

fn claim_and_kill(path: &Path, first: u64, wait: usize) -> Vec<u64> {
    let name = "settlements::threat_15_claims_and_attempts_that_were_acknowledged_survive_kill_9";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, format!("{first} {}", path.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // A whole line ends with a dot; the last one may be torn.
    let mut numbers = lines.filter_map(|line| line.strip_prefix("ack ")?.strip_suffix('.')?.parse().ok());
    let mut acknowledged: Vec<u64> = numbers.by_ref().take(wait).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(numbers);
    acknowledged
}

async fn claim_forever(path: &Path, first: u64) {
    let books = Arc::new(open(path));
    let hands: Vec<_> = (0..8)
        .map(|hand| {
            let books = Arc::clone(&books);
            tokio::spawn(async move {
                for step in 0.. {
                    let number = first + step * 8 + hand;
                    books.claim(claim(number, 1), NOON).await.unwrap();
                    let sent =
                        Attempt { nonce: number, transaction: *id(number).as_bytes(), ..attempt(0, 0, &[number]) };
                    books.attempt(sent, NOON).await.unwrap();
                    let mut stdout = std::io::stdout().lock();
                    stdout.write_all(format!("ack {number}.\n").as_bytes()).unwrap();
                    stdout.flush().unwrap();
                }
            })
        })
        .collect();
    for hand in hands {
        hand.await.unwrap();
    }
}
