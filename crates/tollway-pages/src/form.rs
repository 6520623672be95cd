//! Fields of a form, from a body or a query: bounded in bytes and number.

use http::Uri;
use http_body_util::BodyExt as _;
use tollway_http::body::Body;

/// Longest body, in bytes.
pub const FORM_MAX_BYTES: usize = 16 << 10;
/// Most fields.
pub const FIELDS_MAX: usize = 64;

/// Fields in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    fields: Vec<(String, String)>,
}

/// Why a form was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormRefusal {
    /// Beyond [`FORM_MAX_BYTES`], or broken off.
    #[error("the form is too long or broke off")]
    Body,
    /// Beyond [`FIELDS_MAX`].
    #[error("the form has too many fields")]
    Fields,
    /// Percent signs that make no UTF-8.
    #[error("the form is not UTF-8")]
    Text,
}

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// Which bound it breaks.
    pub async fn read(mut body: Body) -> Result<Self, FormRefusal> {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|_| FormRefusal::Body)?.into_data().unwrap_or_default();
            if bytes.len() + data.len() > FORM_MAX_BYTES {
                return Err(FormRefusal::Body);
            }
            bytes.extend_from_slice(&data);
        }
        Self::parse(&bytes)
    }

    /// Reads a query.
    ///
    /// # Errors
    /// Which bound it breaks.
    pub fn of_query(uri: &Uri) -> Result<Self, FormRefusal> {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// Reads `name=value&…`.
    ///
    /// # Errors
    /// Which bound it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormRefusal> {
        if bytes.len() > FORM_MAX_BYTES {
            return Err(FormRefusal::Body);
        }
        let mut fields = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if fields.len() == FIELDS_MAX {
                return Err(FormRefusal::Fields);
            }
            // The parser puts this sign in place of what is no UTF-8.
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(FormRefusal::Text);
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { fields })
    }

    /// The first field of this name, without space around it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// The same, where something is in it.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_read_and_bounded() {
        let form = Form::parse(b"agent=https%3A%2F%2Fa.example&note=+two+words+&empty=").unwrap();
        assert_eq!((form.get("agent"), form.get("note")), (Some("https://a.example"), Some("two words")));
        assert_eq!((form.get("empty"), form.filled("empty"), form.get("other")), (Some(""), None, None));
        assert_eq!(Form::parse(&"a=1&".repeat(65).into_bytes()), Err(FormRefusal::Fields));
        assert_eq!(Form::parse(&vec![b'a'; FORM_MAX_BYTES + 1]), Err(FormRefusal::Body));
        assert_eq!(Form::parse(b"a=%ff"), Err(FormRefusal::Text));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(form) = Form::parse(&bytes) {
                prop_assert!(form.fields.len() <= FIELDS_MAX);
            }
        }
    }
}
