//! What a buyer is told of its payment: the facts of the books in x402's words.

use serde_json::Map;
use tollway_core::seller::{ExactReceipt, Receipt};
use tollway_ledger::ExactSale;
use tollway_protocol::{Attachments, SettleFailure, SettleResponse, Settlement};

/// The receipt of a promise that was booked.
pub(super) fn of_promise(receipt: &Receipt) -> SettleResponse {
    let mut settlement = Settlement::promise(
        receipt.id.to_string(),
        receipt.network.clone(),
        receipt.payer.clone(),
        (receipt.amount, &receipt.asset),
        receipt.posted_at,
    );
    let extra = settlement.attachments.extra.get_or_insert_default();
    extra.insert("sequence".to_owned(), receipt.sequence.get().into());
    extra.insert("head".to_owned(), receipt.head.to_string().into());
    if let Some(offer) = &receipt.offer {
        extra.insert("offer".to_owned(), offer.clone().into());
    }
    if let Some(fresh) = &receipt.current_offer {
        extra.insert("currentOffer".to_owned(), fresh.id().to_string().into());
    }
    SettleResponse::Settled(settlement)
}

/// The receipt of a payment that settled.
pub(super) fn of_payment(receipt: &ExactReceipt) -> SettleResponse {
    let mut extra = Map::new();
    extra.insert("head".to_owned(), receipt.head.to_string().into());
    extra.insert("payment".to_owned(), receipt.id.to_string().into());
    extra.insert("sequence".to_owned(), receipt.sequence.get().into());
    extra.insert("timestamp".to_owned(), receipt.posted_at.into());
    if let Some(offer) = &receipt.offer {
        extra.insert("offer".to_owned(), offer.clone().into());
    }
    SettleResponse::Settled(Settlement {
        transaction: receipt.transaction.clone(),
        network: receipt.network.clone(),
        payer: Some(receipt.payer.clone()),
        amount: Some(receipt.amount),
        attachments: Attachments { extra: Some(extra), ..Attachments::default() },
    })
}

/// That a payment did not settle, or that it is not known.
pub(super) fn of_failure(sale: &Paying, code: &str, transaction: Option<&str>) -> SettleResponse {
    SettleResponse::Failed(SettleFailure {
        reason: Some(code.to_owned()),
        message: None,
        transaction: Some(transaction.unwrap_or_default().to_owned()),
        network: Some(sale.network.clone()),
        payer: Some(sale.payer.clone()),
        amount: None,
        attachments: Attachments::default(),
    })
}

/// Who pays, and where.
#[derive(Debug, Clone)]
pub(super) struct Paying {
    pub(super) network: tollway_protocol::Network,
    pub(super) payer: String,
}

impl Paying {
    pub(super) fn of(sale: &ExactSale) -> Self {
        Self { network: sale.network.clone(), payer: sale.payer.clone() }
    }
}
