//! Clients over HTTP: sessions, streams, resumption, and who is let in.

use std::sync::Arc;

use http::{Method, StatusCode};
use tollway_mcp::relay::{Limits, PassAll};

use super::stage::{Scripted, Till, event, listening, process, said};

fn small() -> Limits {
    Limits { message: 10_000, sessions: 2, ..Limits::default() }
}

#[tokio::test]
async fn a_session_over_http_before_a_process() {
    let relay = listening(process(), Arc::new(PassAll), small()).await;
    let session = relay.begin().await;
    let request = r#"{"jsonrpc":"2.0","id":1.0,"method":"x","params":{"b":1e400,"a":[ 1.50 ]}}"#;
    let answer = relay.post(Some(&session), request).await;
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), format!(r#"{{"jsonrpc":"2.0","id":1.0,"result":{{"heard":{request}}}}}"#));
    let mut standing = relay.request(Method::GET, Some(&session)).send().await.unwrap();
    let told = relay.post(Some(&session), r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(told.status(), StatusCode::ACCEPTED);
    assert!(event(&mut standing, &mut String::new()).await.unwrap().1.contains("notifications/heard"));
    assert_eq!(relay.request(Method::DELETE, Some(&session)).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(relay.post(Some(&session), request).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn progress_and_questions_go_into_the_stream_of_their_request() {
    let relay = listening(process(), Arc::new(Till::default()), small()).await;
    let session = relay.begin().await;
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"progress","params":{"_meta":{"progressToken":"t"}}}"#;
    let mut answer = relay.post(Some(&session), request).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut kept = String::new();
    assert!(event(&mut answer, &mut kept).await.unwrap().1.contains("notifications/progress"));
    assert!(event(&mut answer, &mut kept).await.unwrap().1.contains(r#""id":1,"result""#));
    assert_eq!(event(&mut answer, &mut kept).await, None);

    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"confirmed"}}"#;
    let mut answer = relay.post(Some(&session), call).await;
    let mut kept = String::new();
    let (_, asked) = event(&mut answer, &mut kept).await.unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let said = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"decline"}}}}"#, asked["id"]);
    assert_eq!(relay.post(Some(&session), &said).await.status(), StatusCode::ACCEPTED);
    assert!(event(&mut answer, &mut kept).await.unwrap().1.contains("decline"));
}

#[tokio::test]
async fn a_stream_that_broke_is_taken_up_after_its_last_event() {
    let relay = listening(process(), Arc::new(Till::default()), small()).await;
    let session = relay.begin().await;
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"confirmed"}}"#;
    let mut answer = relay.post(Some(&session), call).await;
    let (last, asked) = event(&mut answer, &mut String::new()).await.unwrap();
    drop(answer);
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let said = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept"}}}}"#, asked["id"]);
    relay.post(Some(&session), &said).await;
    for _ in 0..2 {
        let again = relay.request(Method::GET, Some(&session)).header("last-event-id", &last);
        let mut answer = again.send().await.unwrap();
        let mut kept = String::new();
        assert!(event(&mut answer, &mut kept).await.unwrap().1.contains("accept"), "what was missed is told again");
        assert_eq!(event(&mut answer, &mut kept).await, None);
    }
    let other = relay.request(Method::GET, Some(&session)).header("last-event-id", "99_0").send().await.unwrap();
    assert_eq!(other.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_broken_stream_of_the_server_is_taken_up_and_the_answer_arrives_once() {
    let server = Scripted::new(|asked| match (asked.method.as_str(), asked.header("last-event-id")) {
        ("GET", Some("e1")) => {
            said(200, "text/event-stream", "id: e2\ndata: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"a\":1.0}}\n\n")
        }
        ("GET", _) => said(405, "text/plain", ""),
        _ if asked.body.contains("broken") => {
            let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
            said(200, "text/event-stream", format!("id: e1\nretry: 1\ndata: {note}\n\n"))
        }
        _ if asked.body.contains("lost") => said(200, "text/event-stream", ": nothing\n\n"),
        _ => said(200, "application/json", format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, asked.id())),
    })
    .await;
    let relay = listening(server.upstream(), Arc::new(PassAll), small()).await;
    let session = relay.begin().await;
    let mut answer = relay.post(Some(&session), r#"{"jsonrpc":"2.0","id":5,"method":"broken"}"#).await;
    let mut kept = String::new();
    assert!(event(&mut answer, &mut kept).await.unwrap().1.contains("notifications/message"));
    assert_eq!(event(&mut answer, &mut kept).await.unwrap().1, r#"{"jsonrpc":"2.0","id":5,"result":{"a":1.0}}"#);
    let lost = relay.post(Some(&session), r#"{"jsonrpc":"2.0","id":6,"method":"lost"}"#).await;
    assert!(lost.text().await.unwrap().contains("ended before its answer"));
}

#[tokio::test]
async fn what_http_says_passes_and_what_belongs_to_the_connection_does_not() {
    let server = Scripted::new(|asked| {
        if asked.header("authorization").is_none() {
            let mut answer = said(401, "application/json", r#"{"error":"invalid_token"}"#);
            answer.headers_mut().insert("www-authenticate", "Bearer realm=\"tools\"".parse().unwrap());
            return answer;
        }
        said(200, "application/json", format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, asked.id()))
    })
    .await;
    let relay = listening(server.upstream(), Arc::new(PassAll), small()).await;
    let greeting = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    let refused = relay.post(None, greeting).await;
    assert_eq!(
        (refused.status(), &refused.headers()["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &"Bearer realm=\"tools\"".parse().unwrap())
    );
    assert!(!refused.headers().contains_key("mcp-session-id"));
    assert_eq!(refused.text().await.unwrap(), r#"{"error":"invalid_token"}"#);
    // A revision without sessions: one request, and what it says in its fields.
    let request = relay.request(Method::POST, None).header("content-type", "application/json");
    let request =
        request.header("authorization", "Bearer a").header("mcp-method", "tools/list").header("cookie", "a=b");
    let request = request.header("payment-signature", "p").header("x-payment", "p").header("x-api-key", "k");
    let answer = request.body(r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), r#"{"jsonrpc":"2.0","id":3,"result":{}}"#);
    let asked = server.asked.lock().last().unwrap().clone();
    assert_eq!((asked.header("mcp-method"), asked.header("x-api-key")), (Some("tools/list"), Some("k")));
    for own in ["cookie", "payment-signature", "x-payment", "origin"] {
        assert_eq!(asked.header(own), None, "{own}");
    }
}

#[tokio::test]
async fn threat_40_other_hosts_and_origins_are_turned_away_before_anything_is_read() {
    let relay = listening(process(), Arc::new(PassAll), small()).await;
    for (field, value) in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let request = relay.request(Method::POST, None).header(field, value).body("nonsense");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{field}: {value}");
    }
    assert_eq!(relay.front.sessions(), 0);
}

#[tokio::test]
async fn threat_93_sessions_are_counted_named_by_the_relay_and_let_go() {
    let relay = listening(process(), Arc::new(PassAll), small()).await;
    let greeting = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    assert_eq!(relay.post(Some("chosen-by-another"), greeting).await.status(), StatusCode::NOT_FOUND);
    let (first, second) = (relay.begin().await, relay.begin().await);
    assert_ne!(first, second);
    assert_eq!(relay.post(None, greeting).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    relay.request(Method::DELETE, Some(&first)).send().await.unwrap();
    tokio::time::timeout(super::stage::LONG, async {
        while relay.front.sessions() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    relay.begin().await;
}

#[tokio::test]
async fn threat_93_a_message_of_megabytes_is_refused_unread() {
    let relay = listening(process(), Arc::new(PassAll), small()).await;
    let session = relay.begin().await;
    let long = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":"{}"}}"#, "x".repeat(20_000));
    assert_eq!(relay.post(Some(&session), &long).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let server = Scripted::new(|_| said(200, "application/json", "x".repeat(20_000))).await;
    let relay = listening(server.upstream(), Arc::new(PassAll), small()).await;
    let answer = relay.post(None, r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#).await;
    assert!(answer.text().await.unwrap().contains("longer than 10000 bytes"));
}

#[tokio::test]
async fn what_is_no_message_or_no_session_is_told_so() {
    let relay = listening(process(), Arc::new(PassAll), small()).await;
    assert!(relay.post(None, "nonsense").await.text().await.unwrap().contains("-32700"));
    assert_eq!(relay.post(None, r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(relay.request(Method::PUT, None).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let request = relay.request(Method::POST, None).body("{}");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let elsewhere = relay.client.get(format!("http://{}/other", relay.address)).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}
