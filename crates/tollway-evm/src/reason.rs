//! Why an `exact` payment is refused, in the words of the reference implementation in TypeScript, and
//! how to read the words of the Python and Go ones.

use std::fmt;

/// Writes the enum and its lookups from rows `Variant, code, [other spellings], meaning`.
macro_rules! reasons {
    ($($name:ident, $code:literal, [$($alias:literal),*], $meaning:literal;)*) => {
        /// Why a payment is refused. Codes are those of the TypeScript reference where it has one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ExactReason {
            $(#[doc = concat!("`", $code, "`: ", $meaning, ".")] $name,)*
        }

        impl ExactReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word on the wire in version 2.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The words others have for it, older and in other languages.
            #[must_use]
            pub const fn other_spellings(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($alias),*],)* }
            }

            /// One line that says what happened.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

#[rustfmt::skip]
reasons! {
    // The message.
    InvalidPayload, "invalid_payload", ["invalid_exact_evm_payload"], "the payload is not in its wire form";
    UnsupportedPayloadType, "unsupported_payload_type", ["invalid_permit2_payload_format"], "the payload is not of the kind the offer asks for";
    InvalidRequirements, "invalid_payment_requirements", ["invalid_exact_evm_required_amount", "invalid_exact_evm_failed_to_get_asset_info"], "the offer itself is malformed";
    Scheme, "invalid_exact_evm_scheme", ["unsupported_scheme", "invalid_scheme"], "the scheme is not exact";
    MissingDomain, "invalid_exact_evm_missing_eip712_domain", ["missing_eip712_domain"], "the offer does not say the token's name and version";
    NetworkMismatch, "invalid_exact_evm_network_mismatch", ["network_mismatch", "invalid_network", "invalid_exact_evm_failed_to_get_network_config"], "the payment is for another network";
    AssetNotAllowed, "asset_not_allowed", [], "this facilitator does not move the asset";

    // EIP-3009.
    FactoryNotAllowed, "eip6492_factory_not_allowed", [], "the wallet is not deployed, and its factory is not allowed here";
    UndeployedWallet, "invalid_exact_evm_payload_undeployed_smart_wallet", [], "the wallet is not deployed";
    Signature, "invalid_exact_evm_signature", ["invalid_exact_evm_payload_signature", "invalid_exact_evm_payload_missing_signature", "invalid_exact_evm_signature_format", "invalid_exact_evm_failed_to_verify_signature"], "the payer did not sign this authorization";
    RecipientMismatch, "invalid_exact_evm_recipient_mismatch", ["invalid_exact_evm_payload_recipient_mismatch"], "the authorization pays somebody else";
    ValidBefore, "invalid_exact_evm_payload_authorization_valid_before", [], "the authorization has ended, or ends within seconds";
    ValidAfter, "invalid_exact_evm_payload_authorization_valid_after", [], "the authorization has not begun";
    ValueMismatch, "invalid_exact_evm_payload_authorization_value_mismatch", ["invalid_exact_evm_authorization_value", "invalid_exact_evm_payload_authorization_value", "invalid_exact_evm_insufficient_amount"], "the authorization is not over the amount asked for";
    AssetNotDeployed, "asset_not_deployed_contract", [], "there is no contract at the asset's address";
    Eip3009NotSupported, "invalid_exact_evm_eip3009_not_supported", [], "the token does not take authorizations";
    NonceUsed, "invalid_exact_evm_nonce_already_used", [], "the authorization was used or cancelled";
    TokenName, "invalid_exact_evm_token_name_mismatch", [], "the token's name is not the one in the offer";
    TokenVersion, "invalid_exact_evm_token_version_mismatch", [], "the token's version is not the one in the offer";
    InsufficientBalance, "invalid_exact_evm_insufficient_balance", ["insufficient_funds"], "the payer's balance is below the amount";
    SimulationFailed, "invalid_exact_evm_transaction_simulation_failed", ["invalid_exact_evm_verification_failed"], "the transfer fails, for a cause of its own";

    // Permit2.
    Permit2Spender, "invalid_permit2_spender", [], "the permit is not for the exact proxy";
    Permit2Recipient, "invalid_permit2_recipient_mismatch", [], "the permit pays somebody else";
    Permit2Deadline, "permit2_deadline_expired", [], "the permit has ended, or ends within seconds";
    Permit2NotYetValid, "permit2_not_yet_valid", [], "the permit has not begun";
    Permit2Amount, "permit2_amount_mismatch", ["permit2_insufficient_amount"], "the permit is not over the amount asked for";
    Permit2Token, "permit2_token_mismatch", [], "the permit is for another asset";
    Permit2Signature, "invalid_permit2_signature", [], "the payer did not sign this permit";
    Permit2ProxyNotDeployed, "permit2_proxy_not_deployed", [], "the exact proxy is not on this chain";
    Permit2Balance, "permit2_insufficient_balance", [], "the payer's balance is below the amount";
    Permit2Allowance, "permit2_allowance_required", [], "the payer has not allowed Permit2 to move the asset";
    Permit2Simulation, "permit2_simulation_failed", [], "the settlement fails, for a cause of its own";
    Permit2612Amount, "permit2_2612_amount_mismatch", [], "the approval is not over the amount of the permit";
    Permit2InvalidAmount, "permit2_invalid_amount", [], "the proxy refuses the amount";
    Permit2InvalidDestination, "permit2_invalid_destination", [], "the proxy refuses the recipient";
    Permit2InvalidOwner, "permit2_invalid_owner", [], "the proxy refuses the payer";
    Permit2TooEarly, "permit2_payment_too_early", [], "the proxy says that the permit has not begun";
    Permit2Nonce, "permit2_invalid_nonce", [], "the permit was used or cancelled";

    // Gas sponsoring.
    Eip2612Format, "invalid_eip2612_extension_format", [], "the signed approval is not in its wire form";
    Eip2612From, "eip2612_from_mismatch", [], "the signed approval is another's";
    Eip2612Asset, "eip2612_asset_mismatch", [], "the signed approval is for another asset";
    Eip2612Spender, "eip2612_spender_not_permit2", [], "the signed approval is not for Permit2";
    Eip2612Deadline, "eip2612_deadline_expired", [], "the signed approval has ended, or ends within seconds";
    ApprovalFormat, "invalid_erc20_approval_extension_format", [], "the approval transaction is not in its wire form";
    ApprovalFrom, "erc20_approval_from_mismatch", [], "the approval transaction is said to be another's";
    ApprovalAsset, "erc20_approval_asset_mismatch", [], "the approval transaction is said to be for another asset";
    ApprovalSpender, "erc20_approval_spender_not_permit2", [], "the approval transaction is said not to be for Permit2";
    ApprovalTarget, "erc20_approval_tx_wrong_target", [], "the transaction does not call the asset on this chain";
    ApprovalSelector, "erc20_approval_tx_wrong_selector", [], "the transaction does not approve";
    ApprovalTxSpender, "erc20_approval_tx_wrong_spender", [], "the transaction does not approve Permit2";
    ApprovalCalldata, "erc20_approval_tx_invalid_calldata", [], "the transaction is not a plain approval of enough";
    ApprovalSigner, "erc20_approval_tx_signer_mismatch", [], "the transaction is another's";
    ApprovalSignature, "erc20_approval_tx_invalid_signature", [], "the transaction is not signed";
    ApprovalParse, "erc20_approval_tx_parse_failed", [], "the transaction cannot be read";
    ApprovalFailed, "erc20_approval_tx_failed", [], "the approval transaction failed on its chain";
    ApprovalBroadcast, "erc20_approval_broadcast_failed", [], "the approval transaction could not be sent";

    // Settlement.
    SignatureUnreadable, "invalid_exact_evm_failed_to_parse_signature", [], "the signature cannot be given to the token";
    DeploymentFailed, "smart_wallet_deployment_failed", ["invalid_exact_evm_failed_to_check_deployment"], "the wallet could not be deployed";
    TransactionFailed, "invalid_exact_evm_transaction_failed", ["transaction_failed", "invalid_exact_evm_failed_to_execute_transfer"], "the transaction failed on its chain";
    EventMismatch, "invalid_exact_evm_transfer_event_mismatch", [], "the transaction moved something else than was paid for";
    SettlementPending, "settlement_pending", ["invalid_exact_evm_failed_to_get_receipt"], "the transaction was sent and is not seen yet";
}

impl ExactReason {
    /// The word on the wire in version 1, which has another one for a wrong value.
    #[must_use]
    pub const fn v1_code(self) -> &'static str {
        match self {
            Self::ValueMismatch => "invalid_exact_evm_authorization_value",
            other => other.code(),
        }
    }

    /// Reads a word of any dialect: TypeScript, Python, Go, either version.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let says = |reason: &&Self| reason.code() == word || reason.other_spellings().contains(&word);
        Self::ALL.iter().find(says).copied()
    }
}

impl fmt::Display for ExactReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn threat_85_no_word_has_two_meanings() {
        let words =
            |reason: &ExactReason| reason.other_spellings().iter().copied().chain([reason.code()]).collect::<Vec<_>>();
        let all: Vec<_> = ExactReason::ALL.iter().flat_map(words).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        for reason in ExactReason::ALL {
            for word in words(reason).into_iter().chain([reason.v1_code()]) {
                assert_eq!(ExactReason::parse(word), Some(*reason), "{word}");
            }
            assert!(!reason.meaning().ends_with('.'));
        }
        assert_eq!(ExactReason::parse("INVALID_PAYLOAD"), None);
        assert_eq!(ExactReason::parse(""), None);
    }

    #[test]
    fn every_row_of_the_table_of_dialects_is_read() {
        for (typescript, python) in [
            ("invalid_exact_evm_scheme", "unsupported_scheme"),
            ("invalid_exact_evm_network_mismatch", "network_mismatch"),
            ("invalid_exact_evm_missing_eip712_domain", "missing_eip712_domain"),
            ("invalid_exact_evm_recipient_mismatch", "invalid_exact_evm_payload_recipient_mismatch"),
            ("invalid_exact_evm_signature", "invalid_exact_evm_payload_signature"),
            ("invalid_exact_evm_transaction_failed", "transaction_failed"),
            ("unsupported_payload_type", "invalid_permit2_payload_format"),
        ] {
            assert!(ExactReason::parse(typescript).is_some_and(|reason| reason.code() == typescript));
            assert_eq!(ExactReason::parse(python), ExactReason::parse(typescript), "{python}");
        }
    }
}
