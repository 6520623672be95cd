//! A bill as a resource: what it asks for, and in which ways.

use std::sync::Arc;

use tollway_ledger::{BooksError, EntryKind, PaymentFlow, Sequence, Statement};
use tollway_protocol::{Amount, Price, Reason, Refusal, Scale};

use super::token::{self, BILLS_PATH};
use super::{BILLS, bill_token};
use crate::offer::{Offer, OfferBill, OfferDocument, OfferScope};
use crate::rules::{Action, Charge, Pattern, Rule};
use crate::scheme::exact::{DemandBody, ExactPayment, ExactTerms, ExactWay};
use crate::seller::{ExactPurchase, Seller, unavailable};

/// Offers of a bill begin at whole hours, so that every gate makes the same.
const HOUR: u64 = 3_600;
/// And live for two.
const LIFETIME: u64 = 2 * HOUR;

/// In which ways bills are paid.
#[derive(Debug, Clone)]
pub struct BillWays {
    ways: Vec<ExactWay>,
    body: DemandBody,
}

/// A statement at its URL.
#[derive(Debug, Clone)]
pub struct Bill {
    /// What it asks for.
    pub statement: Statement,
    pub(in crate::seller) offers: Vec<Arc<Offer>>,
    rule: Arc<Rule>,
    url: String,
}

impl BillWays {
    /// These ways, whatever amount they name: each bill has its own. `body` is what the body of its
    /// 402 speaks.
    #[must_use]
    pub fn new(ways: Vec<ExactWay>, body: DemandBody) -> Self {
        Self { ways, body }
    }

    fn for_price(&self, price: &Price) -> Result<Vec<ExactWay>, Refusal> {
        let way = |way: &ExactWay| {
            let amount = rescaled(price.amount, price.scale, way.scale)
                .ok_or_else(|| Refusal::new(Reason::Internal, "the bill is beyond what its asset can say"))?;
            Ok(ExactWay { amount, flow: PaymentFlow::Authorization, ..way.clone() })
        };
        self.ways.iter().map(way).collect()
    }
}

impl Bill {
    /// The offer to show: the one of this hour.
    pub fn offer(&self) -> Option<&Offer> {
        self.offers.first().map(Arc::as_ref)
    }

    /// The rule it is sold under, as every demand has one.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Whether it waits for money, as far as the books knew when they were asked.
    pub fn is_due(&self) -> bool {
        self.statement.paid.is_none() && self.statement.payable > Amount::ZERO
    }

    /// This payment for it.
    pub fn purchase(&self, payment: ExactPayment) -> ExactPurchase {
        ExactPurchase {
            rule: Arc::clone(&self.rule),
            payment,
            method: "GET".to_owned(),
            url: self.url.clone(),
            content_digest: None,
        }
    }
}

impl Seller {
    /// The path of a statement's bill, where bills are paid at once.
    pub fn bill_path(&self, statement: &Statement) -> Option<String> {
        self.exact()?.bills.as_ref()?;
        Some(format!("{BILLS_PATH}{}", bill_token(self.key(), statement)))
    }

    /// The bill under a token, asked for at `url`.
    ///
    /// # Errors
    /// `not_found` for a token that no bill has; the books' reason.
    pub async fn bill(&self, token: &str, url: &str, now: u64) -> Result<Bill, Refusal> {
        let unknown = || Refusal::new(Reason::NotFound, "there is no such bill");
        let ways = self.exact().and_then(|exact| exact.bills.as_ref()).ok_or_else(unknown)?;
        let place = token::place(token).ok_or_else(unknown)?;
        let statement = self.statement_at(place).await?.ok_or_else(unknown)?;
        token::fits(token, self.key(), &statement).ok_or_else(unknown)?;
        let price = price(&statement)?;
        let ways = ways.for_price(&price).map(|exact| (exact, ways.body))?;
        let offers = (0..LIFETIME / HOUR).map(|back| {
            let begins = (now / HOUR).saturating_sub(back) * HOUR;
            Arc::new(Offer::sign(document(&statement, &price, &ways.0, begins), self.key()))
        });
        let offers = if price.amount == Amount::ZERO { Vec::new() } else { offers.collect() };
        let rule = Arc::new(rule(price, ways));
        Ok(Bill { statement, offers, rule, url: url.to_owned() })
    }

    /// The statement at a place of the journal, with what paid it.
    pub(super) async fn statement_at(&self, place: Sequence) -> Result<Option<Statement>, Refusal> {
        let failed = |error: BooksError| unavailable(&error);
        let entries = self.books().entries(place, 1).await.map_err(failed)?;
        let entry = entries.into_iter().find(|entry| entry.sequence == place && entry.kind == EntryKind::Statement);
        let Some(entry) = entry else { return Ok(None) };
        let Statement { agent, period, .. } = Statement::from_entry(&entry).map_err(failed)?;
        let found = self.books().statement(&agent, &period).await.map_err(failed)?;
        Ok(found.filter(|statement| statement.sequence == place))
    }
}

fn price(statement: &Statement) -> Result<Price, Refusal> {
    let scale = Scale::new(statement.scale);
    let scale = scale.ok_or_else(|| Refusal::new(Reason::Internal, "the statement has no scale of ours"))?;
    Ok(Price { amount: statement.payable, asset: statement.asset.clone(), scale })
}

fn rule(price: Price, (ways, body): (Vec<ExactWay>, DemandBody)) -> Rule {
    let exact = Some(ExactTerms { ways, identifier: None });
    let charge = Charge { dresses: vec![], lifetime: LIFETIME, exact, body, ..Charge::at(price) };
    Rule::new(BILLS, scope(), Action::Charge(charge))
}

/// Every bill's: the token itself is in no document.
fn scope() -> Pattern {
    format!("{BILLS_PATH}*").parse().expect("the path of bills is a pattern")
}

fn document(statement: &Statement, price: &Price, ways: &[ExactWay], not_before: u64) -> OfferDocument {
    let digest = tollway_ledger::Hash::of(statement.jws.as_bytes());
    OfferDocument {
        amount: price.amount,
        asset: price.asset.clone(),
        audience: "everyone".to_owned(),
        bill: Some(OfferBill { period: statement.period, statement: digest }),
        exact: ways.to_vec(),
        identifier: None,
        pass: None,
        not_after: not_before + LIFETIME,
        not_before,
        rule: BILLS.to_owned(),
        scale: price.scale,
        scope: OfferScope { methods: vec!["GET".to_owned()], path: scope().as_str().to_owned() },
        seller: statement.seller.clone(),
        terms: None,
        version: 1,
        ways: vec![],
    }
}

/// The same sum in another atomic unit, rounded up: a bill is never paid short.
fn rescaled(amount: Amount, from: Scale, to: Scale) -> Option<Amount> {
    let (from, to) = (u32::from(from.get()), u32::from(to.get()));
    let units = match to.checked_sub(from) {
        Some(more) => amount.get().checked_mul(10_u128.checked_pow(more)?)?,
        None => amount.get().div_ceil(10_u128.checked_pow(from - to)?),
    };
    Some(Amount::new(units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_the_same_in_every_unit_and_never_less() {
        let scale = |digits| Scale::new(digits).unwrap();
        for (from, to, units) in [(6, 6, 20_001), (6, 18, 20_001_000_000_000_000), (6, 2, 3), (6, 0, 1)] {
            assert_eq!(rescaled(Amount::new(20_001), scale(from), scale(to)), Some(Amount::new(units)), "{from} {to}");
        }
        assert_eq!(rescaled(Amount::new(u128::MAX), scale(6), scale(7)), None);
    }
}
