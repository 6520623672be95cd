//! The names of the payment and signature header fields, in lower case. No other file spells them.

/// x402 v2: what a resource costs, on a 402.
pub const PAYMENT_REQUIRED: &str = "payment-required";
/// x402 v2: the buyer's payment.
pub const PAYMENT_SIGNATURE: &str = "payment-signature";
/// x402 v2, and the deferred handshake: the seller's receipt.
pub const PAYMENT_RESPONSE: &str = "payment-response";
/// Deferred handshake: the buyer's commitment to an offer id.
pub const PAYMENT: &str = "payment";
/// x402 v1: the buyer's payment.
pub const X_PAYMENT: &str = "x-payment";
/// x402 v1: the seller's receipt.
pub const X_PAYMENT_RESPONSE: &str = "x-payment-response";

/// From the gate to its upstream: who paid what, signed.
pub const PAYMENT_CONTEXT: &str = "payment-context";

/// Pay per crawl: the price, on a 402.
pub const CRAWLER_PRICE: &str = "crawler-price";
/// Pay per crawl: the crawler pays this price and no other.
pub const CRAWLER_EXACT_PRICE: &str = "crawler-exact-price";
/// Pay per crawl: the crawler pays the price up to this.
pub const CRAWLER_MAX_PRICE: &str = "crawler-max-price";
/// Pay per crawl: what was charged, on a 200.
pub const CRAWLER_CHARGED: &str = "crawler-charged";
/// Pay per crawl: why nothing was served.
pub const CRAWLER_ERROR: &str = "crawler-error";

/// Tollway: on an answer, the pass that a wallet's payment has opened; on a request, the pass it is within.
pub const TOLLWAY_PASS: &str = "tollway-pass";
/// Tollway: requests that are left of a pass.
pub const TOLLWAY_PASS_LEFT: &str = "tollway-pass-left";

/// RFC 9421: signatures by label.
pub const SIGNATURE: &str = "signature";
/// RFC 9421: what each signature covers, by label.
pub const SIGNATURE_INPUT: &str = "signature-input";
/// Web Bot Auth: where the signer's keys are published.
pub const SIGNATURE_AGENT: &str = "signature-agent";
/// Web Bot Auth: where a signer says who it is; a path, or a URL of its own origin.
pub const SIGNATURE_AGENT_CARD: &str = "signature-agent-card";
/// RFC 9421: what a signature has to cover to be accepted.
pub const ACCEPT_SIGNATURE: &str = "accept-signature";
/// RFC 9530: digest of the content as sent.
pub const CONTENT_DIGEST: &str = "content-digest";

/// Every header that carries a buyer's payment; a request may use one way to pay only.
pub const PAYMENTS: &[&str] = &[PAYMENT_SIGNATURE, X_PAYMENT, PAYMENT, CRAWLER_EXACT_PRICE, CRAWLER_MAX_PRICE];

/// Every header only a seller may set; one that came from an upstream is dropped.
pub const SELLER_ONLY: &[&str] = &[
    PAYMENT_REQUIRED,
    PAYMENT_RESPONSE,
    X_PAYMENT_RESPONSE,
    CRAWLER_PRICE,
    CRAWLER_CHARGED,
    CRAWLER_ERROR,
    TOLLWAY_PASS_LEFT,
];
