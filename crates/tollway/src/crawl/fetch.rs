//! The one port of the crawler: getting a page, paid for where it costs money. The program's payer stands behind it,
//! tests put an in-memory site there.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use url::Url;

/// Gets pages for the crawler.
///
/// Redirects are never followed here: the crawler judges their target first. An HTTP answer of any status is `Ok`;
/// how long to wait for one and how many bytes to take are the implementor's to bound.
#[async_trait]
pub(crate) trait Fetch: Send + Sync + 'static {
    /// Gets a page, paying for it where it costs money and the budget allows.
    async fn fetch(&self, url: &Url) -> Result<Fetched, FetchError>;

    /// Gets a page without ever paying: an answer of 402 comes back as a page of status 402. Used for `robots.txt`
    /// and sitemaps.
    async fn fetch_free(&self, url: &Url) -> Result<Fetched, FetchError>;

    /// What may still be spent, in micro-USD, where that is known.
    fn budget_left(&self) -> Option<u128> {
        None
    }
}

/// An answer, of any status.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `Content-Type`, as sent.
    pub(crate) content_type: Option<String>,
    /// `Location`, as sent; may be relative.
    pub(crate) location: Option<String>,
    /// The whole body.
    pub(crate) body: Bytes,
    /// What the page cost, if anything.
    pub(crate) charged: Option<Charged>,
    /// How long the host asks to wait, where the answer says so.
    pub(crate) retry_after: Option<Duration>,
    /// The fields that went both ways, for an archive.
    pub(crate) exchange: Exchange,
}

/// The fields of a request and of its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    /// Of the request, without those that the HTTP client adds itself.
    pub(crate) sent: HeaderMap,
    /// Of the answer.
    pub(crate) received: HeaderMap,
}

/// One charge, as the seller's receipt states it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Charged {
    /// The commitment's id.
    pub(crate) id: String,
    /// Micro-USD.
    pub(crate) amount: u128,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FetchError {
    /// The page costs more than one page may; nothing was signed.
    OverMaxPrice {
        /// The price asked, micro-USD.
        asked: u128,
    },
    /// The budget cannot carry this page; nothing was signed.
    BudgetExhausted,
    /// The seller, or the payer's own rules, refused.
    Refused {
        /// The reason's stable code.
        code: String,
        /// The reason in words.
        detail: String,
    },
    /// No answer came; nothing was charged.
    Unreachable(String),
    /// The page was charged for, and its answer was lost.
    Lost {
        /// The charge.
        charged: Charged,
        /// What happened.
        detail: String,
    },
    /// The page is longer than is read. What it is charged for all the same is known only where its receipt came.
    TooLarge {
        /// The charge.
        charged: Option<Charged>,
    },
    /// A commitment went out and its outcome is not known: it counts as neither paid nor unpaid.
    Unknown {
        /// The commitment's id.
        id: String,
    },
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverMaxPrice { asked } => {
                write!(f, "costs {asked} micro-USD, more than a page may")
            }
            Self::BudgetExhausted => f.write_str("the budget is exhausted"),
            Self::Refused { code, detail } => write!(f, "refused ({code}): {detail}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Lost { detail, .. } => write!(f, "charged, but the answer is lost: {detail}"),
            Self::TooLarge { .. } => f.write_str("longer than a page may be"),
            Self::Unknown { id } => write!(f, "commitment {id} went out, its outcome is not known"),
        }
    }
}

impl std::error::Error for FetchError {}
