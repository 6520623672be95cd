//! What strangers can make this machine fetch is bounded, and known agents do not suffer from it.

use std::sync::Arc;

use futures_util::future::poll_immediate;
use tollway_core::seller::KeySource as _;
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory};
use tollway_protocol::Reason;

use super::fixture::{Here, NOW, Reply, Server, ask, directory, directory_of, keyid, local, signed_directory};

#[tokio::test]
async fn threat_61_new_agents_are_ten_a_second() {
    let server = Server::serving(&[1]).await;
    let directory = directory(DirectoryOptions { new_agents_per_second: 10, ..local() });
    for second in 0..3 {
        let mut reasons = Vec::new();
        for index in 0..1000 {
            let agent = server.agent(&format!("a{index}.s{second}"));
            reasons.extend(ask(&directory, &agent, 1, NOW + second).await.err());
        }
        assert_eq!(reasons, vec![Reason::TooManyRequests; 990]);
        let known = server.agent("a3.s0");
        assert!(ask(&directory, &known, 1, NOW + second).await.is_ok());
    }
    assert_eq!(server.requests(), 30);
}

#[tokio::test]
async fn threat_61_an_agent_that_fails_stays_new() {
    let server = Server::start(|_| Reply::HangUp).await;
    let directory = directory(DirectoryOptions { new_agents_per_second: 10, ..local() });
    let agents: Vec<_> = (0..100).map(|index| server.agent(&format!("a{index}"))).collect();
    for second in 0..100 {
        for agent in &agents {
            ask(&directory, agent, 1, NOW + second).await.unwrap_err();
        }
    }
    assert_eq!(server.requests(), 1000);
}

#[tokio::test]
async fn threat_61_fetches_in_flight_are_capped_and_known_agents_keep_their_share() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::serving(&[1]).await;
    let directory = directory(local());
    let known: Vec<_> = (0..5).map(|index| server.agent(&format!("known{index}"))).collect();
    for agent in &known {
        assert!(ask(&directory, agent, 1, NOW).await.is_ok());
    }
    server.behave(move |authority| Reply::Held(gate.clone(), signed_directory(&[1], authority)));
    let keyid = keyid(1);
    let strangers: Vec<_> = (0..20).map(|index| server.agent(&format!("new{index}"))).collect();
    let mut waiting = Vec::new();
    let mut refused = 0;
    for agent in &strangers {
        let mut asking = directory.key(agent, &keyid, NOW + 300);
        match poll_immediate(&mut asking).await {
            None => waiting.push(asking),
            Some(answer) => {
                assert_eq!(answer.unwrap_err().reason, Reason::TooManyRequests);
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (12, 8));
    for (index, agent) in known.iter().enumerate() {
        let mut asking = directory.key(agent, &keyid, NOW + 300);
        match poll_immediate(&mut asking).await {
            None => waiting.push(asking),
            Some(answer) => {
                assert_eq!(index, 4, "four places are kept for refreshes");
                assert!(answer.is_ok(), "above that the older key holds");
            }
        }
    }
    assert_eq!(waiting.len(), 16);
    open.send_replace(true);
    for asking in waiting {
        assert!(asking.await.is_ok());
    }
    assert!(directory.key(&strangers[19], &keyid, NOW + 300).await.is_ok(), "places are free again");
}

#[tokio::test]
async fn threat_61_strangers_that_hang_do_not_shut_out_a_registered_agent() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::start(|_| Reply::HangUp).await;
    server.behave(move |authority| Reply::Held(gate.clone(), signed_directory(&[1], authority)));
    let directory = directory(local());
    let keyid = keyid(1);
    let strangers: Vec<_> = (0..100).map(|index| server.agent(&format!("new{index}"))).collect();
    let mut waiting = Vec::new();
    for agent in &strangers {
        let mut asking = directory.key(agent, &keyid, NOW);
        if poll_immediate(&mut asking).await.is_none() {
            waiting.push(asking);
        }
    }
    assert_eq!(waiting.len(), 12, "three quarters of the places");
    let registered = server.agent("registered");
    assert!(
        matches!(directory.key(&registered, &keyid, NOW).await, Err(refusal) if refusal.reason == Reason::TooManyRequests)
    );
    let mut asking = directory.registered_key(&registered, &keyid, NOW);
    assert!(poll_immediate(&mut asking).await.is_none(), "it is being fetched");
    open.send_replace(true);
    assert!(asking.await.is_ok());
    for asking in waiting {
        assert!(asking.await.is_ok());
    }
}

#[tokio::test]
async fn threat_93_memory_stays_bounded_under_many_agents() {
    let server = Server::serving(&[1, 2]).await;
    let options = DirectoryOptions { entries_max: 20, ..local() };
    let directory = KeyDirectory::with_names(options, Arc::new(Here::default())).unwrap();
    for index in 0..200 {
        let agent = server.agent(&format!("a{index}"));
        assert!(ask(&directory, &agent, 1, NOW + index).await.is_ok());
        assert!(ask(&directory, &server.agent("regular"), 1, NOW + index).await.is_ok());
    }
    assert_eq!(server.requests(), 201, "the regular was never pushed out");
    server.behave(directory_of(&[3]));
    for (index, expected) in [(199, true), (192, true), (150, false), (0, false)] {
        let answer = ask(&directory, &server.agent(&format!("a{index}")), 1, NOW + 200).await;
        assert_eq!(answer.is_ok(), expected, "a{index}");
    }
}
