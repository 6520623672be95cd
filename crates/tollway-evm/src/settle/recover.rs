//! What the books hold as undecided and no signer of ours carries: taken up again at start.

use std::collections::HashSet;

use tollway_ledger::{BooksError, PaymentId, SettlementOutcome, SettlementRecord, SettlementState};

use super::inquiry::{self, Found};
use super::order::Order;
use super::{Context, StartError, reasons};

/// How many records are read at once.
const PAGE: usize = 500;

/// Orders that are to be sent: claimed and never sent, or sent by a signer that is gone and not used.
/// Whatever the chain has decided is written down.
pub(super) async fn orphans(context: &Context, carried: &HashSet<PaymentId>) -> Result<Vec<Order>, StartError> {
    let mut orders = Vec::new();
    let mut after = None;
    loop {
        let page = context.books.open(&context.network, after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(orders);
        };
        after = Some(last.claim.id);
        for record in page.iter().filter(|record| !carried.contains(&record.claim.id)) {
            orders.extend(resolve(context, record).await?);
        }
    }
}

async fn resolve(context: &Context, record: &SettlementRecord) -> Result<Option<Order>, StartError> {
    let order = Order::of_claim(&record.claim)
        .map_err(|_| BooksError::Corrupt { detail: format!("the order of payment {}", record.claim.id) })?;
    let head = context.rpc.head().await?;
    let sent = matches!(record.state, SettlementState::Broadcast { .. } | SettlementState::Unknown { .. });
    let outcome = match inquiry::inquire(&context.rpc, &order, head.number.saturating_sub(inquiry::RECENT)).await? {
        Found::Paid { transaction, block } => SettlementOutcome::Settled { transaction: transaction.0, block },
        Found::Used => SettlementOutcome::Failed { reason: reasons::NONCE_USED.to_owned(), transaction: None },
        Found::Unused if sent => SettlementOutcome::Requeued,
        Found::Unused => return Ok(Some(order)),
    };
    let again = matches!(outcome, SettlementOutcome::Requeued);
    context.books.outcomes(vec![(order.id, outcome)], context.now()).await?;
    Ok(again.then_some(order))
}
