//! One step of the timeline.

use serde::Serialize;

/// Longest raw text that is kept of one message, in bytes.
pub(super) const RAW_MAX: usize = 6 << 10;

/// A step, with everything that a person may want to see of it. Private keys never get here: only what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number, from 1, without gaps.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What it is.
    pub kind: Kind,
    /// How it is paid.
    pub scheme: Scheme,
    /// One line: what happened to what.
    pub title: String,
    /// The parts that open.
    #[serde(skip)]
    pub parts: Vec<Part>,
    /// The request as a command line.
    #[serde(skip)]
    pub curl: Option<String>,
}

/// A text to look at: a raw message, a decoded header, the base of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Which step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request without payment.
    Request,
    /// 402 with its offers.
    Demand,
    /// A person is asked.
    Asked,
    /// A person, or the limit that a person has set, has said yes or no.
    Decided,
    /// The exact text that is signed.
    Base,
    /// The request that pays.
    Payment,
    /// The facilitator says whether the payment would settle.
    Verify,
    /// The money moves.
    Settle,
    /// The seller's word that it was paid.
    Receipt,
    /// An answer that cost nothing.
    Answer,
    /// It was refused, or failed.
    Refused,
    /// A day is closed, a bill made.
    Bill,
    /// A message between agent and tools.
    Tool,
}

/// How a step is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Nothing is.
    Free,
    /// At once, on the chain.
    Exact,
    /// Promised now, billed with the day.
    Deferred,
}

impl Part {
    /// A part; a text that is too long is cut, and says so.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > RAW_MAX {
            let cut = (0..=RAW_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            let left = text.len() - cut;
            text.truncate(cut);
            text.push_str(&format!("\n… {left} more bytes"));
        }
        Self { name: name.into(), text }
    }
}

impl Kind {
    /// What it means, in a line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Request => "The agent asks for a resource and pays nothing yet.",
            Self::Demand => {
                "402 Payment Required: the seller says what it costs, in which ways it may be paid, and until when."
            }
            Self::Asked => {
                "Nothing was signed yet. The decision sees the amount, the asset, the network and the budget; no text of the seller's."
            }
            Self::Decided => "Only a yes, or a limit set beforehand, lets the agent sign; each yes is for one payment.",
            Self::Base => {
                "The exact text under the signature (RFC 9421): method, host, path and payment cannot be changed afterwards."
            }
            Self::Payment => "The same request again, now with a signed payment. The key signs here and never leaves.",
            Self::Verify => {
                "The facilitator checks signature, balance, amount and recipient against the chain. No money has moved."
            }
            Self::Settle => "The facilitator sends the transfer and reads its outcome from the block that took it.",
            Self::Receipt => {
                "The seller's signed receipt: what was charged, under which id. It is in the books before these bytes left."
            }
            Self::Answer => "An answer that cost nothing.",
            Self::Refused => "It was refused; what was not sold is not charged.",
            Self::Bill => {
                "The journal is cut, each promise becomes a line of one signed statement, and the statement can be paid at once."
            }
            Self::Tool => "A message of the Model Context Protocol between the agent and the tools it found.",
        }
    }

    /// Its name, as the page shows it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Demand => "402",
            Self::Asked => "asked",
            Self::Decided => "decision",
            Self::Base => "signature base",
            Self::Payment => "signed request",
            Self::Verify => "verify",
            Self::Settle => "settle",
            Self::Receipt => "receipt",
            Self::Answer => "answer",
            Self::Refused => "refused",
            Self::Bill => "bill",
            Self::Tool => "tool",
        }
    }
}

impl Scheme {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Exact => "exact",
            Self::Deferred => "deferred",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_bounded_and_cut_between_characters() {
        let part = Part::new("body", "é".repeat(RAW_MAX));
        assert!(part.text.len() < RAW_MAX + 40);
        assert!(part.text.ends_with("more bytes"));
        assert_eq!(Part::new("body", "short").text, "short");
    }
}
