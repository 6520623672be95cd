//! The purse: every authorization that was signed, what became of it, and what the ceilings leave.
//! It is a fold over the lines of its log and knows no file: [`PurseLog`] is the port to one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tollway_ledger::{CommitmentId, Fingerprint, PaymentId};
use tollway_protocol::{Amount, Asset, Network, Reason, Refusal};

use super::CHAIN_SKEW;
use super::ceilings::Ceilings;
#[cfg(doc)]
use super::purse_log::PurseLog;

const DAY: u64 = 86_400;

/// One line of the purse's log (JSONL).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PurseLine {
    /// Signed, and not sent yet.
    Signed(Box<Signed>),
    /// Paid, with the seller's receipt.
    Settled {
        /// Unix seconds.
        at: u64,
        /// The payment.
        payment: PaymentId,
        /// The transfer on the network.
        transaction: String,
    },
    /// The seller said that it was not taken. It may still be used until it ends.
    Refused {
        /// Unix seconds.
        at: u64,
        /// The payment.
        payment: PaymentId,
        /// The seller's word for it.
        reason: String,
    },
    /// Sent, and nobody knows yet what came of it.
    Unknown {
        /// Unix seconds.
        at: u64,
        /// The payment.
        payment: PaymentId,
        /// What happened.
        detail: String,
    },
    /// Past its end, and looked up on the network where that could be asked. Its purchase is over.
    Closed {
        /// Unix seconds.
        at: u64,
        /// The payment.
        payment: PaymentId,
        /// Whether it was used, if the network could say.
        used: Option<bool>,
    },
}

/// A signed authorization and what it was signed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Unix seconds.
    pub at: u64,
    /// The payment.
    pub payment: PaymentId,
    /// What is bought: method, URL and body.
    pub purchase: Fingerprint,
    /// The seller's host, with its port where that is not the scheme's own.
    pub host: String,
    /// Method of the request.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Where it settles.
    pub network: Network,
    /// In what.
    pub asset: Asset,
    /// How much, in atomic units.
    pub amount: Amount,
    /// The same in micro-dollars.
    pub price: Amount,
    /// To whom.
    pub pay_to: String,
    /// Who pays.
    pub payer: String,
    /// Unix second after which the network refuses it.
    pub expires: u64,
    /// The version of x402 it was written in.
    pub version: u8,
    /// The payment header's value: sent again as it is.
    pub header: String,
    /// The promise that it is, where it is billed later: the log of promises has it under this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<CommitmentId>,
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PaymentEnd {
    /// Nobody has said yet.
    Open,
    /// Paid.
    Settled {
        /// The transfer on the network, where it is known.
        transaction: Option<String>,
    },
    /// Not taken, as the seller said.
    Refused {
        /// The seller's word for it.
        reason: String,
    },
    /// Sent; its outcome is not known.
    Unknown,
    /// Never used.
    Unused,
}

/// A payment of the purse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// What was signed.
    #[serde(flatten)]
    pub signed: Signed,
    /// What became of it.
    pub end: PaymentEnd,
}

/// Spending of a day, in micro-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spending {
    /// Paid.
    pub settled: Amount,
    /// Signed, and possibly paid.
    pub held: Amount,
}

/// All payments of a wallet's log.
#[derive(Debug, Default)]
pub struct Purse {
    payments: HashMap<PaymentId, Payment>,
    open: HashMap<Fingerprint, PaymentId>,
}

impl Purse {
    /// Takes a line of the log. Lines about payments that were never signed change nothing; a
    /// payment that was settled stays so.
    pub fn add(&mut self, line: PurseLine) {
        let (payment, end) = match line {
            PurseLine::Signed(signed) => {
                self.open.insert(signed.purchase, signed.payment);
                let payment = Payment { end: PaymentEnd::Open, signed: *signed };
                self.payments.entry(payment.signed.payment).or_insert(payment);
                return;
            }
            PurseLine::Settled { payment, transaction, .. } => {
                (payment, PaymentEnd::Settled { transaction: Some(transaction) })
            }
            PurseLine::Refused { payment, reason, .. } => (payment, PaymentEnd::Refused { reason }),
            PurseLine::Unknown { payment, .. } => (payment, PaymentEnd::Unknown),
            PurseLine::Closed { payment, used: Some(true), .. } => (payment, PaymentEnd::Settled { transaction: None }),
            PurseLine::Closed { payment, used: Some(false), .. } => (payment, PaymentEnd::Unused),
            PurseLine::Closed { payment, used: None, .. } => {
                self.open.retain(|_, open| *open != payment);
                (payment, PaymentEnd::Unknown)
            }
        };
        let Some(known) = self.payments.get_mut(&payment) else { return };
        if matches!(known.end, PaymentEnd::Settled { .. }) {
            return;
        }
        if !matches!(end, PaymentEnd::Unknown) && self.open.get(&known.signed.purchase) == Some(&payment) {
            self.open.remove(&known.signed.purchase);
        }
        known.end = end;
    }

    /// The payment of this purchase whose outcome is open: it is sent again, not signed again.
    #[must_use]
    pub fn open_payment(&self, purchase: &Fingerprint) -> Option<&Payment> {
        self.payments.get(self.open.get(purchase)?)
    }

    /// Whether one more payment of this price to this host is within the ceilings.
    ///
    /// # Errors
    /// `over_max_price` or `budget_exhausted`.
    pub fn allows(&self, ceilings: &Ceilings, host: &str, price: Amount, now: u64) -> Result<(), Refusal> {
        if price > ceilings.per_payment {
            return Err(Refusal::new(Reason::OverMaxPrice, "it costs more than one payment may"));
        }
        let within = |spent: Spending, ceiling: Amount| {
            let taken = spent.settled.checked_add(spent.held).and_then(|taken| taken.checked_add(price));
            taken.is_some_and(|taken| taken <= ceiling)
        };
        if !within(self.spending(now, |_| true), ceilings.per_day) {
            return Err(Refusal::new(Reason::BudgetExhausted, "the wallet's ceiling of the day would be passed"));
        }
        if !within(self.spending(now, |signed| signed.host == host), ceilings.per_host) {
            let detail = format!("the ceiling of the day for {host} would be passed");
            return Err(Refusal::new(Reason::BudgetExhausted, detail));
        }
        Ok(())
    }

    /// What was spent in the UTC day of `now` on payments that `of` picks.
    pub fn spending(&self, now: u64, of: impl Fn(&Signed) -> bool) -> Spending {
        let today = |payment: &&Payment| payment.signed.at / DAY == now / DAY && of(&payment.signed);
        self.payments.values().filter(today).fold(Spending::default(), |sum, payment| sum.with(payment, now))
    }

    /// Every payment, oldest first.
    #[must_use]
    pub fn payments(&self) -> Vec<&Payment> {
        let mut all: Vec<_> = self.payments.values().collect();
        all.sort_by_key(|payment| (payment.signed.at, payment.signed.payment));
        all
    }
}

impl Spending {
    fn with(self, payment: &Payment, now: u64) -> Self {
        let more = |sum: Amount| sum.checked_add(payment.signed.price).unwrap_or(Amount::new(u128::MAX));
        match payment.end {
            PaymentEnd::Settled { .. } => Self { settled: more(self.settled), ..self },
            PaymentEnd::Open | PaymentEnd::Unknown => Self { held: more(self.held), ..self },
            // The seller's word that it was not taken does not take it out of the seller's hands.
            PaymentEnd::Refused { .. } if payment.signed.is_usable(now) => Self { held: more(self.held), ..self },
            PaymentEnd::Refused { .. } | PaymentEnd::Unused => self,
        }
    }
}

impl Signed {
    /// Whether whoever holds it may still use it.
    #[must_use]
    pub fn is_usable(&self, now: u64) -> bool {
        now <= self.expires.saturating_add(CHAIN_SKEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_348_800;

    fn signed(number: u8, host: &str, price: u128, at: u64) -> Signed {
        let network: Network = "eip155:84532".parse().unwrap();
        let asset: Asset = "0xab".parse().unwrap();
        Signed {
            at,
            payment: PaymentId::derive(&network, &asset, "0x01", &[number; 32]),
            purchase: Fingerprint::of("GET", &format!("https://{host}/{number}"), ""),
            host: host.to_owned(),
            method: "GET".to_owned(),
            url: format!("https://{host}/{number}"),
            network,
            asset,
            amount: Amount::new(price),
            price: Amount::new(price),
            pay_to: "0x02".to_owned(),
            payer: "0x01".to_owned(),
            expires: at + 300,
            version: 2,
            header: "e30=".to_owned(),
            commitment: None,
        }
    }

    fn purse(lines: impl IntoIterator<Item = PurseLine>) -> Purse {
        let mut purse = Purse::default();
        lines.into_iter().for_each(|line| purse.add(line));
        purse
    }

    fn begun(signed: &Signed) -> PurseLine {
        PurseLine::Signed(Box::new(signed.clone()))
    }

    fn settled(signed: &Signed) -> PurseLine {
        PurseLine::Settled { at: signed.at, payment: signed.payment, transaction: "0x1".to_owned() }
    }

    fn refused(signed: &Signed) -> PurseLine {
        PurseLine::Refused { at: signed.at, payment: signed.payment, reason: "no".to_owned() }
    }

    fn allowed(purse: &Purse, host: &str, price: u128, now: u64) -> bool {
        let ceilings = Ceilings {
            per_payment: Amount::new(60),
            per_host: Amount::new(80),
            per_day: Amount::new(100),
            assets: Vec::new(),
        };
        purse.allows(&ceilings, host, Amount::new(price), now).is_ok()
    }

    #[test]
    fn threat_24_each_ceiling_holds() {
        let first = signed(1, "a.example", 50, NOON);
        let purse = purse([begun(&first), settled(&first)]);
        assert!(!allowed(&purse, "b.example", 61, NOON), "one payment");
        assert!(allowed(&purse, "a.example", 30, NOON) && !allowed(&purse, "a.example", 31, NOON), "one host");
        assert!(allowed(&purse, "b.example", 50, NOON) && !allowed(&purse, "b.example", 51, NOON), "one day");
        assert!(allowed(&purse, "a.example", 60, NOON + DAY), "the next day");
    }

    #[test]
    fn a_refused_authorization_counts_while_it_can_be_used() {
        let first = signed(1, "a.example", 60, NOON);
        let purse = purse([begun(&first), refused(&first)]);
        assert!(!allowed(&purse, "b.example", 60, NOON + 300 + CHAIN_SKEW));
        assert!(allowed(&purse, "b.example", 60, NOON + 301 + CHAIN_SKEW));
    }

    #[test]
    fn an_open_payment_is_found_until_its_outcome_is_said() {
        let first = signed(1, "a.example", 60, NOON);
        let mut purse = purse([begun(&first)]);
        assert_eq!(purse.open_payment(&first.purchase).map(|open| open.signed.payment), Some(first.payment));
        purse.add(PurseLine::Unknown { at: NOON, payment: first.payment, detail: String::new() });
        assert!(purse.open_payment(&first.purchase).is_some());
        purse.add(settled(&first));
        assert!(purse.open_payment(&first.purchase).is_none());
        purse.add(refused(&first));
        assert_eq!(purse.payments()[0].end, PaymentEnd::Settled { transaction: Some("0x1".to_owned()) });
        assert_eq!(purse.spending(NOON, |_| true).settled, Amount::new(60));
    }

    #[test]
    fn a_closed_payment_is_what_the_network_says_and_stays_held_where_it_says_nothing() {
        let first = signed(1, "a.example", 60, NOON);
        for (used, spending) in [(Some(true), (60, 0)), (Some(false), (0, 0)), (None, (0, 60))] {
            let purse = purse([begun(&first), PurseLine::Closed { at: NOON, payment: first.payment, used }]);
            assert!(purse.open_payment(&first.purchase).is_none());
            let now = purse.spending(NOON, |_| true);
            assert_eq!((now.settled.get(), now.held.get()), spending, "{used:?}");
        }
    }

    #[test]
    fn lines_about_strangers_change_nothing() {
        let purse = purse([settled(&signed(9, "a.example", 60, NOON))]);
        assert!(purse.payments().is_empty());
    }
}
