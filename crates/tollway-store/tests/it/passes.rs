//! Passes, the same on disk and in memory.

use tollway_ledger::{
    Books, BooksError, EntryKind as E, MemoryBooks, Pass, PassBooks, PassId, PassNonce, PassTaken, PassUse, Sequence,
};
use tollway_protocol::Reason;

use crate::scene::{DAY, NOON, agent, audit, charge, ledger, open, sale_of, terms};

on_both!(
    a_pass_is_opened_once_and_used_to_its_end,
    what_is_given_back_is_there_again,
    threat_30_a_nonce_takes_one_request,
    of_several_passes_the_one_that_ends_first_is_used,
    bounds_are_kept,
);

/// The pass that sale `number` of agent 1 opens.
fn pass(number: u64) -> Pass {
    Pass {
        id: sale_of(1, number, 500, NOON).id.into(),
        payer: agent(1).as_str().to_owned(),
        rule: sale_of(1, number, 500, NOON).rule,
        requests: 3,
        ends: NOON + 60 * number,
    }
}

fn used(of: Option<&str>) -> PassUse {
    let nonce = |nonce: &str| PassNonce { thumbprint: [7; 32], nonce: nonce.to_owned(), expires: NOON + 300 };
    PassUse { method: "GET".into(), url: "https://shop.example/a".into(), nonce: of.map(nonce) }
}

async fn opened(books: &impl Books, number: u64) -> Pass {
    books.agent_put(terms(1, 1_000_000, None), NOON).await.unwrap();
    charge(books, sale_of(1, number, 500, NOON), NOON).await;
    let pass = pass(number);
    let record = books.pass_open(pass.clone(), NOON).await.unwrap();
    assert_eq!((record.used, record.left(), record.revoked), (1, 2, false));
    pass
}

async fn taken(books: &impl Books, id: &PassId, nonce: Option<&str>, now: u64) -> Result<PassTaken, Reason> {
    books.pass_take(id, used(nonce), now).await.map_err(|error| match error {
        BooksError::Refused(refusal) => refusal.reason,
        other => panic!("{other}"),
    })
}

async fn a_pass_is_opened_once_and_used_to_its_end(books: &impl Books) {
    let pass = opened(books, 1).await;
    let head = books.head().await.unwrap();
    let later = Pass { ends: pass.ends + 9, ..pass.clone() };
    assert_eq!(books.pass_open(later, NOON + 9).await.unwrap().pass, pass, "the first opening counts");
    let other = Pass { requests: 9, ..pass.clone() };
    assert!(matches!(books.pass_open(other, NOON).await, Err(BooksError::Refused(_))));
    assert_eq!(books.head().await.unwrap(), head, "nothing was written");
    for number in [2, 3] {
        assert_eq!(taken(books, &pass.id, None, NOON).await.unwrap().record.used, number);
    }
    assert_eq!(taken(books, &pass.id, None, NOON).await, Err(Reason::PassEnded));
    assert_eq!(books.pass_of(&pass.payer, &pass.rule, NOON).await.unwrap(), None);
    assert_eq!(taken(books, &PassId::from_bytes([9; 32]), None, NOON).await, Err(Reason::PassUnknown));
    let second = opened(books, 2).await;
    assert_eq!(taken(books, &second.id, None, second.ends).await, Err(Reason::PassEnded), "its time");
    assert!(books.pass_revoke(&second.id, NOON).await.unwrap().revoked);
    assert!(books.pass_revoke(&second.id, NOON).await.unwrap().revoked, "twice changes nothing");
    assert_eq!(taken(books, &second.id, None, NOON).await, Err(Reason::PassEnded));
    let all = books.passes(Sequence::ZERO, 10).await.unwrap();
    assert_eq!(all.iter().map(|record| record.used).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(books.passes(all[0].first, 10).await.unwrap(), all[1..]);
    assert!(audit(books).await.is_consistent());
}

async fn what_is_given_back_is_there_again(books: &impl Books) {
    let pass = opened(books, 1).await;
    let first = taken(books, &pass.id, None, NOON).await.unwrap();
    books.pass_return(first, NOON).await.unwrap();
    assert_eq!(books.pass(&pass.id).await.unwrap().unwrap().used, 1);
    for _ in 0..2 {
        let _ = taken(books, &pass.id, None, NOON).await.unwrap();
    }
    assert_eq!(taken(books, &pass.id, None, NOON).await, Err(Reason::PassEnded));
    let kinds: Vec<E> = books.entries(Sequence::new(1), 100).await.unwrap().iter().map(|entry| entry.kind).collect();
    assert!(kinds.ends_with(&[E::PassOpened, E::PassUsed, E::PassReturned, E::PassUsed, E::PassUsed]), "{kinds:?}");
    assert!(audit(books).await.is_consistent());
}

async fn threat_30_a_nonce_takes_one_request(books: &impl Books) {
    let pass = opened(books, 1).await;
    let _ = taken(books, &pass.id, Some("once"), NOON).await.unwrap();
    assert_eq!(taken(books, &pass.id, Some("once"), NOON + 1).await, Err(Reason::NonceReplayed));
    assert_eq!(books.pass(&pass.id).await.unwrap().unwrap().used, 2);
}

async fn of_several_passes_the_one_that_ends_first_is_used(books: &impl Books) {
    let (later, sooner) = (opened(books, 5).await, opened(books, 2).await);
    let found = |now| async move { books.pass_of(&pass(1).payer, &pass(1).rule, now).await.unwrap() };
    assert_eq!(found(NOON).await.unwrap().pass.id, sooner.id);
    assert_eq!(found(sooner.ends).await.unwrap().pass.id, later.id);
    assert_eq!(found(NOON + DAY).await, None);
    assert_eq!(books.pass_of("https://else.example", &sooner.rule, NOON).await.unwrap(), None);
    assert_eq!(books.pass_of(&sooner.payer, "else", NOON).await.unwrap(), None);
}

async fn bounds_are_kept(books: &impl Books) {
    let pass = opened(books, 1).await;
    for wrong in [
        Pass { id: PassId::from_bytes([1; 32]), payer: "p".repeat(257), ..pass.clone() },
        Pass { id: PassId::from_bytes([1; 32]), rule: String::new(), ..pass.clone() },
        Pass { id: PassId::from_bytes([1; 32]), requests: 0, ..pass.clone() },
        Pass { id: PassId::from_bytes([1; 32]), requests: 1_000_001, ..pass.clone() },
    ] {
        assert!(matches!(books.pass_open(wrong, NOON).await, Err(BooksError::Refused(_))));
    }
    let long = PassUse { url: "u".repeat(17 << 10), ..used(None) };
    assert!(matches!(books.pass_take(&pass.id, long, NOON).await, Err(BooksError::Refused(_))));
    assert_eq!(books.pass(&pass.id).await.unwrap().unwrap().used, 1);
}

#[tokio::test]
async fn passes_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books");
    let books = open(&path);
    let pass = opened(&books, 1).await;
    let _ = taken(&books, &pass.id, None, NOON).await.unwrap();
    drop(books);
    let record = open(&path).pass(&pass.id).await.unwrap().unwrap();
    assert_eq!((record.pass, record.used), (pass, 2));
}
