//! What a facilitator's word on a settlement is worth. There are three answers: paid, not paid, and
//! not known; whatever is not clearly one of the first two is the third.

use tollway_protocol::{PaymentRequirements, Reason, SettleResponse, Settlement};

use super::{ExactFacts, ExactScheme};

/// Longest code of another implementation that is passed on.
const CODE_MAX: usize = 64;

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Paid, by this transfer.
    Settled {
        /// Its id on the network.
        transaction: String,
    },
    /// Not paid, and it will not be.
    Refused {
        /// The facilitator's code.
        code: String,
        /// A reverted transfer still has an id.
        transaction: Option<String>,
    },
    /// Not known.
    Unknown {
        /// The transfer, where one was named.
        transaction: Option<String>,
        /// For the log: why this is no answer.
        detail: String,
    },
}

/// Judges the answer to a request to settle. `first` says that nothing of this payment was ever sent
/// before: only then do "the nonce is used" and "it has expired" say that we were not paid.
pub fn judge(
    answer: SettleResponse,
    scheme: &dyn ExactScheme,
    ours: &PaymentRequirements,
    facts: &ExactFacts,
    first: bool,
) -> Judged {
    match answer {
        SettleResponse::Settled(settlement) => match contradiction(&settlement, scheme, ours, facts) {
            None => Judged::Settled { transaction: settlement.transaction },
            Some(detail) => Judged::Unknown {
                transaction: Some(settlement.transaction).filter(|text| is_transaction(text)),
                detail: detail.to_owned(),
            },
        },
        SettleResponse::Failed(failure) => {
            let transaction = failure.transaction.filter(|text| is_transaction(text));
            let code = failure.reason.unwrap_or_default();
            let no = match finality(&code) {
                Finality::Final => true,
                Finality::FinalAtFirst => first,
                Finality::Open => false,
            };
            if no {
                Judged::Refused { code, transaction }
            } else {
                let shown = if is_code(&code) { code.as_str() } else { "a code that cannot be shown" };
                Judged::Unknown { transaction, detail: format!("the facilitator says: {shown}") }
            }
        }
    }
}

/// Whether a text of another implementation is a code: it may be shown to a buyer.
pub fn is_code(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.len() <= CODE_MAX && text.bytes().all(allowed)
}

/// A "yes" that says something else than what was asked is not a yes.
fn contradiction(
    settlement: &Settlement,
    scheme: &dyn ExactScheme,
    ours: &PaymentRequirements,
    facts: &ExactFacts,
) -> Option<&'static str> {
    if !is_transaction(&settlement.transaction) {
        return Some("a success without a transaction");
    }
    if settlement.network != ours.network {
        return Some("a success on another network");
    }
    let payer = settlement.payer.as_deref();
    if payer.is_some_and(|payer| !scheme.same_address(&ours.network, payer, &facts.payer)) {
        return Some("a success of another payer");
    }
    if settlement.amount.is_some_and(|amount| amount != ours.amount) {
        return Some("a success of another amount");
    }
    None
}

/// Ids of transfers are short words of visible ASCII on every network.
fn is_transaction(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

enum Finality {
    /// Not paid, whoever says it and when.
    Final,
    /// Not paid, unless an earlier attempt of ours is why.
    FinalAtFirst,
    /// May still have been, or be, paid.
    Open,
}

/// Sorts the published codes of the three reference implementations (x402 2.27 and kin). What is not
/// in the table leaves the outcome open.
fn finality(code: &str) -> Finality {
    const OPEN: [&str; 7] = [
        "settlement_pending",
        "unexpected_settle_error",
        "unexpected_verify_error",
        "invalid_exact_evm_failed_to_get_receipt",
        "invalid_exact_evm_failed_to_execute_transfer",
        "invalid_exact_evm_transfer_event_mismatch",
        "invalid_exact_evm_transaction_confirmation_timed_out",
    ];
    // A facilitator without a record answers a repeat by trying again, and its second transfer fails.
    const USED_OR_LATE: [&str; 16] = [
        "invalid_transaction_state",
        "transaction_failed",
        "invalid_exact_evm_transaction_failed",
        "smart_wallet_deployment_failed",
        "invalid_exact_evm_nonce_already_used",
        "nonce_already_used",
        "duplicate_settlement",
        "invalid_permit2_nonce",
        "permit2_invalid_nonce",
        "permit2_deadline_expired",
        "payment_expired",
        "invalid_exact_evm_payload_authorization_valid_before",
        "invalid_exact_evm_transaction_simulation_failed",
        "permit2_simulation_failed",
        "transaction_simulation_failed",
        "insufficient_funds",
    ];
    const FINAL: [&str; 17] = [
        "asset_not_deployed_contract",
        "eip6492_factory_not_allowed",
        "missing_eip712_domain",
        "network_mismatch",
        "invalid_network",
        "invalid_scheme",
        "unsupported_scheme",
        "unsupported_payload_type",
        "invalid_payload",
        "invalid_payment_requirements",
        "invalid_x402_version",
        "invalid_permit2_signature",
        "invalid_permit2_spender",
        "invalid_permit2_recipient_mismatch",
        "invalid_permit2_payload_format",
        "payment_refused",
        "erc20_approval_broadcast_failed",
    ];
    const BALANCE: [&str; 3] =
        ["invalid_exact_evm_insufficient_balance", "permit2_insufficient_balance", "permit2_allowance_required"];
    if OPEN.contains(&code) || code == Reason::SettlementPending.code() || !is_code(code) {
        Finality::Open
    } else if USED_OR_LATE.contains(&code) || BALANCE.contains(&code) {
        // Money that is gone may have gone to us.
        Finality::FinalAtFirst
    } else if FINAL.contains(&code)
        || ["invalid_exact_", "permit2_", "eip2612_", "invalid_eip2612_", "erc20_approval_", "invalid_erc20_approval_"]
            .iter()
            .any(|prefix| code.starts_with(prefix))
    {
        Finality::Final
    } else {
        Finality::Open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};
    use tollway_ledger::PaymentId;
    use tollway_protocol::{Amount, Asset, Network, Refusal};

    use super::*;

    struct Plain;

    impl ExactScheme for Plain {
        fn read(&self, _: &Network, _: &Asset, _: &Map<String, Value>) -> Result<ExactFacts, Refusal> {
            Err(Reason::InvalidPayload.into())
        }
    }

    fn judged(answer: Value, first: bool) -> Judged {
        let ours: PaymentRequirements = serde_json::from_value(json!({
            "scheme": "exact", "network": "eip155:84532", "amount": "1000", "asset": "0xA", "payTo": "0xB",
            "maxTimeoutSeconds": 60}))
        .unwrap();
        let facts = ExactFacts {
            id: PaymentId::derive(&ours.network, &ours.asset, "0xabc", &[1; 32]),
            payer: "0xAbC".into(),
            pay_to: "0xB".into(),
            amount: Amount::new(1_000),
            expires: 100,
        };
        judge(serde_json::from_value(answer).unwrap(), &Plain, &ours, &facts, first)
    }

    fn word(judged: &Judged) -> &'static str {
        match judged {
            Judged::Settled { .. } => "settled",
            Judged::Refused { .. } => "refused",
            Judged::Unknown { .. } => "unknown",
        }
    }

    #[test]
    fn threat_21_a_yes_must_say_what_was_asked() {
        let yes = json!({"success": true, "transaction": "0x1", "network": "eip155:84532", "payer": "0xABC", "amount": "1000"});
        assert_eq!(judged(yes.clone(), true), Judged::Settled { transaction: "0x1".into() });
        for (member, value) in [
            ("transaction", json!("")),
            ("transaction", json!("0x 1")),
            ("transaction", json!("x".repeat(129))),
            ("network", json!("eip155:8453")),
            ("payer", json!("0xdef")),
            ("amount", json!("999")),
        ] {
            let mut other = yes.clone();
            other[member] = value.clone();
            assert_eq!(word(&judged(other, true)), "unknown", "{member} {value}");
        }
    }

    #[test]
    fn threat_85_a_no_is_believed_only_where_it_can_mean_nothing_else() {
        for (code, first, again) in [
            ("settlement_pending", "unknown", "unknown"),
            ("unexpected_settle_error", "unknown", "unknown"),
            ("invalid_exact_evm_signature", "refused", "refused"),
            ("invalid_exact_evm_transaction_failed", "refused", "unknown"),
            ("invalid_exact_evm_nonce_already_used", "refused", "unknown"),
            ("invalid_exact_evm_payload_authorization_valid_before", "refused", "unknown"),
            ("invalid_exact_evm_insufficient_balance", "refused", "unknown"),
            ("permit2_allowance_required", "refused", "unknown"),
            ("a_code_of_tomorrow", "unknown", "unknown"),
            ("Facilitator settle failed (500)", "unknown", "unknown"),
        ] {
            let answer = json!({"success": false, "errorReason": code, "transaction": "", "network": "eip155:84532"});
            assert_eq!(word(&judged(answer.clone(), true)), first, "{code} at first");
            assert_eq!(word(&judged(answer, false)), again, "{code} again");
        }
        assert_eq!(word(&judged(json!({"success": false}), true)), "unknown", "without a code");
    }

    proptest! {
        #[test]
        fn threat_85_no_unknown_word_is_a_final_answer(code in "[a-z_]{0,40}") {
            let known = ["invalid_", "permit2_", "eip2612_", "erc20_", "asset_", "eip6492_", "smart_", "missing_",
                "network_", "unsupported_", "payment_", "transaction_", "nonce_", "duplicate_", "insufficient_"];
            prop_assume!(!known.iter().any(|prefix| code.starts_with(prefix)));
            let answer = json!({"success": false, "errorReason": code, "transaction": ""});
            prop_assert_eq!(word(&judged(answer, true)), "unknown");
        }

        #[test]
        fn codes_are_words(text in ".{0,80}") {
            prop_assert!(!is_code(&text) || text.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>'&".contains(&b)));
        }
    }
}
