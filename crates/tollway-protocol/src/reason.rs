//! The one table of reasons for which anything is refused, each with a stable code.
//!
//! Codes of RFC 9421 checks come first, then payments, the gate, the books and the buyer's side;
//! where x402 names a code for the same fact (specification v2, section 9), it is that code.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who can do something about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Whoever made the request.
    Payer,
    /// Whoever configured the seller (or, at the buyer, the buyer's own settings).
    Config,
    /// Another machine that was asked: directory, upstream, books, facilitator.
    Dependency,
    /// The program itself is wrong.
    Us,
}

/// Whether the same intent may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Asking again changes nothing.
    Never,
    /// After the request has been put right.
    Fixed,
    /// The same request, some time from now.
    Later,
}

/// Writes the enum and all its lookups from rows `Variant, code, actor, retry, meaning`.
macro_rules! reasons {
    ($($name:ident, $code:literal, $actor:ident, $retry:ident, $meaning:literal;)*) => {
        /// Why something was refused. The code is stable; the meaning is for people.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: ", $meaning, ".")] #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name in headers, bodies, journals and logs.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Who can do something about it.
            #[must_use]
            pub const fn actor(self) -> Actor {
                match self { $(Self::$name => Actor::$actor,)* }
            }

            /// Whether asking again can help.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
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
    // Message signatures and agents.
    MissingSignature, "missing_signature", Payer, Fixed, "the request carries no message signature";
    MalformedSignatureInput, "malformed_signature_input", Payer, Fixed, "the list of what is signed is not a dictionary of component lists";
    MalformedSignature, "malformed_signature", Payer, Fixed, "the signatures are not a dictionary of byte sequences";
    LabelMismatch, "label_mismatch", Payer, Fixed, "no signature has the label of a list of what is signed";
    NoAcceptedTag, "no_accepted_tag", Payer, Fixed, "no signature has a tag that is accepted here";
    EmptyComponents, "empty_components", Payer, Fixed, "the signature covers nothing";
    DuplicateComponent, "duplicate_component", Payer, Fixed, "a component is covered twice";
    UnknownComponent, "unknown_component", Payer, Fixed, "a covered derived component is not known";
    UnsupportedComponentParam, "unsupported_component_param", Payer, Fixed, "a component has a parameter that is not supported";
    ComponentMissing, "component_missing", Payer, Fixed, "a covered component is not in the message";
    ComponentNotCovered, "component_not_covered", Payer, Fixed, "a component that must be covered is not";
    ParamMissing, "param_missing", Payer, Fixed, "a signature parameter that must be present is not";
    ParamType, "param_type", Payer, Fixed, "a signature parameter has the wrong type";
    CreatedInFuture, "created_in_future", Payer, Fixed, "the signature says it was made in the future";
    Expired, "expired", Payer, Fixed, "the signature is past its end";
    LifetimeTooLong, "lifetime_too_long", Payer, Fixed, "the signature is valid for longer than is accepted here";
    ExpiresBeforeCreated, "expires_before_created", Payer, Fixed, "the signature ends before it begins";
    AlgUnsupported, "alg_unsupported", Payer, Fixed, "the signature algorithm is not supported";
    AlgMismatch, "alg_mismatch", Payer, Fixed, "the signature algorithm is not the one of its key";
    AgentMissing, "agent_missing", Payer, Fixed, "the request names no signature agent";
    AgentNotCovered, "agent_not_covered", Payer, Fixed, "the signature agent is not covered by the signature";
    AgentMalformed, "agent_malformed", Payer, Fixed, "the signature agent is not a URL in structured-field form";
    AgentNotHttps, "agent_not_https", Payer, Fixed, "the signature agent is not an https URL";
    AgentForbiddenAddress, "agent_forbidden_address", Payer, Never, "the signature agent resolves to an address that is never fetched";
    AgentUnknown, "agent_unknown", Payer, Fixed, "the signature agent is not known here";
    DirectoryUnreachable, "directory_unreachable", Dependency, Later, "the agent's key directory could not be reached";
    DirectoryTimeout, "directory_timeout", Dependency, Later, "the agent's key directory did not answer in time";
    DirectoryStatus, "directory_status", Dependency, Later, "the agent's key directory did not answer 200";
    DirectoryTooLarge, "directory_too_large", Payer, Fixed, "the agent's key directory is larger than is read";
    DirectoryContentType, "directory_content_type", Payer, Fixed, "the agent's key directory has the wrong media type";
    DirectoryMalformed, "directory_malformed", Payer, Fixed, "the agent's key directory is not a key set";
    DirectorySignatureInvalid, "directory_signature_invalid", Payer, Fixed, "the agent's key directory is not signed by its own keys";
    KeyNotFound, "key_not_found", Payer, Fixed, "the agent's key directory does not hold the key";
    KeyExpired, "key_expired", Payer, Fixed, "the key is outside its period of use";
    ThumbprintMismatch, "thumbprint_mismatch", Payer, Fixed, "the key id is not the thumbprint of the key";
    WeakKey, "weak_key", Payer, Fixed, "the key is of small order or not canonical";
    TestKey, "test_key", Payer, Fixed, "the key is a published test key";
    SignatureInvalid, "signature_invalid", Payer, Fixed, "the signature does not match the message";
    NonceMissing, "nonce_missing", Payer, Fixed, "the signature has no nonce";
    NonceReplayed, "nonce_replayed", Payer, Fixed, "the nonce was used for another signature of this key";
    DigestMissing, "digest_missing", Payer, Fixed, "the body has no digest";
    DigestMismatch, "digest_mismatch", Payer, Fixed, "the body does not match its digest";
    TooManySignatures, "too_many_signatures", Payer, Fixed, "the request carries more signatures than are read";
    FieldRepeated, "field_repeated", Payer, Fixed, "a field that must stand once is repeated";

    // Payments and offers.
    PaymentRequired, "payment_required", Payer, Fixed, "this resource has a price and the request carries no payment";
    ConflictingPayment, "conflicting_payment", Payer, Fixed, "the request carries more than one payment";
    MalformedPayment, "malformed_payment", Payer, Fixed, "a payment header is not in its wire form";
    PaymentTooLarge, "payment_too_large", Payer, Fixed, "a payment header is larger than is read";
    InvalidPayload, "invalid_payload", Payer, Fixed, "a message is not strict JSON of its kind";
    InvalidPaymentRequirements, "invalid_payment_requirements", Payer, Fixed, "the payment requirements are malformed";
    UnsupportedVersion, "invalid_x402_version", Payer, Fixed, "the x402 version is not spoken here";
    UnsupportedScheme, "unsupported_scheme", Payer, Fixed, "the payment scheme is not spoken here";
    UnsupportedNetwork, "invalid_network", Payer, Fixed, "the network is not one payment is taken on here";
    NoMatchingOffer, "no_matching_offer", Payer, Fixed, "the payment equals none of the offers of this resource";
    OfferUnknown, "offer_unknown", Payer, Fixed, "the offer id was never made here";
    OfferExpired, "offer_expired", Payer, Fixed, "the offer is past its end";
    OfferNotYetValid, "offer_not_yet_valid", Payer, Later, "the offer has not begun";
    ResourceMismatch, "resource_mismatch", Payer, Fixed, "the payment was made for another resource";
    AmountTooLow, "amount_too_low", Payer, Fixed, "the amount offered is below the price";
    AmountMismatch, "amount_mismatch", Payer, Fixed, "the amount is not the price";
    AssetMismatch, "asset_mismatch", Payer, Fixed, "the asset is not the one of the offer";
    PayToMismatch, "pay_to_mismatch", Payer, Fixed, "payTo is not the one of the offer";
    PriceMalformed, "invalid_price", Payer, Fixed, "the price is not in its wire form";
    InsufficientFunds, "insufficient_funds", Payer, Fixed, "the payer's funds do not cover the amount";
    InvalidTransactionState, "invalid_transaction_state", Dependency, Never, "the chain refused or reverted the payment";
    OverCredit, "over_credit", Payer, Later, "the payer's unpaid balance would pass its credit";
    OverBudget, "over_daily_budget", Payer, Later, "the payer's budget for the day is used up";
    AgentBlocked, "blocked", Payer, Never, "the seller does not serve this agent";
    AgentNotRegistered, "agent_not_registered", Payer, Fixed, "the agent has no account here";
    RuleBlocks, "rule_blocks", Payer, Never, "a rule of the seller keeps this agent from this resource";
    ReplayMismatch, "replay_mismatch", Payer, Fixed, "the payment was already used for another request";
    ReplayPending, "replay_pending", Payer, Later, "the same request is still being served";
    AllowanceRequired, "permit2_allowance_required", Payer, Fixed, "the payer has not yet allowed its asset to be moved by a signature";
    PaymentRefused, "payment_refused", Payer, Fixed, "whoever settles payments on this network refuses this one";
    SettlementPending, "settlement_pending", Dependency, Later, "the payment was sent and is not yet seen on its network; ask again with the same payment";
    IdentifierMissing, "identifier_missing", Payer, Fixed, "this resource is sold under an identifier of the purchase only";
    IdentifierConflict, "identifier_conflict", Payer, Fixed, "the identifier belongs to another payment";
    PassUnknown, "pass_unknown", Payer, Fixed, "no such pass is known, or it is not this payer's";
    PassEnded, "pass_ended", Payer, Fixed, "the pass is over: its time, its requests, or by the seller's word";
    RefundOwed, "refund_owed", Dependency, Never, "the payment settled and nothing was served for it; the seller owes it back";
    AlreadyDelivered, "already_delivered", Payer, Never, "the request was sold and delivered; its receipt is all there is again";

    // The gate.
    MisdirectedHost, "misdirected_request", Payer, Fixed, "the host is not one that is served here";
    AmbiguousPath, "ambiguous_path", Payer, Fixed, "the path could mean a priced and a free resource";
    MalformedTarget, "malformed_target", Payer, Fixed, "the request target is not well formed";
    MethodNotAllowed, "method_not_allowed", Payer, Never, "the method is never served here";
    BodyTooLarge, "body_too_large", Payer, Fixed, "the body is larger than is read";
    HeadersTooLarge, "headers_too_large", Payer, Fixed, "the header section is larger than is read";
    ApiKeyUnknown, "api_key_unknown", Payer, Fixed, "the caller has no key that is known here";
    GasBudgetExhausted, "gas_budget_exhausted", Payer, Later, "the caller's budget of gas for the day is used up";
    TooManyRequests, "too_many_requests", Payer, Later, "requests come faster than they are answered";
    UpstreamUnreachable, "upstream_unreachable", Dependency, Later, "the upstream could not be reached";
    UpstreamTimeout, "upstream_timeout", Dependency, Later, "the upstream did not answer in time";
    UpstreamMalformed, "upstream_malformed", Dependency, Later, "the upstream's answer is not well formed";
    UnexpectedVerifyError, "unexpected_verify_error", Dependency, Later, "the facilitator could not verify";
    UnexpectedSettleError, "unexpected_settle_error", Dependency, Later, "the facilitator could not settle";

    // The books.
    BooksUnavailable, "books_unavailable", Dependency, Later, "the books cannot be asked or written";
    BooksFull, "books_full", Config, Later, "the books hold as many nonces as they may";
    BooksDiskFull, "books_disk_full", Config, Later, "the disk under the books is full";
    BooksLocked, "books_locked", Config, Later, "another process holds the books";
    BooksForeign, "books_foreign", Config, Fixed, "the file is not books of this seller and version";
    OutcomeUnknown, "outcome_unknown", Dependency, Later, "whether the payment settled is not known yet; its claim is kept";
    NotFound, "not_found", Payer, Never, "the books hold nothing under this id";
    NotYours, "not_yours", Payer, Never, "the record belongs to another account";
    BillPaid, "bill_paid", Payer, Never, "the statement was paid before";
    PeriodOpen, "period_open", Payer, Later, "the period is not over";

    // The buyer's side.
    OverMaxPrice, "over_max_price", Config, Fixed, "the price is above what the buyer allows";
    BudgetExhausted, "budget_exhausted", Config, Later, "the buyer's budget is used up";
    Declined, "declined", Config, Fixed, "whoever was asked to confirm the payment did not";
    ReceiptInvalid, "receipt_invalid", Dependency, Never, "the receipt does not match what was bought";
    ReceiptMissing, "receipt_missing", Dependency, Never, "the answer to a paid request has no receipt";
    JournalUnavailable, "journal_unavailable", Config, Later, "the buyer's journal cannot be written, so nothing is signed";
    SellerKeyUnknown, "seller_key_unknown", Dependency, Later, "the seller's key is not known, so its signature proves nothing";
    Internal, "internal", Us, Later, "the program is at fault";
}

/// The text is not the code of any reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the code of a known reason")]
pub struct ParseReasonError;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Reason {
    type Err = ParseReasonError;

    fn from_str(code: &str) -> Result<Self, ParseReasonError> {
        let coded = |reason: &&Self| reason.code() == code;
        Self::ALL.iter().find(coded).copied().ok_or(ParseReasonError)
    }
}

/// A reason with the particulars of one case. Both may be shown to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Refusal {
    /// Which row of the table.
    pub reason: Reason,
    /// What exactly, in words that are safe to send to whoever asked: never a secret or a path.
    pub detail: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with its particulars.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::new(reason, reason.meaning())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_has_a_code_of_its_own_that_reads_back() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for &reason in Reason::ALL {
            let code = reason.code();
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert_eq!(code.parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), code);
            assert_eq!(serde_json::from_value::<Reason>(code.into()).unwrap(), reason);
            assert!(!reason.meaning().is_empty() && !reason.meaning().ends_with('.'));
        }
        assert_eq!("Expired".parse::<Reason>(), Err(ParseReasonError));
    }

    #[test]
    fn a_refusal_reads_as_code_and_detail() {
        let refusal = Refusal::new(Reason::AmountTooLow, "offered 1, asked 2");
        assert_eq!(refusal.to_string(), "amount_too_low: offered 1, asked 2");
        assert_eq!(Refusal::from(Reason::Expired).detail, Reason::Expired.meaning());
    }

    #[test]
    fn only_the_program_itself_is_at_fault_for_internal() {
        let ours: Vec<_> = Reason::ALL.iter().filter(|r| r.actor() == Actor::Us).collect();
        assert_eq!(ours, [&Reason::Internal]);
    }
}
