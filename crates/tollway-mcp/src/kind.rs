//! What can be called and priced, and what it is called in offers, payments and books.

use std::fmt::Write as _;

/// Which request of MCP names the thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `tools/call`.
    Tool,
    /// `resources/read`.
    Resource,
    /// `prompts/get`.
    Prompt,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Tool, Self::Resource, Self::Prompt];

    /// The kind that a method calls; every other method is free.
    #[must_use]
    pub fn of_method(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.method() == method)
    }

    /// The kind whose list a method asks for.
    #[must_use]
    pub fn of_list(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| method.strip_suffix("/list") == Some(kind.listed()))
    }

    /// The method that calls it: the method in offers and books.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tool => "tools/call",
            Self::Resource => "resources/read",
            Self::Prompt => "prompts/get",
        }
    }

    /// The member of a list's result that holds the things.
    #[must_use]
    pub const fn listed(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Resource => "resources",
            Self::Prompt => "prompts",
        }
    }

    /// The member of params and of list entries that names the thing.
    #[must_use]
    pub const fn named_by(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt => "name",
            Self::Resource => "uri",
        }
    }

    /// The word for it in URLs and paths.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }

    /// The resource that a payment is made for, such as `mcp://tool/square` (x402 transport `mcp`): two names have two URLs.
    #[must_use]
    pub fn url(self, name: &str) -> String {
        let mut url = format!("mcp://{}/", self.word());
        for byte in name.bytes() {
            if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`') {
                url.push(char::from(byte));
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    }

    /// The path under which an offer's scope names it, such as `/tool/square`.
    #[must_use]
    pub fn path(self, name: &str) -> String {
        format!("/{}/{name}", self.word())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tool_is_named_as_the_transport_names_it() {
        assert_eq!(Kind::Tool.url("get_weather"), "mcp://tool/get_weather");
        assert_eq!(Kind::Resource.url("docs://a b?x=1"), "mcp://resource/docs://a%20b?x=1");
        assert_eq!(Kind::of_method("tools/call"), Some(Kind::Tool));
        assert_eq!(Kind::of_method("tools/list"), None);
        assert_eq!(Kind::of_list("resources/list"), Some(Kind::Resource));
        assert_eq!(Kind::of_list("tools/call"), None);
    }

    proptest! {
        #[test]
        fn two_names_have_two_urls(one in ".{0,20}", other in ".{0,20}") {
            prop_assert_eq!(Kind::Tool.url(&one) == Kind::Tool.url(&other), one == other);
        }
    }
}
