//! The keys of `_meta` that payments use. No other file spells them.

/// Of a request's `params`: the buyer's payment, an object or its base64.
pub const PAYMENT: &str = "x402/payment";
/// Of a result: the seller's receipt.
pub const PAYMENT_RESPONSE: &str = "x402/payment-response";
/// Of a refusing result: what has to be paid, where `agents/x402` looks for it.
pub const ERROR: &str = "x402/error";
/// Of a listed tool: whether it costs.
pub const LISTED_REQUIRED: &str = "agents-x402/paymentRequired";
/// Of a listed tool: its price in dollars, as a number.
pub const LISTED_PRICE: &str = "agents-x402/priceUSD";
/// Of a listed tool: what an unpaid call of it would be asked for.
pub const LISTED_OFFER: &str = "tollway/paymentRequired";

/// The member that holds them all, in params, results and lists.
pub const META: &str = "_meta";
