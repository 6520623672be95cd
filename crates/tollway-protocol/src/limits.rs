//! How much of anything is read. Every decoder checks its size before it looks at a byte.

/// A payment header as received (`exact` payloads with a long signature take about 2 KiB).
pub const PAYMENT_HEADER: usize = 8 * 1024;

/// A payment as JSON in an MCP message, where no header's bound holds: extensions are echoed whole.
pub const PAYMENT_META: usize = 32 * 1024;

/// The arguments of a paid call, in their canonical text.
pub const ARGUMENTS: usize = 1024 * 1024;

/// A demand header as sent: proxies commonly give a whole header section 4 to 8 KiB.
pub const DEMAND_HEADER: usize = 4 * 1024;

/// A demand header as a buyer reads it: other sellers attach schemas that pass our own bound.
pub const DEMAND_HEADER_READ: usize = 16 * 1024;

/// A receipt header as a buyer reads it; channel state is its largest known content.
pub const RECEIPT_HEADER: usize = 8 * 1024;

/// The JSON body of a 402: many offers with extensions, and still nothing to fill a memory with.
pub const DEMAND_BODY: usize = 64 * 1024;

/// A request to a facilitator: one payment and one requirement, each at most a header.
pub const FACILITATOR_REQUEST: usize = 32 * 1024;

/// A facilitator's answer to verify, settle or supported.
pub const FACILITATOR_RESPONSE: usize = 64 * 1024;

/// A dictionary of the deferred handshake: a handful of short members.
pub const HANDSHAKE_HEADER: usize = 2 * 1024;

/// A pay-per-crawl value: an asset, a space, and at most 40 characters of number.
pub const CRAWLER_VALUE: usize = 128;

/// Containers inside one another in JSON; known messages nest less than 12 deep.
pub const JSON_DEPTH: usize = 32;

/// Characters of a reader's complaint that are passed on in a refusal.
pub const DETAIL: usize = 160;
