//! The end of a day: promises become bills, and each bill is paid by one transfer.

use std::sync::Arc;

use tollway_http::payer::Order;
use tollway_ledger::{Books as _, Period, Statement, StatementFilter};
use tollway_protocol::Amount;

use super::exact::Counts;
use super::work::{at, plus};
use super::{Agent, AgentError, Done, Id};
use crate::money::dollars;
use crate::stage::Shop;
use crate::trace::{Kind, Part, Scheme};

impl Agent {
    /// Closes the day: each seller that is owed makes its bill, and each bill is paid by one transfer.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn close_day(self: &Arc<Self>, tab: Id) -> Result<Done, AgentError> {
        let period = Period::day_of(self.now());
        let midnight = self.stage.clock().next_day();
        let (mut told, mut cost) = (Vec::new(), Amount::ZERO);
        for shop in self.stage.shops() {
            let closed = shop.books().close(period, midnight, &shop.seal()).await?;
            for statement in closed.statements.iter().filter(|statement| statement.agent.as_str() == self.stage.agent) {
                let (lines, payable) = (statement.lines, dollars(statement.payable));
                let title = format!("{lines} promises of {period} became one bill over {payable}");
                let part = Part::new("Statement", serde_json::to_string_pretty(statement).unwrap_or_default());
                self.timeline.add(Kind::Bill, Scheme::Deferred, title, vec![part]);
                if statement.payable == Amount::ZERO {
                    told.push(format!("{lines} promises come to less than a cent: they wait for the next bill."));
                }
            }
            // A bill that nobody wanted to pay yesterday is asked about again.
            for statement in self.due(shop).await? {
                told.push(self.pay_bill(tab, shop, &statement, &mut cost).await?);
            }
        }
        if told.is_empty() {
            return Ok(Done { text: format!("{period} is closed. Nothing was promised, so there is no bill."), cost });
        }
        Ok(Done { text: told.join("\n"), cost })
    }

    /// Bills of this seller that wait for money.
    async fn due(&self, shop: &Shop) -> Result<Vec<Statement>, AgentError> {
        let filter = StatementFilter { agent: Some(self.id()?), period: None };
        let mut all = shop.books().statements(filter).await?;
        all.retain(|statement| statement.paid.is_none() && statement.payable > Amount::ZERO);
        Ok(all)
    }

    async fn pay_bill(
        self: &Arc<Self>,
        tab: Id,
        shop: &Shop,
        statement: &Statement,
        cost: &mut Amount,
    ) -> Result<String, AgentError> {
        let (lines, carried) = (statement.lines, statement.carried.get());
        let path =
            shop.seller().bill_path(statement).ok_or_else(|| AgentError::NotFound("there is no bill".to_owned()))?;
        let bought = self.buy_exact(tab, Order::get(at(shop, &path)?), Counts::Already).await?;
        *cost = plus(*cost, bought.cost);
        let rest = if carried == 0 { String::new() } else { format!(" {carried} micro-dollars are carried on.") };
        Ok(format!(
            "{lines} promises to {} became one bill of {}, paid by one transfer: {}.{rest}",
            shop.name,
            dollars(bought.cost),
            bought.reference.unwrap_or_default()
        ))
    }
}
