//! Which tools may be paid for. What is not on the list is never paid, whatever it costs; what is free passes.

use std::str::FromStr;

use tollway_protocol::{Reason, Refusal};

/// Longest entry, in bytes.
const ENTRY_MAX: usize = 512;

/// Tools that may be paid for: all of them, or those that one of the entries names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Entry>);

/// `TOOL`, or `SERVER TOOL` with a space between; `*` in a tool's name is any run of characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    server: Option<String>,
    tool: String,
}

/// The text is no entry of an allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry is a tool's name, or a server and a tool's name, of at most 512 bytes")]
pub struct ParseEntryError;

impl AllowList {
    /// Every tool of every server.
    #[must_use]
    pub const fn everything() -> Self {
        Self(Vec::new())
    }

    /// Only what these entries name; none of them is everything.
    #[must_use]
    pub fn only(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Whether this tool of this server may be paid for.
    ///
    /// # Errors
    /// `declined` when no entry names it.
    pub fn check(&self, server: &str, tool: &str) -> Result<(), Refusal> {
        if self.0.is_empty() || self.0.iter().any(|entry| entry.names(server, tool)) {
            return Ok(());
        }
        Err(Refusal::new(Reason::Declined, "the tool is not on the list of those that may be paid for"))
    }
}

impl Entry {
    fn names(&self, server: &str, tool: &str) -> bool {
        self.server.as_ref().is_none_or(|own| own == server) && matches(&self.tool, tool)
    }
}

impl FromStr for Entry {
    type Err = ParseEntryError;

    fn from_str(text: &str) -> Result<Self, ParseEntryError> {
        let (server, tool) = match text.trim().rsplit_once(' ') {
            Some((server, tool)) => (Some(server.trim_end().to_owned()), tool.to_owned()),
            None => (None, text.trim().to_owned()),
        };
        if tool.is_empty() || text.len() > ENTRY_MAX {
            return Err(ParseEntryError);
        }
        Ok(Self { server, tool })
    }
}

/// `*` is any run of characters: each piece between stars is looked for after the one before it.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entries: &[&str], server: &str, tool: &str) -> bool {
        let entries = entries.iter().map(|entry| entry.parse().unwrap()).collect();
        AllowList::only(entries).check(server, tool).is_ok()
    }

    #[test]
    fn threat_28_only_what_an_entry_names_may_be_paid() {
        assert!(allows(&[], "a", "square"));
        assert!(allows(&["square"], "a", "square") && !allows(&["square"], "a", "squares"));
        assert!(allows(&["get_*"], "a", "get_map") && !allows(&["get_*"], "a", "forget_map"));
        assert!(allows(&["*_map*s"], "a", "get_maps") && !allows(&["*_map*s"], "a", "get_map"));
        assert!(allows(&["https://a.example square"], "https://a.example", "square"));
        assert!(!allows(&["https://a.example *"], "https://b.example", "square"));
        for text in ["", " ", &"x".repeat(513)] {
            assert_eq!(text.parse::<Entry>(), Err(ParseEntryError), "{text}");
        }
    }
}
