//! The tools that the payer adds: what is left, what was spent, what a call would cost. None of them pays.

use parking_lot::Mutex;
use serde_json::{Value, json};

/// A tool of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    WalletStatus,
    SpendingReport,
    Quote,
}

const ALL: [Own; 3] = [Own::WalletStatus, Own::SpendingReport, Own::Quote];

/// Our tools under the names they were listed by. Before they were listed there are none: a name may be the server's.
#[derive(Default)]
pub(super) struct OwnTools(Mutex<Vec<(String, Own)>>);

impl OwnTools {
    /// The tool that was listed by this name.
    pub(super) fn find(&self, name: &str) -> Option<Own> {
        self.0.lock().iter().find(|(own, _)| own == name).map(|(_, own)| *own)
    }

    /// Lists them, under names that the server does not use.
    pub(super) fn list(&self, taken: impl Fn(&str) -> bool) -> Vec<Value> {
        let named: Vec<_> = ALL.into_iter().map(|own| (free_name(own.name(), &taken), own)).collect();
        let listed = named.iter().map(|(name, own)| own.definition(name)).collect();
        *self.0.lock() = named;
        listed
    }
}

fn free_name(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = name.to_owned();
    while taken(&name) {
        name.insert_str(0, "tollway_");
    }
    name
}

impl Own {
    fn name(self) -> &'static str {
        match self {
            Self::WalletStatus => "wallet_status",
            Self::SpendingReport => "spending_report",
            Self::Quote => "quote",
        }
    }

    fn definition(self, name: &str) -> Value {
        let (description, properties, required) = match self {
            Self::WalletStatus => {
                ("What may be spent on paid tools, what was spent, who pays. Pays nothing.", json!({}), json!([]))
            }
            Self::SpendingReport => (
                "What was spent, by server, tool, day or scheme, in micro-dollars. Pays nothing.",
                json!({"by": {"type": "string", "enum": ["server", "tool", "day", "scheme"], "default": "server"}}),
                json!([]),
            ),
            Self::Quote => (
                "What a call of a paid tool would cost with these arguments, and whether it is within the limits. Pays nothing.",
                json!({"tool": {"type": "string"}, "arguments": {"type": "object"}}),
                json!(["tool"]),
            ),
        };
        json!({"name": name, "description": description, "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": properties, "required": required}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_names_never_hide_the_server_s() {
        let own = OwnTools::default();
        assert_eq!(own.find("quote"), None, "not listed yet");
        let listed = own.list(|name| ["quote", "tollway_quote"].contains(&name));
        let names: Vec<_> = listed.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["wallet_status", "spending_report", "tollway_tollway_quote"]);
        assert_eq!((own.find("quote"), own.find("tollway_tollway_quote")), (None, Some(Own::Quote)));
    }
}
