//! What is asked of a server that may cost something.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tollway_protocol::{Reason, Refusal};

use super::flights::CallKey;
use crate::kind::Kind;

/// A tool, a resource or a prompt, and the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    kind: Kind,
    /// Its name, or its URI.
    pub(super) name: String,
    /// SHA-256 of the arguments, in hexadecimal.
    pub(super) arguments: String,
}

impl Target {
    /// Reads a request; `None` for one that has no price.
    pub(super) fn read(method: &str, params: &Map<String, Value>) -> Option<Self> {
        let kind = Kind::of_method(method)?;
        let name = params.get(kind.named_by())?.as_str()?.to_owned();
        let arguments = params.get("arguments").unwrap_or(&Value::Null);
        let digest = Sha256::digest(serde_json::to_vec(arguments).expect("a value is JSON"));
        let arguments = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { kind, name, arguments })
    }

    /// Whether it is a tool, which answers with a result that can say what failed.
    pub(super) fn is_tool(&self) -> bool {
        self.kind == Kind::Tool
    }

    /// What makes two calls equal.
    pub(super) fn key(&self, server: &str) -> CallKey {
        [server.to_owned(), self.kind.method().to_owned(), self.name.clone(), self.arguments.clone()]
    }

    /// That a demand which names a resource of these names this one. Others name theirs in other ways, which say nothing.
    ///
    /// # Errors
    /// `resource_mismatch`.
    pub(super) fn is_named_by(&self, url: &str) -> Result<(), Refusal> {
        let ours = Kind::ALL.iter().any(|kind| url.starts_with(&kind.url("")));
        if !ours || url == self.url() {
            return Ok(());
        }
        Err(Refusal::new(Reason::ResourceMismatch, "the demand is for another tool than the one that was called"))
    }

    /// The method that asks for it.
    pub(super) fn method(&self) -> &'static str {
        self.kind.method()
    }

    /// What a payment for it calls it.
    pub(super) fn url(&self) -> String {
        self.kind.url(&self.name)
    }
}
