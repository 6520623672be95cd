//! Revenue read move by move is what an audit of the whole journal comes to.

use std::collections::BTreeMap;

use tollway_ledger::moves::ENTRIES_MAX;
use tollway_ledger::{
    Books, DeliveryNote, Direction, ExactBooks, ExactOutcome, MemoryBooks, Move, MoveBooks, PostOutcome, Reserve, Sale,
    Sequence, Way,
};

use crate::scene::{NOON, audit, charge, exact_sale, ledger, ok, open, sale_of, settled, terms};

on_both!(moves_come_to_what_an_audit_finds, moves_are_read_in_bounded_pieces);

async fn all(books: &impl MoveBooks, step: usize) -> Vec<Move> {
    let (mut moves, mut after) = (Vec::new(), Sequence::ZERO);
    loop {
        let read = books.moves(after, step).await.unwrap();
        moves.extend(read.moves);
        if read.read_to == after {
            return moves;
        }
        after = read.read_to;
    }
}

/// Net revenue by asset and rule.
fn by_rule(moves: &[Move]) -> BTreeMap<(String, String), i128> {
    let mut sums = BTreeMap::new();
    for step in moves {
        let amount = i128::try_from(step.amount.get()).unwrap();
        let signed = if step.direction == Direction::Earned { amount } else { -amount };
        *sums.entry((step.asset_key(), step.rule.clone())).or_default() += signed;
    }
    sums
}

fn reserved(answer: Reserve) -> tollway_ledger::Reservation {
    match answer {
        Reserve::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

/// A day of everything: plain sales, claims that are posted, voided and left, cut bodies, and all ends of a payment.
async fn a_day(books: &(impl Books + ExactBooks)) {
    for number in 1..=3 {
        books.agent_put(terms(number, 1_000_000, None), NOON).await.unwrap();
    }
    for number in 0..40 {
        let sale = sale_of(1 + number % 3, number, 10 + u128::from(number), NOON);
        let sale = Sale { rule: format!("rule-{}", number % 4), ..sale };
        let id = sale.id;
        if number % 5 == 0 {
            let claim = books.claim(reserved(books.reserve(sale, NOON).await.unwrap()), NOON).await.unwrap();
            match number % 15 {
                0 => books.void_claim(claim, NOON).await.unwrap(),
                5 => drop(claim),
                _ => assert!(matches!(books.post_claim(claim, ok(), NOON).await.unwrap(), PostOutcome::Posted(_))),
            }
        } else {
            charge(books, sale, NOON + number).await;
        }
        if number % 10 == 0 && number % 15 == 10 || number % 7 == 1 && number % 5 != 0 {
            let note = DeliveryNote { bytes: 3, digest: None, complete: false };
            books.delivery_note(&id, note, NOON + 60).await.unwrap();
        }
    }
    for number in 1..=9 {
        let sale = exact_sale(number);
        let id = sale.id;
        books.exact_claim(sale, NOON).await.unwrap();
        let steps = match number % 3 {
            0 => vec![settled("0x1")],
            1 => vec![settled("0x2"), ExactOutcome::RefundOwed { reason: "500".into() }],
            _ => vec![ExactOutcome::Released],
        };
        for step in steps {
            books.exact_outcome(&id, step, NOON + 90).await.unwrap();
        }
    }
}

async fn moves_come_to_what_an_audit_finds(books: &(impl Books + ExactBooks + MoveBooks)) {
    a_day(books).await;
    let moves = all(books, 7).await;
    let report = audit(books).await;
    assert!(report.is_consistent(), "{:#?}", report.faults);

    let sum = |exact: bool, direction: Direction| -> u128 {
        let of = moves.iter().filter(|step| matches!(step.way, Way::Exact(_)) == exact && step.direction == direction);
        of.map(|step| step.amount.get()).sum()
    };
    let token = &report.assets["eip155:84532/0x036cbd53842c5426634e7929541ec2318f3dcf7e"];
    assert_eq!(sum(false, Direction::Earned), report.charged.get());
    assert_eq!(sum(false, Direction::Back), report.undelivered.get());
    assert_eq!(sum(true, Direction::Earned), token.received.get());
    assert_eq!(sum(true, Direction::Back), token.refund_owed.get());
    assert!(report.undelivered.get() > 0 && token.refund_owed.get() > 0, "the day has both");

    for ((asset, rule), net) in by_rule(&moves) {
        let balances = if asset == "USD" { &report.balances } else { &token.balances };
        assert_eq!(-balances[&format!("revenue:{rule}")].get(), net, "{asset} {rule}");
    }
    assert!(moves.iter().all(|step| step.url.starts_with("https://seller.example/")));
    assert!(moves.is_sorted_by_key(|step| step.sequence));
}

async fn moves_are_read_in_bounded_pieces(books: &(impl Books + ExactBooks + MoveBooks)) {
    a_day(books).await;
    let (head, _) = books.head().await.unwrap();
    let first = books.moves(Sequence::ZERO, 5).await.unwrap();
    assert_eq!(first.read_to, Sequence::new(5));
    assert_eq!(all(books, 1).await, all(books, usize::MAX).await);
    let end = books.moves(head, 5).await.unwrap();
    assert!(end.moves.is_empty() && end.read_to == head);
    assert!(books.moves(Sequence::ZERO, usize::MAX).await.unwrap().moves.len() <= ENTRIES_MAX);
}
