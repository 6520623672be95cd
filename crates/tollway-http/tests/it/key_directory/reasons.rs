//! Every way in which a directory can be wrong has its own reason.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tollway_core::seller::KeySource as _;
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, NameLookup, directory_response};
use tollway_protocol::{Reason, header};
use tollway_signatures::{
    DIRECTORY_MEDIA_TYPE, DIRECTORY_PATH, Message, PrivateKey, PublicKey, Thumbprint, digest, directory as document,
    sign_directory,
};

use super::fixture::{
    NOW, Reply, Server, agent, ask, directory, directory_of, keyid, local, private, signed_directory, wire,
};

/// What a fresh directory says of key 1 at a server that behaves so.
async fn reason_of(behaviour: impl Fn(&str) -> Reply + Send + 'static) -> Result<PublicKey, Reason> {
    reason_under(local(), behaviour).await
}

async fn reason_under(
    options: DirectoryOptions,
    behaviour: impl Fn(&str) -> Reply + Send + 'static,
) -> Result<PublicKey, Reason> {
    let server = Server::start(behaviour).await;
    let answer = ask(&directory(options), &server.agent("crawler"), 1, NOW).await;
    assert_eq!(server.requests(), 1, "nothing is tried twice");
    answer
}

/// A response without signatures.
fn unsigned(body: impl Into<Bytes>) -> Response<Bytes> {
    Response::builder().header(CONTENT_TYPE, DIRECTORY_MEDIA_TYPE).body(body.into()).unwrap()
}

fn trusting() -> DirectoryOptions {
    DirectoryOptions { require_signature: false, ..local() }
}

#[tokio::test]
async fn a_good_directory_gives_the_key() {
    let key = reason_of(directory_of(&[1, 2])).await.unwrap();
    assert_eq!(key, private(1).public());
}

#[tokio::test]
async fn anything_but_200_is_directory_status() {
    for status in [201, 204, 206, 304, 401, 403, 404, 410, 429, 500, 503] {
        let answer = reason_of(move |authority| {
            let mut response = signed_directory(&[1], authority);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Reply::Answer(response)
        });
        assert_eq!(answer.await, Err(Reason::DirectoryStatus), "{status}");
    }
}

#[tokio::test]
async fn threat_41_redirects_are_not_followed() {
    let elsewhere = Server::serving(&[1]).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://127.0.0.1:{}/", elsewhere.port);
        let answer = reason_of(move |authority| {
            let mut response = signed_directory(&[1], authority);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert("location", location.parse().unwrap());
            Reply::Answer(response)
        });
        assert_eq!(answer.await, Err(Reason::DirectoryStatus), "{status}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn another_media_type_is_directory_content_type() {
    for media_type in [None, Some("application/json"), Some("text/html"), Some("")] {
        let answer = reason_of(move |authority| {
            let mut response = signed_directory(&[1], authority);
            response.headers_mut().remove(CONTENT_TYPE);
            if let Some(media_type) = media_type {
                response.headers_mut().insert(CONTENT_TYPE, media_type.parse().unwrap());
            }
            Reply::Answer(response)
        });
        assert_eq!(answer.await, Err(Reason::DirectoryContentType), "{media_type:?}");
    }
}

#[tokio::test]
async fn more_than_64_kib_is_directory_too_large_announced_or_not() {
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-type: {DIRECTORY_MEDIA_TYPE}\r\ncontent-length: 65537\r\n\r\n");
    let mut streamed = format!("HTTP/1.1 200 OK\r\ncontent-type: {DIRECTORY_MEDIA_TYPE}\r\nconnection: close\r\n\r\n");
    let endless = streamed.clone() + &" ".repeat(1 << 20);
    streamed.push_str(&" ".repeat(65_537));
    let mut chunked =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {DIRECTORY_MEDIA_TYPE}\r\ntransfer-encoding: chunked\r\n\r\n");
    for _ in 0..65 {
        chunked.push_str(&format!("400\r\n{}\r\n", " ".repeat(1024)));
    }
    for raw in [announced, streamed, endless, chunked] {
        let answer = reason_of(move |_| Reply::Raw(raw.clone().into_bytes())).await;
        assert_eq!(answer, Err(Reason::DirectoryTooLarge));
    }
}

#[tokio::test]
async fn exactly_64_kib_and_16_keys_are_read() {
    let seeds: Vec<_> = (1..=16).collect();
    let keys: Vec<_> = seeds.iter().map(|&seed| private(seed).public()).collect();
    let mut body = document::to_json(&keys);
    body.push_str(&" ".repeat(65_536 - body.len()));
    let response = unsigned(body);
    assert!(reason_under(trusting(), move |_| Reply::Answer(response.clone())).await.is_ok());

    let keys: Vec<_> = (1..=17).map(|seed| private(seed).public()).collect();
    let response = unsigned(document::to_json(&keys));
    let answer = reason_under(trusting(), move |_| Reply::Answer(response.clone())).await;
    assert_eq!(answer, Err(Reason::DirectoryTooLarge));
}

#[tokio::test]
async fn what_is_not_a_key_set_is_directory_malformed() {
    let bodies: [&[u8]; 7] =
        [b"", b"{}", b"[]", b"{\"keys\":{}}", b"{\"keys\":[]", b"{\"keys\":[7]}", b"\xff\xfe{\"keys\":[]}"];
    for body in bodies {
        let response = unsigned(body);
        let answer = reason_of(move |_| Reply::Answer(response.clone())).await;
        assert_eq!(answer, Err(Reason::DirectoryMalformed), "{body:?}");
    }
}

#[tokio::test]
async fn silence_and_a_slow_drip_are_directory_timeout() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {DIRECTORY_MEDIA_TYPE}\r\n");
    let in_head = format!("{head}x-slow: ");
    let in_body = format!("{head}content-length: 60000\r\n\r\n{{\"keys\":[");
    let options = DirectoryOptions { fetch_timeout: Duration::from_millis(300), ..local() };
    assert_eq!(reason_under(options.clone(), |_| Reply::Silence).await, Err(Reason::DirectoryTimeout));
    for begun in [in_head, in_body] {
        let answer = reason_under(options.clone(), move |_| Reply::Drip(begun.clone().into_bytes()));
        assert_eq!(answer.await, Err(Reason::DirectoryTimeout));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_directory_unreachable() {
    let whole = wire(&signed_directory(&[1], "crawler.localhost"));
    let cut_in_head = whole[..20].to_vec();
    let cut_in_body = whole[..whole.len() - 1].to_vec();
    assert_eq!(reason_of(|_| Reply::HangUp).await, Err(Reason::DirectoryUnreachable));
    for begun in [cut_in_head, cut_in_body, b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()] {
        let answer = reason_of(move |_| Reply::Raw(begun.clone())).await;
        assert_eq!(answer, Err(Reason::DirectoryUnreachable));
    }
}

#[tokio::test]
async fn no_server_no_tls_and_no_such_name_are_directory_unreachable() {
    let directory = directory(local());
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let gone = agent(&format!("http://127.0.0.1:{port}"));
    assert_eq!(ask(&directory, &gone, 1, NOW).await, Err(Reason::DirectoryUnreachable));

    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let without_tls = agent(&format!("https://localhost:{port}"));
    assert_eq!(ask(&directory, &without_tls, 1, NOW).await, Err(Reason::DirectoryUnreachable));

    let nameless = KeyDirectory::with_names(local(), Arc::new(Nowhere)).unwrap();
    let answer = ask(&nameless, &agent("https://nowhere.example"), 1, NOW).await;
    assert_eq!(answer, Err(Reason::DirectoryUnreachable));
}

struct Nowhere;

#[async_trait]
impl NameLookup for Nowhere {
    async fn addresses(&self, _name: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

#[tokio::test]
async fn a_lying_directory_is_directory_signature_invalid() {
    type Lie = fn(&str) -> Response<Bytes>;
    let lies: [(&str, Lie); 6] = [
        ("not signed", |_| unsigned(document::to_json(&[private(1).public()]))),
        ("signed for another host", |_| signed_directory(&[1], "other.example")),
        ("signed by another key", |authority| {
            let mut response = signed_directory(&[2], authority);
            *response.body_mut() = document::to_json(&[private(1).public()]).into();
            response
        }),
        ("signed by another key that claims to be this one", |authority| {
            let made = signed_directory(&[2], authority);
            let mut response = signed_directory(&[1], authority);
            response.headers_mut().insert(header::SIGNATURE, made.headers()[header::SIGNATURE].clone());
            response
        }),
        ("changed after it was signed", |authority| {
            let mut response = signed_directory(&[1], authority);
            *response.body_mut() = [response.body(), &b" "[..]].concat().into();
            response
        }),
        ("half a signature", |authority| {
            let mut response = signed_directory(&[1], authority);
            response.headers_mut().remove(header::SIGNATURE);
            response
        }),
    ];
    for (name, lie) in lies {
        let answer = reason_of(move |authority| Reply::Answer(lie(authority))).await;
        assert_eq!(answer, Err(Reason::DirectorySignatureInvalid), "{name}");
    }
    let server = Server::serving(&[1]).await;
    let answer = ask(&directory(local()), &server.agent("crawler"), 1, NOW + 86_400).await;
    assert_eq!(answer, Err(Reason::DirectorySignatureInvalid), "signed long ago");
}

#[tokio::test]
async fn another_agent_that_publishes_my_key_does_not_get_it() {
    let thief = Server::start(|authority| Reply::Answer(two_keys_signed_by_the_second(authority))).await;
    let mine = Server::serving(&[1]).await;
    let directory = directory(local());
    assert!(ask(&directory, &mine.agent("mine"), 1, NOW).await.is_ok());
    assert_eq!(ask(&directory, &thief.agent("thief"), 1, NOW).await, Err(Reason::KeyNotFound));
    assert!(ask(&directory, &thief.agent("thief"), 2, NOW).await.is_ok());
    assert_eq!(ask(&directory, &mine.agent("mine"), 2, NOW).await, Err(Reason::KeyNotFound));
}

fn two_keys_signed_by_the_second(authority: &str) -> Response<Bytes> {
    let body = document::to_json(&[private(1).public(), private(2).public()]);
    let digest = digest::make(body.as_bytes());
    let request = Message::request("GET", "http", authority, DIRECTORY_PATH);
    let message = Message::response(200, request).with(header::CONTENT_DIGEST, &digest);
    let (input, signature) = sign_directory(&message, &[&private(2)], NOW, NOW + 60).unwrap();
    let mut response = unsigned(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DIGEST, digest.parse().unwrap());
    headers.insert(header::SIGNATURE_INPUT, input.parse().unwrap());
    headers.insert(header::SIGNATURE, signature.parse().unwrap());
    response
}

#[tokio::test]
async fn a_key_that_is_not_there_is_key_not_found() {
    assert_eq!(reason_of(directory_of(&[2])).await, Err(Reason::KeyNotFound));
    let empty = |_: &str| Reply::Answer(unsigned(r#"{"keys":[]}"#));
    assert_eq!(reason_under(trusting(), empty).await, Err(Reason::KeyNotFound));
}

#[tokio::test]
async fn a_key_outside_its_period_is_key_expired_also_from_memory() {
    let x = private(1).public().jwk().x.unwrap();
    let (nbf, exp) = (NOW * 1000, (NOW + 10) * 1000);
    let body = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}","nbf":{nbf},"exp":{exp}}}]}}"#);
    let response = unsigned(body);
    let server = Server::start(move |_| Reply::Answer(response.clone())).await;
    let directory = directory(trusting());
    let agent = server.agent("crawler");
    assert!(ask(&directory, &agent, 1, NOW).await.is_ok());
    assert!(ask(&directory, &agent, 1, NOW + 10).await.is_ok());
    assert_eq!(ask(&directory, &agent, 1, NOW + 11).await, Err(Reason::KeyExpired));
    assert_eq!(ask(&directory, &agent, 1, NOW - 1).await, Err(Reason::KeyExpired));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn threat_64_weak_keys_are_weak_key() {
    // The identity, a point of order one.
    let mut point = [0; 32];
    point[0] = 1;
    let body = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    let server = Server::start(move |_| Reply::Answer(unsigned(body))).await;
    let weak = Thumbprint::of_ed25519(&point);
    let refusal = directory(trusting()).key(&server.agent("crawler"), &weak, NOW).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::WeakKey);
}

#[tokio::test]
async fn threat_64_published_test_keys_are_test_key_and_nothing_is_fetched() {
    let published = PrivateKey::from_jwk(
        r#"{"kty":"OKP","crv":"Ed25519","d":"n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#,
    );
    let published = Arc::new(published.unwrap());
    let keyid = *published.public().thumbprint();
    let server = Server::start(move |authority| {
        let keys = [published.as_ref()];
        Reply::Answer(directory_response(&keys, authority, "http", NOW))
    })
    .await;
    let agent = server.agent("crawler");
    let refusal = directory(local()).key(&agent, &keyid, NOW).await.unwrap_err();
    assert_eq!((refusal.reason, server.connections()), (Reason::TestKey, 0));
    let options = DirectoryOptions { allow_test_keys: true, ..local() };
    assert!(directory(options).key(&agent, &keyid, NOW).await.is_ok());
}

#[tokio::test]
async fn a_signature_may_be_done_without_where_the_operator_says_so() {
    let body = document::to_json(&[private(1).public()]);
    let response = unsigned(body);
    let key = reason_under(trusting(), move |_| Reply::Answer(response.clone())).await.unwrap();
    assert_eq!(*key.thumbprint(), keyid(1));
}
