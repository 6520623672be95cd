//! A client of facilitators that behave badly, and failover between several.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tollway_core::clock::ManualClock;
use tollway_core::facilitator::{Facilitator, FacilitatorError};
use tollway_http::facilitator::{Failover, RemoteFacilitator, RemoteOptions};
use tollway_protocol::{SettleResponse, VerifyResponse};
use url::Url;

use super::scripted::{HASH, Scripted, base, keyed, raw, request, serving};
use crate::rig::{NOON, closed_port};

fn client(url: Url) -> RemoteFacilitator {
    let options = RemoteOptions {
        api_key: Some("s3cret".to_owned()),
        verify_wait: Duration::from_millis(500),
        settle_wait: Duration::from_millis(500),
        ..RemoteOptions::at(url)
    };
    RemoteFacilitator::new(options).unwrap()
}

#[tokio::test]
async fn a_client_and_a_service_understand_each_other() {
    let url = serving(Arc::new(Scripted { gas_used: Some(u128::MAX), ..Scripted::default() }), keyed(100, None)).await;
    let client = client(url);
    assert!(matches!(client.verify(&request("0x01")).await, Ok(VerifyResponse::Valid { .. })));
    let Ok(VerifyResponse::Invalid { reason, .. }) = client.verify(&request("0xbad")).await else { panic!("valid") };
    assert_eq!(reason.as_deref(), Some("invalid_exact_evm_signature"));
    let Ok(SettleResponse::Settled(settled)) = client.settle(&request("0x01")).await else { panic!("failed") };
    assert_eq!(settled.transaction, HASH);
    assert_eq!(client.status(HASH).await.unwrap().unwrap().gas, Some(u128::MAX));
    assert_eq!(client.status("other").await, Ok(None));
    assert_eq!(client.supported().await.unwrap().kinds.len(), 1);
}

#[tokio::test]
async fn threat_41_no_redirect_is_followed_and_no_key_travels() {
    let (elsewhere, asked) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"isValid\":true}", false).await;
    let location = format!("HTTP/1.1 308 Moved\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    let (url, _) = raw(Box::leak(location.into_boxed_str()).as_bytes(), false).await;
    let client = client(url);
    assert!(matches!(client.verify(&request("0x01")).await, Err(FacilitatorError::Malformed { .. })));
    assert!(matches!(client.settle(&request("0x01")).await, Err(FacilitatorError::Malformed { .. })));
    assert!(matches!(client.supported().await, Err(FacilitatorError::Malformed { .. })));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn threat_21_what_is_no_clear_yes_is_no_yes() {
    let cases: [(&'static [u8], bool); 9] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"success\":tru", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"success\":true", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<html>200", false),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 16\r\n\r\n{\"success\":true}", false),
        (b"HTTP/1.1 400 No\r\ncontent-length: 16\r\n\r\n{\"success\":true}", false),
        (b"HTTP/1.1 204 None\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", true),
        (b"", true),
    ];
    for (answer, hang) in cases {
        let (url, _) = raw(answer, hang).await;
        let outcome = client(url).settle(&request("0x01")).await;
        let shown = String::from_utf8_lossy(answer);
        let Err(error) = outcome else { panic!("{shown}: {outcome:?}") };
        assert!(!error.nothing_was_sent(), "{shown}: {error}");
    }
    let endless = Box::leak(vec![b' '; 200_000].into_boxed_slice());
    endless[..45].copy_from_slice(b"HTTP/1.1 200 OK\r\nconnection: close\r\nx: aaaa\r\n");
    endless[45..47].copy_from_slice(b"\r\n");
    let (url, _) = raw(endless, false).await;
    let outcome = client(url).verify(&request("0x01")).await;
    assert!(matches!(outcome, Err(FacilitatorError::Malformed { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_key_that_is_not_known_is_declined() {
    let url = serving(Arc::new(Scripted::default()), keyed(100, None)).await;
    let options = RemoteOptions { api_key: Some("other".to_owned()), ..RemoteOptions::at(url) };
    let outcome = RemoteFacilitator::new(options).unwrap().settle(&request("0x01")).await;
    assert!(matches!(outcome, Err(FacilitatorError::Declined { .. })), "{outcome:?}");
}

#[test]
fn only_http_urls_are_facilitators() {
    for url in ["ftp://a.example/", "data:x", "mailto:a@b.example"] {
        assert!(RemoteFacilitator::new(RemoteOptions::at(url.parse().unwrap())).is_err(), "{url}");
    }
    let key =
        RemoteOptions { api_key: Some("a\nb".to_owned()), ..RemoteOptions::at("http://a.example".parse().unwrap()) };
    assert!(RemoteFacilitator::new(key).is_err());
}

#[tokio::test]
async fn a_settlement_goes_to_another_only_when_nothing_was_sent() {
    let second = Arc::new(Scripted::default());
    let clock = Arc::new(ManualClock::at(NOON));
    let beside = |first: Arc<dyn Facilitator>| Failover::new(vec![first, second.clone()], clock.clone());
    // Nobody listens: nothing was sent.
    let pair = beside(Arc::new(client(base((Ipv4Addr::LOCALHOST, closed_port().await).into()))));
    assert!(matches!(pair.settle(&request("0x01")).await, Ok(SettleResponse::Settled(_))));
    assert_eq!(second.settles.load(Ordering::SeqCst), 1);
    // It hangs up without an answer: it may have sent the payment.
    let (url, asked) = raw(b"", false).await;
    let pair = beside(Arc::new(client(url)));
    let outcome = pair.settle(&request("0x01")).await;
    assert!(matches!(outcome, Err(FacilitatorError::NoAnswer { .. })), "{outcome:?}");
    assert_eq!(second.settles.load(Ordering::SeqCst), 1);
    // Questions go on to the next one, and the first rests.
    assert!(matches!(pair.verify(&request("0x01")).await, Ok(VerifyResponse::Valid { .. })));
    let so_far = asked.load(Ordering::SeqCst);
    assert!(pair.verify(&request("0x01")).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), so_far);
    clock.advance(16);
    assert!(pair.verify(&request("0x01")).await.is_ok());
    assert!(asked.load(Ordering::SeqCst) > so_far);
}

#[tokio::test]
async fn without_facilitators_nothing_is_answered() {
    let none = Failover::new(Vec::new(), Arc::new(ManualClock::at(NOON)));
    assert!(none.verify(&request("0x01")).await.unwrap_err().nothing_was_sent());
}
