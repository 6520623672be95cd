//! Sales in flight: what settles between a look and an admission is never missed or counted twice.

use std::sync::Arc;

use tollway_ledger::exposure::{Admission, Look, Seen, Ticket};
use tollway_ledger::{Account, Exposure, ExposureTable, Sale, Sequence};
use tollway_protocol::{Amount, Reason};

use crate::scene::{NOON, sale, terms};

fn account(posted: u128, touched: u64) -> Account {
    let mut account = Account::new(terms("a", 20, None), NOON);
    account.posted = Amount::new(posted);
    account.touched = Sequence::new(touched);
    account
}

fn seen(posted: u128, touched: u64) -> Seen {
    Seen { account: Some(account(posted, touched)), nonce_used: false, nonces: 0, head: Sequence::new(touched) }
}

fn look(table: &Arc<ExposureTable>, sale: &Sale) -> Ticket {
    match table.lock().look(&sale.id, &sale.fingerprint) {
        Look::Go(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn refused(admission: Admission) -> Reason {
    match admission {
        Admission::Refused(refusal) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

fn settle(table: &mut Exposure, reservation: tollway_ledger::Reservation, after: &Account) {
    let agents = [reservation.sale().agent.clone()];
    table.begin_commit(agents.iter());
    table.end_commit(agents.iter());
    table.refresh(after);
    table.settle(reservation);
}

#[test]
fn a_sale_that_settles_during_a_look_is_looked_for_again() {
    let table = ExposureTable::new(100);
    let one = sale("one");
    let (first, second) = (look(&table, &one), look(&table, &one));
    let admission = table.lock().admit(first, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let reservation = table.reservation(one.clone());
    settle(&mut table.lock(), reservation, &account(10, 2));
    // The second look read the books before the commit.
    let admission = table.lock().admit(second, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::LookAgain));
    assert_eq!(table.lock().held(), 0);
}

#[test]
fn two_looks_make_one_reserve() {
    let table = ExposureTable::new(100);
    let one = sale("one");
    let (first, second) = (look(&table, &one), look(&table, &one));
    let admission = table.lock().admit(first, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let admission = table.lock().admit(second, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::InFlight));
    let reservation = table.reservation(one);
    drop(reservation);
    assert_eq!(table.lock().held(), 0);
}

#[test]
fn an_old_copy_of_an_account_does_not_hide_a_charge() {
    let table = ExposureTable::new(100);
    let (one, two, three) = (sale("one"), sale("two"), sale("three"));
    // Limit 20: two sales fit.
    let late = look(&table, &three);
    for sale in [&one, &two] {
        let ticket = look(&table, sale);
        let admission = table.lock().admit(ticket, sale, seen(0, 1), NOON);
        assert!(matches!(admission, Admission::Reserved));
    }
    let (first, second) = (table.reservation(one), table.reservation(two));
    settle(&mut table.lock(), first, &account(10, 2));
    settle(&mut table.lock(), second, &account(20, 3));
    // The third read the books before both commits.
    let admission = table.lock().admit(late, &three, seen(0, 1), NOON);
    assert_eq!(refused(admission), Reason::OverCredit);
    assert_eq!(table.lock().held(), 0);
}

#[test]
fn a_new_copy_during_a_commit_is_not_counted_beside_its_reserve() {
    let table = ExposureTable::new(100);
    let (one, two) = (sale("one"), sale("two"));
    let ticket = look(&table, &one);
    let admission = table.lock().admit(ticket, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let reservation = table.reservation(one.clone());
    table.lock().begin_commit([one.agent.clone()].iter());
    // Committed and readable, not yet settled here: 10 posted, and 10 still reserved.
    let ticket = look(&table, &two);
    let admission = table.lock().admit(ticket, &two, seen(10, 2), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let second = table.reservation(two);
    {
        let mut table = table.lock();
        table.end_commit([one.agent.clone()].iter());
        table.refresh(&account(10, 2));
        table.settle(reservation);
    }
    let three = sale("three");
    let ticket = look(&table, &three);
    let admission = table.lock().admit(ticket, &three, seen(10, 2), NOON);
    assert_eq!(refused(admission), Reason::OverCredit);
    drop(second);
    assert_eq!(table.lock().held(), 0);
}

#[test]
fn threat_79_a_nonce_in_flight_is_of_one_key() {
    let table = ExposureTable::new(100);
    let (one, mut same, mut other) = (sale("one"), sale("two"), sale("three"));
    (same.nonce, other.nonce) = (one.nonce.clone(), one.nonce.clone());
    other.thumbprint = [8; 32];
    let ticket = look(&table, &one);
    let admission = table.lock().admit(ticket, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let held = table.reservation(one);
    let ticket = look(&table, &same);
    let admission = table.lock().admit(ticket, &same, seen(0, 1), NOON);
    assert_eq!(refused(admission), Reason::NonceReplayed);
    let ticket = look(&table, &other);
    let admission = table.lock().admit(ticket, &other, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let second = table.reservation(other);
    drop((held, second));
    // Released: the nonce was not used.
    let ticket = look(&table, &same);
    let admission = table.lock().admit(ticket, &same, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    drop(table.reservation(same));
    assert_eq!(table.lock().held(), 0);
}

#[test]
fn threat_93_nothing_is_kept_of_sales_that_are_over() {
    let table = ExposureTable::new(1_000_000);
    for round in 0..10_000_u64 {
        let sale = sale(&format!("page-{round}"));
        let ticket = look(&table, &sale);
        let admission = table.lock().admit(ticket, &sale, seen(0, round + 1), NOON);
        assert!(matches!(admission, Admission::Reserved));
        let reservation = table.reservation(sale);
        if round % 3 == 0 {
            drop(reservation);
        } else {
            settle(&mut table.lock(), reservation, &account(0, round + 2));
        }
    }
    // A look that ends in a known or refused sale leaves nothing either.
    for round in 0..100 {
        let sale = sale(&format!("known-{round}"));
        let ticket = look(&table, &sale);
        if round % 2 == 0 {
            table.lock().abandon(ticket);
        } else {
            let unknown = Seen { account: None, nonce_used: false, nonces: 0, head: Sequence::ZERO };
            let admission = table.lock().admit(ticket, &sale, unknown, NOON);
            assert_eq!(refused(admission), Reason::AgentNotRegistered);
        }
    }
    assert_eq!(table.lock().held(), 0);
}

#[test]
fn threat_14_a_nonce_is_counted_in_the_books_or_in_flight_never_both() {
    let table = ExposureTable::new(2);
    let (one, two, three) = (sale("one"), sale("two"), sale("three"));
    let ticket = look(&table, &one);
    let admission = table.lock().admit(ticket, &one, seen(0, 1), NOON);
    assert!(matches!(admission, Admission::Reserved));
    let reservation = table.reservation(one.clone());
    table.lock().begin_commit([one.agent.clone()].iter());
    // Committed and readable, not yet settled here.
    let ticket = look(&table, &two);
    let during = Seen { nonces: 1, ..seen(10, 2) };
    let admission = table.lock().admit(ticket, &two, during, NOON);
    assert!(matches!(admission, Admission::Reserved));
    let late = look(&table, &three);
    {
        let mut table = table.lock();
        table.end_commit([one.agent.clone()].iter());
        table.refresh_nonces(Sequence::new(2), 1);
        table.settle(reservation);
    }
    // One in the books, one in flight: full, also for one who read the books before the commit.
    let admission = table.lock().admit(late, &three, seen(0, 1), NOON);
    assert_eq!(refused(admission), Reason::BooksFull);
    drop(table.reservation(two));
}
