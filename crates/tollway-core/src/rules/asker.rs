//! Who asks: what is claimed and what is proved. Claims may count against whoever makes them, and
//! never in their favour.

use std::fmt;
use std::str::FromStr;

use tollway_signatures::AgentUrl;

/// Who asks, as far as field names tell: all of it a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requester {
    /// The request names a signature agent or carries a payment.
    pub signed: bool,
    /// The `User-Agent` is on the published list of AI crawlers.
    pub bot: bool,
}

/// What an agent reads for, in one lower-case word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose(String);

/// Longest purpose and longest operator's name, in bytes.
const WORD_MAX: usize = 64;

/// The text is no purpose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no purpose such as train, search or assist")]
pub struct ParsePurposeError(String);

impl Purpose {
    /// Stands in a rule for requesters of whom no purpose is proved.
    pub const UNKNOWN: &str = "unknown";

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.0 == Self::UNKNOWN
    }
}

impl FromStr for Purpose {
    type Err = ParsePurposeError;

    /// Common other words for the three usual purposes are read as those.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = text.to_ascii_lowercase();
        let fine = !word.is_empty()
            && word.len() <= WORD_MAX
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !fine {
            return Err(ParsePurposeError(text.chars().take(WORD_MAX).collect()));
        }
        Ok(Self(match word.as_str() {
            "training" | "ai-train" | "ai-training" | "train-ai" => "train".to_owned(),
            "ai-search" | "search-engine" | "indexing" | "index" => "search".to_owned(),
            "ai-input" | "assistant" | "user" | "agent" => "assist".to_owned(),
            _ => word,
        }))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Agents, operators and purposes: all claimed, or all proved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Signature agents.
    pub agents: Vec<AgentUrl>,
    /// Who runs them.
    pub operators: Vec<String>,
    /// What they read for.
    pub purposes: Vec<Purpose>,
}

impl Identity {
    /// Adds what else is known.
    pub fn join(&mut self, other: Self) {
        self.agents.extend(other.agents);
        self.operators.extend(other.operators);
        self.purposes.extend(other.purposes);
    }
}

/// Everything that rules may ask about a requester.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// What field names tell.
    pub who: Requester,
    /// What is claimed: by `Signature-Agent`, `User-Agent` or an agent's card.
    pub claimed: Identity,
    /// What a verified signature proves, and what the seller has confirmed of its agent.
    pub proved: Option<Identity>,
    /// That signature covers less than the `strict` profile asks for: it may have been made for
    /// another request, and proves something to rules of the `published` profile only.
    pub weakly: bool,
}

impl From<Requester> for Asker {
    fn from(who: Requester) -> Self {
        Self { who, ..Self::default() }
    }
}

/// How far a condition fits a requester.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It does not.
    No,
    /// By a claim that nobody has proved.
    Claimed,
    /// By what is proved, or because it asks for nothing that needs a proof.
    Proved,
}

impl Asker {
    pub(super) fn fit(&self, fits: impl Fn(&Identity) -> bool) -> Fit {
        if self.proved.as_ref().is_some_and(&fits) {
            Fit::Proved
        } else if fits(&self.claimed) {
            Fit::Claimed
        } else {
            Fit::No
        }
    }

    /// A claimed purpose is not a known one: else it would be worth claiming any.
    pub(super) fn purpose_is_unknown(&self) -> bool {
        self.proved.as_ref().is_none_or(|proved| proved.purposes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_are_words_with_one_spelling() {
        assert_eq!("Training".parse::<Purpose>().unwrap().as_str(), "train");
        assert_eq!("assist".parse::<Purpose>().unwrap().as_str(), "assist");
        assert_eq!("archive".parse::<Purpose>().unwrap().as_str(), "archive");
        for text in ["", "two words", "a\"b", &"a".repeat(65)] {
            assert!(text.parse::<Purpose>().is_err(), "{text}");
        }
    }
}
