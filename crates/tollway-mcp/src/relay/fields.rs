//! A JSON object whose members stay as they were written: order, numbers and spelling survive a change of one of them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Members of one object, at most.
const MEMBERS_MAX: usize = 4_096;

/// The members of an object, in their order, each as the bytes it came in. A name stands once.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// Reads an object.
    ///
    /// # Errors
    /// What is no JSON object, has a name twice, or has more than 4,096 members.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// A member, as it was written.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_ref())
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// A member that is an object.
    pub fn object(&self, name: &str) -> Option<Self> {
        Self::read(self.get(name)?.get()).ok()
    }

    /// Puts a value in a member's place, or at the end.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(own, _)| own == name) {
            Some((_, place)) => *place = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a member out.
    pub fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        let at = self.0.iter().position(|(own, _)| own == name)?;
        Some(self.0.remove(at).1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object as text.
    pub fn write(&self) -> String {
        let mut text = String::from("{");
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }

    /// The object as one value, for a place in another.
    pub fn into_raw(self) -> Box<RawValue> {
        RawValue::from_string(self.write()).expect("members that are JSON make an object that is")
    }
}

/// A text as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
                let mut found: Vec<(String, Box<RawValue>)> = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some((name, value)) = members.next_entry::<String, Box<RawValue>>()? {
                    if found.len() == MEMBERS_MAX {
                        return Err(A::Error::custom(format_args!("more than {MEMBERS_MAX} members")));
                    }
                    if !names.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("`{name}` stands twice")));
                    }
                    found.push((name, value));
                }
                Ok(Fields(found))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_keeps_its_bytes() {
        let text = r#"{"b":1.0,"a":123456789012345678901234567890,"z":{"q" : [ 1 ]},"é\n":"\u00e9"}"#;
        let mut fields = Fields::read(text).unwrap();
        fields.set("c", RawValue::from_string("true".into()).unwrap());
        let _ = fields.take("b");
        let expected = r#"{"a":123456789012345678901234567890,"z":{"q" : [ 1 ]},"é\n":"\u00e9","c":true}"#;
        assert_eq!(fields.write(), expected);
    }

    #[test]
    fn a_name_stands_once_and_names_are_bounded() {
        assert!(Fields::read(r#"{"a":1,"\u0061":2}"#).unwrap_err().to_string().contains("twice"));
        let many: Vec<String> = (0..=MEMBERS_MAX).map(|at| format!("\"{at}\":0")).collect();
        assert!(Fields::read(&format!("{{{}}}", many.join(","))).unwrap_err().to_string().contains("more than"));
        assert!(Fields::read("[1]").is_err());
    }
}
