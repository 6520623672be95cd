//! The sales of a journal and the lines of a bill as CSV (RFC 4180).

use serde_json::Value;
use tollway_ledger::{Entry, EntryKind, Line, LineKind};
pub(crate) use tollway_pages::csv::row as join;

/// Columns of an exported journal. Amounts count the row's own asset: sum them by network and asset.
pub(crate) const HEADER: &str =
    "sequence,at,kind,id,agent,amount,rule,method,url,dress,price_proof,offer,network,asset,payer,transaction";
/// Columns of a bill's lines.
pub(crate) const LINE_HEADER: &str = "sequence,at,kind,id,agent,amount,rule,method,url,dress,price_proof,offer";

/// The row of an entry that moves money; `None` for the others.
pub(crate) fn row(entry: &Entry) -> anyhow::Result<Option<String>> {
    let promised =
        matches!(entry.kind, EntryKind::Sale | EntryKind::SalePosted | EntryKind::Claim | EntryKind::Undelivered);
    let exact = matches!(entry.kind, EntryKind::ExactClaim | EntryKind::ExactSettled | EntryKind::RefundOwed);
    if !promised && !exact {
        return Ok(None);
    }
    let body: Value = serde_json::from_str(&entry.body)?;
    let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut cells = vec![entry.sequence.to_string(), entry.at.to_string(), entry.kind.to_string()];
    cells.extend(["id", "agent", "amount", "rule", "method", "url", "dress", "price_proof", "offer"].map(word));
    cells.extend(["network", "asset", "payer", "transaction"].map(word));
    Ok(Some(join(&cells)))
}

/// A line of a bill.
pub(crate) fn statement_line(line: &Line) -> String {
    let kind = match line.kind {
        LineKind::Sale => "sale",
        LineKind::Undelivered => "undelivered",
    };
    let mut cells = vec![
        line.sequence.to_string(),
        line.at.to_string(),
        kind.to_owned(),
        line.id.to_string(),
        line.agent.to_string(),
        line.amount.to_string(),
        line.rule.clone(),
    ];
    cells.extend(match &line.sale {
        None => vec![String::new(); 5],
        Some(sale) => {
            let proof = serde_json::to_value(sale.price_proof).ok();
            let proof = proof.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
            let offer = sale.offer.clone().unwrap_or_default();
            vec![sale.method.clone(), sale.url.clone(), sale.dress.to_string(), proof, offer]
        }
    });
    join(&cells)
}
