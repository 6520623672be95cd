//! The other side: the directory a key's owner serves under its own host, each key signing for it.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Response, StatusCode};
use tollway_protocol::{Refusal, header};
use tollway_signatures::{
    DIRECTORY_MEDIA_TYPE, DIRECTORY_PATH, Message, PrivateKey, digest, directory, sign_directory,
};

/// How long a reader may use the document without asking again, in seconds.
const MAX_AGE: u64 = 300;
/// How long its signatures hold, in seconds: more than any reader keeps it fresh.
const SIGNED_FOR: u64 = 3600;

/// The response to a GET of [`DIRECTORY_PATH`] on `scheme://authority`: the public halves of `keys`, signed at `now`
/// (seconds since the epoch) by each of them for this authority.
///
/// A directory that cannot be signed, because `authority` is not one, is a 500 without keys.
pub fn directory_response(keys: &[&PrivateKey], authority: &str, scheme: &str, now: u64) -> Response<Bytes> {
    let public: Vec<_> = keys.iter().map(|key| key.public()).collect();
    let body = directory::to_json(&public);
    let request = Message::request("GET", scheme, authority, DIRECTORY_PATH);
    signed(keys, request, body, now).unwrap_or_else(|refusal| {
        let mut failed = Response::new(Bytes::from(refusal.to_string()));
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}

fn signed(keys: &[&PrivateKey], request: Message, body: String, now: u64) -> Result<Response<Bytes>, Refusal> {
    let content_digest = digest::make(body.as_bytes());
    let message = Message::response(200, request).with(header::CONTENT_DIGEST, &content_digest);
    let mut response = Response::builder()
        .header(CONTENT_TYPE, DIRECTORY_MEDIA_TYPE)
        .header(CACHE_CONTROL, format!("max-age={MAX_AGE}"))
        .header(header::CONTENT_DIGEST, content_digest);
    if !keys.is_empty() {
        let (input, signature) = sign_directory(&message, keys, now, now.saturating_add(SIGNED_FOR))?;
        response = response.header(header::SIGNATURE_INPUT, input).header(header::SIGNATURE, signature);
    }
    Ok(response.body(body.into()).expect("serialised structured fields are valid header values"))
}

#[cfg(test)]
mod tests {
    use tollway_signatures::{DirectoryPolicy, Reason, verify_directory};

    use super::*;

    const NOW: u64 = 1_760_000_000;

    /// The response as a reader sees it who asked `authority`.
    fn as_read(response: &Response<Bytes>, authority: &str) -> Message {
        let request = Message::request("GET", "https", authority, DIRECTORY_PATH);
        let message = Message::response(response.status().as_u16(), request);
        let fields = response.headers().iter();
        fields.fold(message, |message, (name, value)| message.with(name.as_str(), value))
    }

    #[test]
    fn each_key_proves_itself_to_a_reader_of_this_host_only() {
        let (first, second) = (PrivateKey::from_seed([1; 32]), PrivateKey::from_seed([2; 32]));
        let response = directory_response(&[&first, &second], "shop.example", "https", NOW);
        assert_eq!(response.headers()[CONTENT_TYPE], DIRECTORY_MEDIA_TYPE);
        assert_eq!(response.headers()[CACHE_CONTROL], "max-age=300");
        let read = |authority, now| {
            let message = as_read(&response, authority);
            verify_directory(&message, response.body(), &DirectoryPolicy::default(), now)
        };
        let directory = read("SHOP.example:443", NOW + 300).unwrap();
        for key in [&first, &second] {
            assert!(directory.find(key.public().thumbprint(), NOW * 1000).is_ok());
        }
        for (authority, now) in [("mirror.example", NOW), ("shop.example", NOW + SIGNED_FOR + 3600)] {
            let refusal = read(authority, now).unwrap_err();
            assert_eq!(refusal.reason, Reason::DirectorySignatureInvalid);
        }
    }

    #[test]
    fn no_keys_are_an_empty_document_and_no_authority_is_none() {
        let response = directory_response(&[], "shop.example", "https", NOW);
        assert_eq!(response.body(), r#"{"keys":[]}"#);
        assert!(!response.headers().contains_key(header::SIGNATURE));
        let key = PrivateKey::from_seed([1; 32]);
        let response = directory_response(&[&key], "shop.example\r\n\u{e9}", "https", NOW);
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
