//! What a payment buys access to (x402 v2, `ResourceInfo`).

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const MAX_URL: usize = 2048;
const MAX_NAME: usize = 32;
const MAX_TAGS: usize = 5;

/// A resource as a seller describes it. Fields this version does not know are kept in `rest`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// Where the resource is: an http(s) URL, or `mcp://tool/NAME`.
    #[serde(deserialize_with = "url")]
    pub url: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Who offers it: at most 32 printable ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "service_name")]
    pub service_name: Option<String>,
    /// At most 5 words, each at most 32 characters.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "tags")]
    pub tags: Option<Vec<String>>,
    /// A picture: at most 2048 characters of URL.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "icon_url")]
    pub icon_url: Option<String>,
    /// Fields of later versions, echoed as they came. Never a name from above.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl ResourceInfo {
    /// A resource of which only its URL is said.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let url = String::deserialize(deserializer)?;
    if url.is_empty() || url.len() > MAX_URL {
        return Err(D::Error::custom("resource url is not 1 to 2048 characters"));
    }
    Ok(url)
}

fn icon_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = Option::<String>::deserialize(deserializer)?;
    if url.as_ref().is_some_and(|url| url.len() > MAX_URL) {
        return Err(D::Error::custom("iconUrl has more than 2048 characters"));
    }
    Ok(url)
}

fn service_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = Option::<String>::deserialize(deserializer)?;
    let printable =
        |name: &String| name.len() <= MAX_NAME && name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if name.as_ref().is_some_and(|name| !printable(name)) {
        return Err(D::Error::custom("serviceName is not at most 32 printable ASCII characters"));
    }
    Ok(name)
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let tags = Option::<Vec<String>>::deserialize(deserializer)?;
    let fits = |tags: &Vec<String>| tags.len() <= MAX_TAGS && tags.iter().all(|tag| tag.chars().count() <= MAX_NAME);
    if tags.as_ref().is_some_and(|tags| !fits(tags)) {
        return Err(D::Error::custom("tags are not at most 5 of at most 32 characters"));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_of_the_specification_hold() {
        let fine = json!({"url": "https://a.example", "serviceName": "A b", "tags": ["1", "2", "3", "4", "5"],
            "iconUrl": "i".repeat(2048)});
        assert!(serde_json::from_value::<ResourceInfo>(fine.clone()).is_ok());
        for (key, value) in [
            ("url", json!("")),
            ("url", json!("u".repeat(2049))),
            ("serviceName", json!("s".repeat(33))),
            ("serviceName", json!("caf\u{e9}")),
            ("tags", json!(["1", "2", "3", "4", "5", "6"])),
            ("tags", json!(["t".repeat(33)])),
            ("iconUrl", json!("i".repeat(2049))),
        ] {
            let mut broken = fine.clone();
            broken[key] = value;
            assert!(serde_json::from_value::<ResourceInfo>(broken).is_err(), "{key}");
        }
    }
}
