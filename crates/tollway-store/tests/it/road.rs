//! The whole life of sales, the same on disk and in memory.

use tollway_ledger::{
    Books, BooksError, DeliveryNote, DocumentKind, Hash, MemoryBooks, Period, PostOutcome, Reserve, SaleState,
    Sequence, StatementFilter,
};
use tollway_protocol::{Amount, Reason};

use crate::scene::{DAY, NOON, PlainSigner, agent, charge, ledger, ok, open, sale, sale_of, terms};

on_both!(
    a_sale_is_charged_once_and_known_ever_after,
    refusals_come_in_their_order,
    a_claim_is_posted_or_voided_or_expires,
    a_cut_answer_is_taken_back_once,
    a_day_is_closed_into_statements,
    documents_are_kept_and_never_replaced,
    threat_46_a_record_is_of_one_payer_and_one_request,
);

async fn a_sale_is_charged_once_and_known_ever_after(books: &dyn Books) {
    books.agent_put(terms(1, 100, None), NOON).await.unwrap();
    let posting = charge(books, sale(1), NOON).await;
    let known = books.lookup(&sale(1).id).await.unwrap().unwrap();
    assert_eq!(known.state, SaleState::Posted);
    assert_eq!(known.posting(), posting);
    assert_eq!(known.delivery, ok());
    assert_eq!((known.created, known.expires), (NOON, NOON + 300));
    assert_eq!((known.url, known.method), (sale(1).url, sale(1).method));
    assert_eq!((known.offer, known.rule), (sale(1).offer, sale(1).rule));
    assert!(matches!(books.reserve(sale(1), NOON).await.unwrap(), Reserve::Known(_)));
    // Even when nothing else would let it through.
    books.agent_block(&agent(1), true, NOON).await.unwrap();
    assert!(matches!(books.reserve(sale(1), NOON + DAY).await.unwrap(), Reserve::Known(_)));
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!(account.balance_owed, Amount::new(10));
    assert_eq!((account.spent_today, account.reserved), (Amount::new(10), Amount::ZERO));
    assert_eq!(account.last_sale, Some(NOON));
    assert_eq!(books.head().await.unwrap().0, Sequence::new(4));
}

async fn refusals_come_in_their_order(books: &dyn Books) {
    async fn refused(books: &dyn Books, sale: tollway_ledger::Sale) -> Reason {
        match books.reserve(sale, NOON).await.unwrap() {
            Reserve::Refused(refusal) => refusal.reason,
            other => panic!("{other:?}"),
        }
    }
    let mut wrong = sale(1);
    assert_eq!(refused(books, wrong.clone()).await, Reason::AgentNotRegistered);
    books.agent_put(terms(1, 100, Some(15)), NOON).await.unwrap();
    charge(books, sale(1), NOON).await;

    // One sale with every fault; each fault mended uncovers the next.
    wrong.fingerprint = sale(2).fingerprint;
    wrong.asset = "EUR".parse().unwrap();
    wrong.amount = Amount::new(1_000);
    assert_eq!(refused(books, wrong.clone()).await, Reason::ReplayMismatch);
    wrong.id = sale(2).id;
    assert_eq!(refused(books, wrong.clone()).await, Reason::AssetMismatch);
    wrong.asset = sale(1).asset;
    books.agent_block(&agent(1), true, NOON).await.unwrap();
    assert_eq!(refused(books, wrong.clone()).await, Reason::NonceReplayed);
    wrong.nonce = sale(2).nonce;
    wrong.agent = agent(9);
    assert_eq!(refused(books, wrong.clone()).await, Reason::AgentNotRegistered);
    wrong.agent = agent(1);
    assert_eq!(refused(books, wrong.clone()).await, Reason::AgentBlocked);
    books.agent_block(&agent(1), false, NOON).await.unwrap();
    assert_eq!(refused(books, wrong.clone()).await, Reason::OverCredit);
    wrong.amount = Amount::new(6);
    assert_eq!(refused(books, wrong.clone()).await, Reason::OverBudget);
    wrong.amount = Amount::new(5);
    let held = books.reserve(wrong.clone(), NOON).await.unwrap();
    assert!(matches!(held, Reserve::Reserved(_)));
    assert!(matches!(books.reserve(wrong.clone(), NOON).await.unwrap(), Reserve::InFlight));
    wrong.fingerprint = sale(3).fingerprint;
    assert_eq!(refused(books, wrong.clone()).await, Reason::ReplayMismatch);
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!(account.reserved, Amount::new(5));
    drop(held);
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!(account.reserved, Amount::ZERO);
    assert!(matches!(books.reserve(wrong, NOON).await.unwrap(), Reserve::Reserved(_)));
}

async fn a_claim_is_posted_or_voided_or_expires(books: &dyn Books) {
    books.agent_put(terms(1, 30, None), NOON).await.unwrap();
    let mut claims = Vec::new();
    for number in 1..=3 {
        let Reserve::Reserved(reservation) = books.reserve(sale(number), NOON).await.unwrap() else {
            panic!("not reserved");
        };
        claims.push(books.claim(reservation, NOON).await.unwrap());
    }
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!((account.balance_owed, account.reserved), (Amount::ZERO, Amount::new(30)));
    let known = books.lookup(&sale(1).id).await.unwrap().unwrap();
    assert_eq!((known.state, known.delivery.status), (SaleState::Pending, 0));
    // Pending claims bind credit.
    let over = books.reserve(sale(4), NOON).await.unwrap();
    assert!(matches!(over, Reserve::Refused(refusal) if refusal.reason == Reason::OverCredit));

    let expired = claims.pop().unwrap();
    books.void_claim(claims.pop().unwrap(), NOON).await.unwrap();
    let claim = claims.pop().unwrap();
    let PostOutcome::Posted(posting) = books.post_claim(claim, ok(), NOON + 1).await.unwrap() else {
        panic!("not posted");
    };
    assert_eq!(books.expire_claims(NOON + 900).await.unwrap(), 0);
    assert_eq!(books.expire_claims(NOON + 901).await.unwrap(), 1);
    assert_eq!(books.expire_claims(NOON + 901).await.unwrap(), 0);
    let late = books.post_claim(expired, ok(), NOON + 902).await.unwrap();
    assert!(matches!(late, PostOutcome::Refused(refusal) if refusal.reason == Reason::Expired));

    let mut states = Vec::new();
    for number in 1..=3 {
        states.push(books.lookup(&sale(number).id).await.unwrap().unwrap().state);
    }
    assert_eq!(states, [SaleState::Posted, SaleState::Voided, SaleState::Expired]);
    let known = books.lookup(&sale(1).id).await.unwrap().unwrap();
    assert_eq!((known.posting(), known.delivery), (posting, ok()));
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!((account.balance_owed, account.reserved), (Amount::new(10), Amount::ZERO));
    assert_eq!(account.spent_today, Amount::new(10));
}

async fn a_cut_answer_is_taken_back_once(books: &dyn Books) {
    books.agent_put(terms(1, 30, Some(30)), NOON).await.unwrap();
    charge(books, sale(1), NOON).await;
    charge(books, sale(2), NOON).await;
    let cut = DeliveryNote { bytes: 17, digest: None, complete: false };
    let whole = DeliveryNote { bytes: 1_234, digest: Some(Hash::of(b"page")), complete: true };
    for _ in 0..2 {
        books.delivery_note(&sale(1).id, cut, NOON + 1).await.unwrap();
        books.delivery_note(&sale(2).id, whole, NOON + 1).await.unwrap();
    }
    // The first note counts: neither can turn into the other.
    books.delivery_note(&sale(1).id, whole, NOON + 2).await.unwrap();
    books.delivery_note(&sale(2).id, cut, NOON + 2).await.unwrap();
    let unknown = books.delivery_note(&sale(3).id, cut, NOON).await.unwrap_err();
    assert_eq!(unknown.reason(), Reason::NotFound);
    let one = books.lookup(&sale(1).id).await.unwrap().unwrap();
    let two = books.lookup(&sale(2).id).await.unwrap().unwrap();
    assert_eq!((one.state, two.state), (SaleState::Undelivered, SaleState::Posted));
    let account = books.account(&agent(1), NOON).await.unwrap().unwrap();
    assert_eq!((account.balance_owed, account.spent_today), (Amount::new(10), Amount::new(10)));
}

async fn a_day_is_closed_into_statements(books: &dyn Books) {
    let day = Period::day_of(NOON);
    for number in 1..=2 {
        books.agent_put(terms(number, 1_000_000, None), NOON).await.unwrap();
    }
    charge(books, sale_of(1, 1, 12_345, NOON), NOON).await;
    charge(books, sale_of(2, 2, 20_000, NOON), NOON).await;
    charge(books, sale_of(1, 3, 300, NOON), NOON + 1).await;
    charge(books, sale_of(1, 4, 7_000, NOON), NOON + DAY).await;

    let open = books.close(day, day.end() - 1, &PlainSigner).await.unwrap_err();
    assert_eq!(open.reason(), Reason::PeriodOpen);
    let closed = books.close(day, day.end(), &PlainSigner).await.unwrap();
    assert!(!closed.already_closed);
    let [one, two] = closed.statements.as_slice() else {
        panic!("{closed:?}");
    };
    assert_eq!((&one.agent, one.lines, one.total.get()), (&agent(1), 2, 12_645));
    assert_eq!((one.payable, one.carried.get()), (Amount::new(10_000), 2_645));
    assert_eq!((&two.agent, two.lines, two.payable), (&agent(2), 1, Amount::new(20_000)));
    assert_eq!((one.to, one.proofs.buyer_signed), (closed.cut, 2));

    let again = books.close(day, day.end() + 7, &PlainSigner).await.unwrap();
    assert!(again.already_closed);
    assert_eq!(again.statements, closed.statements);
    assert_eq!(again.checkpoint, closed.checkpoint);
    assert_eq!(books.statement(&agent(1), &day).await.unwrap().as_ref(), Some(one));
    let filter = StatementFilter { agent: Some(agent(2)), period: None };
    assert_eq!(books.statements(filter).await.unwrap(), closed.statements[1..]);

    let lines = books.lines(one, Sequence::ZERO, 100).await.unwrap();
    assert_eq!(lines.len(), 2);
    let jsonl: String = lines.iter().map(tollway_ledger::Line::to_jsonl).collect();
    assert_eq!(Hash::of(jsonl.as_bytes()), one.lines_hash);
    assert_eq!(books.lines(one, lines[0].sequence, 100).await.unwrap(), lines[1..]);

    let next = Period::day_of(NOON + DAY);
    let closed = books.close(next, next.end(), &PlainSigner).await.unwrap();
    let [three] = closed.statements.as_slice() else {
        panic!("{closed:?}");
    };
    assert_eq!((three.brought_forward.get(), three.total.get()), (2_645, 7_000));
    assert_eq!((three.payable, three.carried.get()), (Amount::ZERO, 9_645));
    assert_eq!(three.from, one.to.next());
}

async fn documents_are_kept_and_never_replaced(books: &dyn Books) {
    let (terms, rules) = (DocumentKind::Terms, DocumentKind::Rules);
    let hash = books.document_put(terms, "t1", b"one".to_vec(), NOON).await.unwrap();
    assert_eq!(hash, Hash::of(b"one"));
    assert_eq!(books.document_put(terms, "t1", b"one".to_vec(), NOON + 1).await.unwrap(), hash);
    let other = books.document_put(terms, "t1", b"two".to_vec(), NOON).await.unwrap_err();
    assert_eq!(other.reason(), Reason::ReplayMismatch);
    let large = books.document_put(terms, "t2", vec![0; (1 << 20) + 1], NOON).await.unwrap_err();
    assert!(matches!(large, BooksError::Refused(refusal) if refusal.reason == Reason::BodyTooLarge));
    books.document_put(rules, "t1", b"rules".to_vec(), NOON + 5).await.unwrap();
    let kept = books.document(terms, "t1").await.unwrap().unwrap();
    assert_eq!((kept.at, kept.body), (NOON, b"one".to_vec()));
    assert_eq!(books.document(terms, "t3").await.unwrap(), None);
    assert_eq!(books.documents(rules, NOON + 5).await.unwrap().len(), 1);
    assert_eq!(books.documents(rules, NOON + 6).await.unwrap().len(), 0);
    assert_eq!(books.head().await.unwrap().0, Sequence::new(3));
}

async fn threat_46_a_record_is_of_one_payer_and_one_request(books: &dyn Books) {
    // A hundred payers buy the same page with the same nonce in the same second.
    for payer in 0..100 {
        books.agent_put(terms(payer, 1_000, None), NOON).await.unwrap();
        charge(books, sale_of(payer, 1, 10 + u128::from(payer), NOON), NOON).await;
    }
    for payer in 0..100 {
        let own = sale_of(payer, 1, 10 + u128::from(payer), NOON);
        let Reserve::Known(known) = books.reserve(own.clone(), NOON).await.unwrap() else {
            panic!("not known");
        };
        assert_eq!((&known.agent, known.amount), (&own.agent, own.amount));
        // The same commitment for another page is nobody's record.
        let mut other = own;
        other.fingerprint = sale_of(payer, 2, 10, NOON).fingerprint;
        let refused = books.reserve(other, NOON).await.unwrap();
        assert!(matches!(refused, Reserve::Refused(refusal) if refusal.reason == Reason::ReplayMismatch));
    }
}
