//! The flat JSON objects behind the two answers that are read by their outcome.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::network::Network;
use crate::response::{Attachments, SettleFailure, SettleResponse, Settlement, VerifyResponse};

/// `VerifyResponse` with every field it may have.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifyWire {
    is_valid: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invalid_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invalid_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extensions: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension_responses: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<Map<String, Value>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// `SettleResponse` with every field it may have.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettleWire {
    success: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(default)]
    transaction: Option<String>,
    #[serde(default)]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extensions: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension_responses: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<Map<String, Value>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl TryFrom<VerifyWire> for VerifyResponse {
    type Error = String;

    fn try_from(wire: VerifyWire) -> Result<Self, String> {
        let attachments = Attachments {
            extensions: wire.extensions,
            extension_responses: wire.extension_responses,
            extra: wire.extra,
            rest: wire.rest,
        };
        let payer = said(wire.payer);
        let reason = said(wire.invalid_reason);
        match (wire.is_valid, reason) {
            (true, None) => Ok(Self::Valid { payer, attachments }),
            (true, Some(_)) => Err("isValid is true beside an invalidReason".to_owned()),
            (false, reason) => {
                let message = said(wire.invalid_message);
                Ok(Self::Invalid { reason, message, payer, attachments })
            }
        }
    }
}

impl From<VerifyResponse> for VerifyWire {
    fn from(response: VerifyResponse) -> Self {
        let (is_valid, reason, message, payer, attachments) = match response {
            VerifyResponse::Valid { payer, attachments } => (true, None, None, payer, attachments),
            VerifyResponse::Invalid { reason, message, payer, attachments } => {
                (false, reason, message, payer, attachments)
            }
        };
        Self {
            is_valid,
            invalid_reason: reason,
            invalid_message: message,
            payer,
            extensions: attachments.extensions,
            extension_responses: attachments.extension_responses,
            extra: attachments.extra,
            rest: attachments.rest,
        }
    }
}

impl TryFrom<SettleWire> for SettleResponse {
    type Error = String;

    fn try_from(wire: SettleWire) -> Result<Self, String> {
        let reason = said(wire.error_reason);
        let network = said(wire.network).map(Network::try_from).transpose().map_err(|error| error.to_string())?;
        // Some receipts of channel vouchers say `"amount":""` where they say nothing.
        let amount = said(wire.amount)
            .map(|text| text.parse())
            .transpose()
            .map_err(|error: crate::amount::ParseAmountError| error.to_string())?;
        let payer = said(wire.payer);
        let attachments = Attachments {
            extensions: wire.extensions,
            extension_responses: wire.extension_responses,
            extra: wire.extra,
            rest: wire.rest,
        };
        if wire.success {
            if reason.is_some() {
                return Err("success is true beside an errorReason".to_owned());
            }
            let transaction = wire.transaction.ok_or("success without transaction")?;
            let network = network.ok_or("success without network")?;
            return Ok(Self::Settled(Settlement { transaction, network, payer, amount, attachments }));
        }
        let (message, transaction) = (said(wire.error_message), said(wire.transaction));
        let failure = SettleFailure { reason, message, transaction, network, payer, amount, attachments };
        Ok(Self::Failed(failure))
    }
}

impl From<SettleResponse> for SettleWire {
    fn from(response: SettleResponse) -> Self {
        match response {
            SettleResponse::Settled(settlement) => Self {
                success: true,
                error_reason: None,
                error_message: None,
                transaction: Some(settlement.transaction),
                network: Some(settlement.network.into()),
                payer: settlement.payer,
                amount: settlement.amount.map(|amount| amount.to_string()),
                ..Self::carrying(settlement.attachments)
            },
            // Other readers ask for transaction and network in a failure too, if only empty.
            SettleResponse::Failed(failure) => Self {
                error_reason: failure.reason,
                error_message: failure.message,
                transaction: Some(failure.transaction.unwrap_or_default()),
                network: Some(failure.network.map(String::from).unwrap_or_default()),
                payer: failure.payer,
                amount: failure.amount.map(|amount| amount.to_string()),
                ..Self::carrying(failure.attachments)
            },
        }
    }
}

impl SettleWire {
    fn carrying(attachments: Attachments) -> Self {
        Self {
            success: false,
            error_reason: None,
            error_message: None,
            transaction: None,
            network: None,
            payer: None,
            amount: None,
            extensions: attachments.extensions,
            extension_responses: attachments.extension_responses,
            extra: attachments.extra,
            rest: attachments.rest,
        }
    }
}

/// An empty text says nothing, as an absent one does.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
