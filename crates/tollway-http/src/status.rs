//! The one total map from a reason and a dress to an HTTP status, and from a reason to what pay
//! per crawl calls it.

use http::StatusCode;
use tollway_protocol::{CrawlerError, Dress, Reason};

/// The status that answers a reason. Pay per crawl has statuses of its own for some.
pub fn status(reason: Reason, dress: Dress) -> StatusCode {
    if dress == Dress::Crawl
        && let Some(code) = crawl_status(reason)
    {
        return code;
    }
    general(reason)
}

/// Whether the same request may succeed later, and after how many seconds to ask again.
pub fn retry_after(reason: Reason) -> Option<u32> {
    match general(reason) {
        StatusCode::SERVICE_UNAVAILABLE => Some(5),
        StatusCode::TOO_MANY_REQUESTS => Some(10),
        _ if reason == Reason::ReplayPending => Some(1),
        _ => None,
    }
}

/// Whether it says that somebody else could not be asked, and nothing about the request itself.
pub fn could_not_ask(reason: Reason) -> bool {
    matches!(general(reason), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

fn general(reason: Reason) -> StatusCode {
    use Reason as R;
    match reason {
        R::PaymentRequired
        | R::NoMatchingOffer
        | R::OfferUnknown
        | R::OfferExpired
        | R::OfferNotYetValid
        | R::ResourceMismatch
        | R::AmountTooLow
        | R::AmountMismatch
        | R::AssetMismatch
        | R::PayToMismatch
        | R::UnsupportedScheme
        | R::UnsupportedNetwork
        | R::InsufficientFunds
        | R::PaymentRefused
        | R::InvalidTransactionState
        | R::InvalidPaymentRequirements
        | R::OverCredit
        | R::OverBudget
        | R::OverMaxPrice
        | R::BudgetExhausted
        | R::PassUnknown
        | R::PassEnded
        | R::Declined => StatusCode::PAYMENT_REQUIRED,

        // The one case in which x402 asks for something else than another payment.
        R::AllowanceRequired => StatusCode::PRECONDITION_FAILED,

        R::MalformedSignatureInput
        | R::MalformedSignature
        | R::LabelMismatch
        | R::EmptyComponents
        | R::DuplicateComponent
        | R::UnknownComponent
        | R::UnsupportedComponentParam
        | R::ParamType
        | R::ExpiresBeforeCreated
        | R::AgentMalformed
        | R::AgentNotHttps
        | R::TooManySignatures
        | R::FieldRepeated
        | R::DigestMissing
        | R::DigestMismatch
        | R::ConflictingPayment
        | R::MalformedPayment
        | R::InvalidPayload
        | R::UnsupportedVersion
        | R::PriceMalformed
        | R::AmbiguousPath
        | R::MalformedTarget
        | R::IdentifierMissing
        | R::PeriodOpen => StatusCode::BAD_REQUEST,

        R::MissingSignature
        | R::NoAcceptedTag
        | R::ComponentMissing
        | R::ComponentNotCovered
        | R::ParamMissing
        | R::CreatedInFuture
        | R::Expired
        | R::LifetimeTooLong
        | R::AlgUnsupported
        | R::AlgMismatch
        | R::AgentMissing
        | R::AgentNotCovered
        | R::KeyNotFound
        | R::KeyExpired
        | R::ThumbprintMismatch
        | R::WeakKey
        | R::TestKey
        | R::SignatureInvalid
        | R::NonceMissing
        | R::ApiKeyUnknown => StatusCode::UNAUTHORIZED,

        R::AgentForbiddenAddress
        | R::AgentUnknown
        | R::AgentNotRegistered
        | R::AgentBlocked
        | R::RuleBlocks
        | R::DirectoryTooLarge
        | R::DirectoryContentType
        | R::DirectoryMalformed
        | R::DirectorySignatureInvalid
        | R::NotYours => StatusCode::FORBIDDEN,

        R::NonceReplayed
        | R::ReplayMismatch
        | R::ReplayPending
        | R::AlreadyDelivered
        | R::RefundOwed
        | R::IdentifierConflict
        | R::BillPaid => StatusCode::CONFLICT,
        R::NotFound => StatusCode::NOT_FOUND,
        R::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        R::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        R::PaymentTooLarge | R::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        R::MisdirectedHost => StatusCode::MISDIRECTED_REQUEST,
        R::TooManyRequests | R::GasBudgetExhausted => StatusCode::TOO_MANY_REQUESTS,

        R::UpstreamUnreachable | R::UpstreamMalformed => StatusCode::BAD_GATEWAY,
        R::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,

        R::DirectoryUnreachable
        | R::DirectoryTimeout
        | R::DirectoryStatus
        | R::BooksUnavailable
        | R::BooksFull
        | R::BooksDiskFull
        | R::BooksLocked
        | R::BooksForeign
        | R::OutcomeUnknown
        | R::SettlementPending
        | R::UnexpectedVerifyError
        | R::UnexpectedSettleError => StatusCode::SERVICE_UNAVAILABLE,

        R::ReceiptInvalid | R::ReceiptMissing | R::JournalUnavailable | R::SellerKeyUnknown | R::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// The status that pay per crawl documents for its word, where it has one for the reason.
fn crawl_status(reason: Reason) -> Option<StatusCode> {
    let word = crawler_error(reason);
    if word == CrawlerError::InternalError { None } else { StatusCode::from_u16(word.status()).ok() }
}

/// What the published form of `cloudflare:402` calls a reason. It names no statuses; ours stand.
pub fn cloudflare_error(reason: Reason) -> &'static str {
    use Reason as R;
    match reason {
        R::AgentBlocked | R::RuleBlocks | R::AgentForbiddenAddress => "blocked",
        R::OverCredit | R::OverBudget | R::InsufficientFunds => "payment_failed",
        R::AgentNotRegistered | R::AgentUnknown | R::AgentMissing | R::MissingSignature | R::NoAcceptedTag => {
            "signature_agent_unknown"
        }
        R::PriceMalformed
        | R::MalformedPayment
        | R::InvalidPayload
        | R::UnsupportedVersion
        | R::ConflictingPayment
        | R::PaymentTooLarge => "invalid_payment_signature",
        R::UpstreamUnreachable | R::UpstreamTimeout | R::UpstreamMalformed => "origin_error",
        reason => match general(reason) {
            StatusCode::PAYMENT_REQUIRED => "price_not_acceptable",
            StatusCode::UNAUTHORIZED => "invalid_signature",
            _ if crawler_error(reason) == CrawlerError::InvalidSignature => "invalid_signature",
            _ => "unknown",
        },
    }
}

/// The `crawler-error` word for a reason.
pub fn crawler_error(reason: Reason) -> CrawlerError {
    use Reason as R;
    match reason {
        R::PaymentRequired | R::NoMatchingOffer => CrawlerError::MissingCrawlerPrice,
        R::ConflictingPayment => CrawlerError::ConflictingPriceHeaders,
        R::PriceMalformed | R::MalformedPayment | R::AssetMismatch => CrawlerError::InvalidCrawlerPriceValue,
        R::AmountMismatch | R::OfferExpired | R::OfferUnknown | R::OfferNotYetValid => {
            CrawlerError::InvalidCrawlerExactPrice
        }
        R::AmountTooLow => CrawlerError::InvalidCrawlerMaxPrice,
        R::AgentBlocked | R::RuleBlocks | R::AgentForbiddenAddress => CrawlerError::CrawlerForbidden,
        R::OverCredit | R::OverBudget | R::AgentNotRegistered | R::InsufficientFunds => CrawlerError::PaymentFailed,
        R::MissingSignature | R::AgentMissing | R::NoAcceptedTag | R::AgentUnknown => CrawlerError::StrongAuthRequired,
        reason if general(reason) == StatusCode::UNAUTHORIZED => CrawlerError::InvalidSignature,
        R::MalformedSignatureInput
        | R::MalformedSignature
        | R::LabelMismatch
        | R::EmptyComponents
        | R::DuplicateComponent
        | R::UnknownComponent
        | R::UnsupportedComponentParam
        | R::ParamType
        | R::ExpiresBeforeCreated
        | R::AgentMalformed
        | R::AgentNotHttps
        | R::TooManySignatures
        | R::FieldRepeated
        | R::DigestMissing
        | R::DigestMismatch
        | R::DirectoryTooLarge
        | R::DirectoryContentType
        | R::DirectoryMalformed
        | R::DirectorySignatureInvalid => CrawlerError::InvalidSignature,
        _ => CrawlerError::InternalError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_85_every_reason_has_an_error_status() {
        for reason in Reason::ALL {
            for dress in Dress::ALL {
                assert!(status(*reason, *dress).as_u16() >= 400, "{}", reason.code());
            }
        }
    }

    #[test]
    fn threat_03_what_is_not_known_is_never_a_demand() {
        for reason in
            [Reason::OutcomeUnknown, Reason::BooksUnavailable, Reason::BooksDiskFull, Reason::DirectoryTimeout]
        {
            for dress in Dress::ALL {
                assert_eq!(status(reason, *dress), StatusCode::SERVICE_UNAVAILABLE);
            }
            assert!(retry_after(reason).is_some());
        }
    }
}
