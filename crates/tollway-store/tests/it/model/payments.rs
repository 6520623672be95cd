//! The part of the model that knows exact payments and paid statements.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use tollway_ledger::{
    BillOutcome, BillPayment, Books, ExactBooks, ExactClaim, ExactOutcome, ExactSale, Fingerprint, Period, Sequence,
};
use tollway_protocol::Amount;

use crate::scene::{agent, exact_sale, settled};

const PAYMENTS: u64 = 8;

#[derive(Debug, Clone)]
pub(super) enum PaymentStep {
    Claim { number: u64, page: u64, name: Option<u64> },
    GoOn { number: u64, outcome: u64, transaction: u64 },
    Pay { agent: u64, statement: usize, exactly: bool, reference: u64 },
}

pub(super) fn payment_step() -> impl Strategy<Value = PaymentStep> {
    prop_oneof![
        3 => (0..PAYMENTS, 0_u64..4, prop::option::of(0_u64..4))
            .prop_map(|(number, page, name)| PaymentStep::Claim { number, page, name }),
        4 => (0..PAYMENTS, 0_u64..5, 0_u64..2)
            .prop_map(|(number, outcome, transaction)| PaymentStep::GoOn { number, outcome, transaction }),
        2 => (0..super::AGENTS, 0_usize..9, prop::bool::weighted(0.9), 0_u64..6).prop_map(
            |(agent, statement, exactly, reference)| PaymentStep::Pay { agent, statement, exactly, reference }
        ),
    ]
}

#[derive(Debug, Default)]
pub(super) struct PaymentModel {
    payments: BTreeMap<u64, Payment>,
    names: HashSet<u64>,
    /// What each statement asks for, in the order they were written; and what paid it.
    statements: Vec<(u64, Period, u128)>,
    paid: HashMap<u64, (usize, u128)>,
}

#[derive(Debug)]
struct Payment {
    page: u64,
    state: &'static str,
    transaction: Option<u64>,
}

impl PaymentModel {
    pub(super) fn bill(&mut self, who: u64, period: Period, payable: u128) {
        self.statements.push((who, period, payable));
    }

    /// What an agent has paid.
    pub(super) fn paid_by(&self, who: u64) -> u128 {
        let paid = self.paid.values().filter(|(statement, _)| self.statements[*statement].0 == who);
        paid.map(|(_, amount)| *amount).sum()
    }

    pub(super) fn predict(&mut self, step: &PaymentStep) -> String {
        match *step {
            PaymentStep::Claim { number, page, name } => self.claim(number, page % 2, name),
            PaymentStep::GoOn { number, outcome, transaction } => self.go_on(number, outcome, transaction),
            PaymentStep::Pay { agent, statement, exactly, reference } => {
                let Some(at) = self.statement_of(agent, statement) else {
                    return "no statement".into();
                };
                let amount = self.asked(at, exactly);
                self.pay(at, amount, reference)
            }
        }
    }

    fn claim(&mut self, number: u64, page: u64, name: Option<u64>) -> String {
        match self.payments.get(&number) {
            Some(known) if known.page == page => return format!("known {}", known.state),
            Some(_) => return "replay_mismatch".into(),
            None => {}
        }
        if let Some(name) = name
            && !self.names.insert(name)
        {
            return "identifier_conflict".into();
        }
        self.payments.insert(number, Payment { page, state: "Claimed", transaction: None });
        "claimed".into()
    }

    fn go_on(&mut self, number: u64, outcome: u64, transaction: u64) -> String {
        let Some(known) = self.payments.get_mut(&number) else {
            return "not_found".into();
        };
        let open = matches!(known.state, "Claimed" | "Unknown");
        let next = match (known.state, outcome) {
            (_, 0) if open => "Unknown",
            (_, 1) if open => "Settled",
            ("Settled" | "RefundOwed", 1) if known.transaction == Some(transaction) => known.state,
            (_, 2) if open || known.state == "Failed" => "Failed",
            ("Claimed" | "Released", 3) => "Released",
            ("Settled" | "RefundOwed", 4) => "RefundOwed",
            _ => return "invalid_transaction_state".into(),
        };
        if open && outcome < 2 {
            known.transaction = Some(transaction);
        }
        known.state = next;
        "went on".into()
    }

    fn pay(&mut self, at: usize, amount: u128, reference: u64) -> String {
        match self.paid.get(&reference) {
            Some(known) if *known == (at, amount) => return "known".into(),
            Some(_) => return "replay_mismatch".into(),
            None => {}
        }
        if self.paid.values().any(|(statement, _)| *statement == at) {
            return "bill_paid".into();
        }
        if amount == 0 || amount != self.statements[at].2 {
            return "amount_mismatch".into();
        }
        self.paid.insert(reference, (at, amount));
        "paid".into()
    }

    /// One of an agent's statements.
    fn statement_of(&self, who: u64, which: usize) -> Option<usize> {
        let own: Vec<_> = (0..self.statements.len()).filter(|at| self.statements[*at].0 == who).collect();
        own.get(which % own.len().max(1)).copied()
    }

    fn asked(&self, at: usize, exactly: bool) -> u128 {
        self.statements[at].2 + u128::from(!exactly)
    }

    /// What the books say, asked before the model moves on.
    pub(super) async fn play(&self, books: &impl ExactBooks, step: &PaymentStep, now: u64) -> String {
        match *step {
            PaymentStep::Claim { number, page, name } => {
                match books.exact_claim(sale(number, page % 2, name), now).await.unwrap() {
                    ExactClaim::Claimed(_) => "claimed".into(),
                    ExactClaim::Known(known) => format!("known {:?}", known.state),
                    ExactClaim::Refused(refusal) => refusal.reason.code().to_owned(),
                }
            }
            PaymentStep::GoOn { number, outcome, transaction } => {
                let outcome = outcome_of(outcome, transaction);
                match books.exact_outcome(&exact_sale(number).id, outcome, now).await {
                    Ok(_) => "went on".into(),
                    Err(error) => error.reason().code().to_owned(),
                }
            }
            PaymentStep::Pay { agent: who, statement, exactly, reference } => {
                let Some(at) = self.statement_of(who, statement) else {
                    return "no statement".into();
                };
                let payment = BillPayment {
                    agent: agent(who),
                    period: self.statements[at].1,
                    amount: Amount::new(self.asked(at, exactly)),
                    rail: "bank".into(),
                    reference: format!("reference {reference}"),
                };
                match books.bill_paid(payment, now).await.unwrap() {
                    BillOutcome::Paid(_) => "paid".into(),
                    BillOutcome::Known(_) => "known".into(),
                    BillOutcome::Refused(refusal) => refusal.reason.code().to_owned(),
                }
            }
        }
    }

    /// Compares all that the books say in the end.
    pub(super) async fn compare(&self, books: &(impl Books + ExactBooks)) {
        let records = books.exact_list(Sequence::ZERO, 1_000).await.unwrap();
        assert_eq!(records.len(), self.payments.len());
        for (number, known) in &self.payments {
            let record = books.exact_lookup(&exact_sale(*number).id).await.unwrap().unwrap();
            assert_eq!(format!("{:?}", record.state), known.state);
            assert_eq!(record.transaction, known.transaction.map(|number| format!("0x{number}")));
            assert!(records.contains(&record));
            if let Some(name) = &record.sale.identifier {
                assert_eq!(books.exact_by_identifier(name).await.unwrap(), Some(record.clone()));
            }
        }
        let open: Vec<_> = records.into_iter().filter(|record| !record.state.is_final()).collect();
        assert_eq!(books.exact_open(1_000).await.unwrap(), open);
        for (at, (who, period, _)) in self.statements.iter().enumerate() {
            let paid = self.paid.iter().find(|(_, (statement, _))| *statement == at);
            let found = books.bill_payment(&agent(*who), period).await.unwrap();
            assert_eq!(found.map(|found| found.reference), paid.map(|(number, _)| format!("reference {number}")));
        }
    }
}

fn sale(number: u64, page: u64, name: Option<u64>) -> ExactSale {
    let sale = exact_sale(number);
    let fingerprint = Fingerprint::of("POST", &sale.url, &page.to_string());
    ExactSale { fingerprint, identifier: name.map(|name| format!("purchase_{name:04}")), ..sale }
}

fn outcome_of(outcome: u64, transaction: u64) -> ExactOutcome {
    let transaction = format!("0x{transaction}");
    match outcome {
        0 => ExactOutcome::Unknown { transaction: Some(transaction) },
        1 => settled(&transaction),
        2 => ExactOutcome::Failed { reason: "reverted".into(), transaction: None },
        3 => ExactOutcome::Released,
        _ => ExactOutcome::RefundOwed { reason: "500".into() },
    }
}
