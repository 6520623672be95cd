//! A client of pipes before a server that is a process, and before one over HTTP.

use std::sync::Arc;

use serde_json::Value;
use tollway_mcp::relay::{Limits, PassAll, Relay};

use super::stage::{PipeClient, Scripted, Till, process, said};

fn passing() -> PipeClient {
    PipeClient::of(Relay::new(process(), Arc::new(PassAll), Limits::default()))
}

#[tokio::test]
async fn every_byte_of_what_nobody_understands_passes() {
    let mut client = passing();
    let request =
        r#"{"jsonrpc":"2.0","id":1.0,"method":"x/unknown","params":{"b":1e400,"a":[ 1.50 ],"é":"\u00e9"},"more":{}}"#;
    client.say(request).await;
    let expected = format!(r#"{{"jsonrpc":"2.0","id":1.0,"result":{{"heard":{request}}}}}"#);
    assert_eq!(client.hear().await.unwrap(), expected);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/of/ours","params":{"z":1,"a":2}}"#;
    client.say(note).await;
    let expected = format!(r#"{{"jsonrpc":"2.0","method":"notifications/heard","params":{note}}}"#);
    assert_eq!(client.hear().await.unwrap(), expected);
}

#[tokio::test]
async fn the_server_may_ask_the_client_and_is_answered() {
    let mut client = passing();
    client.say(r#"{"jsonrpc":"2.0","id":"a","method":"ask"}"#).await;
    let asked = client.hear().await.unwrap();
    assert_eq!(asked, r#"{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"n":1.0}}"#);
    client.hear().await.unwrap();
    let answer = r#"{"jsonrpc":"2.0","id":"s1","result":{"role":"assistant"}}"#;
    client.say(answer).await;
    assert!(client.hear().await.unwrap().contains(answer));
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_the_next_line_is_read() {
    let limits = Limits { message: 1_000, ..Limits::default() };
    let mut client = PipeClient::of(Relay::new(process(), Arc::new(PassAll), limits));
    for (line, code) in [("nonsense", -32_700), (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, -32_600)] {
        client.say(line).await;
        let answer: Value = serde_json::from_str(&client.hear().await.unwrap()).unwrap();
        assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&Value::Null, Some(code)));
    }
    client.say(&"x".repeat(100_000)).await;
    assert!(client.hear().await.unwrap().contains("too long"));
    client.say(r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#).await;
    assert!(client.hear().await.unwrap().contains("heard"));
}

#[tokio::test]
async fn a_hook_answers_wraps_repeats_and_asks() {
    let mut client = PipeClient::of(Relay::new(process(), Arc::new(Till::default()), Limits::default()));
    let call = |id: u32, name: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}"}}}}"#)
    };
    client.say(&call(1, "answered")).await;
    assert_eq!(client.hear().await.unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{"by":"the hook"}}"#);
    client.say(&call(2, "other")).await;
    assert!(client.hear().await.unwrap().contains(&call(2, "other")));
    client.say(&call(3, "twice")).await;
    let answer: Value = serde_json::from_str(&client.hear().await.unwrap()).unwrap();
    assert_eq!((answer["id"].as_i64(), &answer["result"]["heard"]["method"]), (Some(3), &"again".into()));
    client.say(&call(4, "confirmed")).await;
    let asked: Value = serde_json::from_str(&client.hear().await.unwrap()).unwrap();
    assert_eq!(asked["method"], "elicitation/create");
    client.say(&format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept"}}}}"#, asked["id"])).await;
    assert!(client.hear().await.unwrap().contains(r#""id":4,"result":{"said":{"action":"accept"}}"#));
    client.say(&call(5, "panics")).await;
    assert!(client.hear().await.unwrap().contains(r#""id":5,"error":{"code":-32603"#));
}

#[tokio::test]
async fn a_cancelled_request_is_not_answered_and_the_server_hears_of_it() {
    let till = Arc::new(Till::default());
    let mut client = PipeClient::of(Relay::new(process(), till.clone(), Limits::default()));
    let quiet = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","method":"quiet"}}"#;
    client.say(quiet).await;
    assert!(client.hear().await.unwrap().contains("notifications/quiet"), "the server has it");
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    client.say(cancel).await;
    assert!(client.hear().await.unwrap().contains(cancel), "the server tells what it heard");
    client.say(r#"{"jsonrpc":"2.0","id":7,"method":"a"}"#).await;
    assert!(client.hear().await.unwrap().contains(r#""method":"a""#), "its id is free again");
    assert_eq!(*till.lost.lock(), ["cancelled"]);
}

#[tokio::test]
async fn an_id_in_use_and_more_than_may_wait_are_refused() {
    let limits = Limits { in_flight: 2, ..Limits::default() };
    let mut client = PipeClient::of(Relay::new(process(), Arc::new(PassAll), limits));
    for _ in 0..2 {
        client.say(r#"{"jsonrpc":"2.0","id":1,"method":"silence"}"#).await;
    }
    assert!(client.hear().await.unwrap().contains("-32600"));
    for id in 2..4 {
        client.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"silence"}}"#)).await;
    }
    assert!(client.hear().await.unwrap().contains("too many requests"));
}

#[tokio::test]
async fn what_was_asked_before_the_client_left_is_still_answered() {
    let mut client = passing();
    client.say(r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#).await;
    client.leave().await;
    assert!(client.hear().await.unwrap().contains("heard"));
    assert_eq!(client.hear().await, None);
    client.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_leaves_ends_what_is_under_way() {
    let till = Arc::new(Till::default());
    let mut client = PipeClient::of(Relay::new(process(), till.clone(), Limits::default()));
    client.say(r#"{"jsonrpc":"2.0","id":1,"method":"silence"}"#).await;
    client.say(r#"{"jsonrpc":"2.0","id":2,"method":"leave"}"#).await;
    let mut answers = [client.hear().await.unwrap(), client.hear().await.unwrap()];
    answers.sort();
    for (answer, id) in answers.iter().zip(1..) {
        assert!(answer.contains(&format!(r#""id":{id},"error""#)) && answer.contains("not known"), "{answer}");
    }
    assert_eq!(client.hear().await, None);
    client.serving.await.unwrap().unwrap();
    assert_eq!(till.ended.lock().len(), 1);
}

#[tokio::test]
async fn a_server_over_http_is_reached_from_pipes() {
    let server = Scripted::new(|asked| match asked.method.as_str() {
        "GET" => said(405, "text/plain", ""),
        "DELETE" => said(200, "text/plain", ""),
        _ if asked.body.contains("denied") => said(401, "text/plain", "who are you"),
        _ if asked.body.contains("notifications/") => said(202, "text/plain", ""),
        _ => {
            let result = r#"{"protocolVersion":"2025-06-18"}"#;
            let body = format!("{{\"jsonrpc\":\"2.0\",\n\"id\":{},\"result\":{result}}}", asked.id());
            let mut answer = said(200, "application/json", body);
            answer.headers_mut().insert("mcp-session-id", "of-the-server".parse().unwrap());
            answer
        }
    })
    .await;
    let mut client = PipeClient::of(Relay::new(server.upstream(), Arc::new(PassAll), Limits::default()));
    client.say(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#).await;
    let expected = r#"{"jsonrpc":"2.0", "id":1,"result":{"protocolVersion":"2025-06-18"}}"#;
    assert_eq!(client.hear().await.unwrap(), expected);
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    client.say(r#"{"jsonrpc":"2.0","id":2,"method":"denied"}"#).await;
    let denied = client.hear().await.unwrap();
    assert!(denied.contains("401") && denied.contains("who are you"), "{denied}");
    client.leave().await;
    assert_eq!(client.hear().await, None);
    client.serving.await.unwrap().unwrap();
    // Leaving is told after both sides have ended.
    let deleted = || server.asked.lock().iter().any(|asked| asked.method == "DELETE");
    tokio::time::timeout(super::stage::LONG, async {
        while !deleted() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    for asked in server.asked.lock().iter().skip(1) {
        let told = (asked.header("mcp-session-id"), asked.header("mcp-protocol-version"));
        assert_eq!(told, (Some("of-the-server"), Some("2025-06-18")), "{asked:?}");
    }
}
