//! Messages with two readings on one connection, and heads that are too large.

use tollway_protocol::{Reason, header};

use crate::rig::{Behind, Rig, Sent, Setup, Way, parse, raw};

/// A request that only a desynchronised reader would find inside another one's body.
const HIDDEN: &str = "GET /free/hidden HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn threat_48_no_request_hides_in_another_ones_body() {
    for behind in [Behind::Service, Behind::Proxy] {
        let rig = Rig::with(Setup { socket: true, behind, ..Setup::default() }).await;
        let host = rig.site.authority().to_owned();
        let chunked = format!("0\r\n\r\n{}", HIDDEN.replace("Host: x", &format!("Host: {host}")));
        let length = chunked.len();
        // Where both stand, the chunks count; everything else that two readers could take in two ways
        // is refused.
        for (framing, accepted) in [
            (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked"), true),
            (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"), true),
            (format!("Content-Length: {length}\r\nTransfer-Encoding: xchunked"), false),
            (format!("Content-Length: {length}\r\nTransfer-Encoding : chunked"), false),
            (format!("Content-Length: {length}\r\n Transfer-Encoding: chunked"), false),
            (format!("Content-Length: {length}\r\nContent-Length: 5"), false),
            (format!("Content-Length: +{length}"), false),
            (format!("Content-Length: {length}, {length}"), false),
            (format!("Content-Length: -{length}"), false),
            ("Transfer-Encoding: chunked, gzip".to_owned(), false),
        ] {
            let before = rig.origin.runs();
            let request = format!("POST /free/open HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n{chunked}");
            let got = parse(&raw_until_answered(&rig, &request).await).unwrap();
            assert_eq!(got.status, if accepted { 200 } else { 400 }, "{framing}");
            assert_eq!(rig.origin.runs() - before, usize::from(accepted), "{framing}");
        }
        let priced = format!(
            "POST /free/open HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /paid/a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        );
        let before = rig.origin.runs();
        let answer = String::from_utf8_lossy(&raw(rig.address.unwrap(), priced.as_bytes()).await).into_owned();
        assert!(!answer.contains("the page at /paid/a"), "{answer}");
        assert!(rig.origin.runs() - before <= 1, "the origin never heard of the priced one");
    }
}

/// Sends a request whose end is a matter of opinion, then ends the connection's sending side.
async fn raw_until_answered(rig: &Rig, request: &str) -> Vec<u8> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(rig.address.unwrap()).await.unwrap();
    let _unread = stream.write_all(request.as_bytes()).await;
    let _closed = stream.shutdown().await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn threat_71_large_heads_are_refused_and_cost_nothing() {
    let rig = Rig::on_a_socket().await;
    for kilobytes in [1, 4, 16, 31, 33, 64, 256, 1_024] {
        let sent = Sent::plain(&rig.site, "GET", "/paid/a").add("x-padding", "x".repeat(kilobytes << 10));
        // A server that answers before it has read everything may cut its own answer off.
        if let Some(got) = rig.send(&sent).await {
            let expected = if kilobytes < 32 { 402 } else { 431 };
            assert_eq!(got.status, expected, "{kilobytes} KiB");
        }
    }
    let payment = "A".repeat(8_193);
    let sent = rig.draft(&rig.agent, "GET", "/paid/a").with(header::PAYMENT_SIGNATURE, &payment);
    let got = rig.send(&sent.signed(&rig.agent.key())).await.unwrap();
    assert_eq!((got.status, got.reason()), (431, Some(Reason::PaymentTooLarge)));
    let many = (0..200).fold(Sent::plain(&rig.site, "GET", "/paid/a"), |sent, n| sent.add(&format!("x-{n}"), "y"));
    assert_eq!(rig.send(&many).await.unwrap().status, 431);
    assert_eq!((rig.origin.runs(), rig.sales().await), (0, 0));
    assert_eq!(rig.send(&rig.buy(Way::X402, "/paid/a", "1")).await.unwrap().status, 200);
}
