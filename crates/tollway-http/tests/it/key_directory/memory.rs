//! What is remembered: keys through outages, failures for a while, absences at once.

use std::sync::Arc;

use futures_util::future::poll_immediate;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tollway_core::seller::KeySource as _;
use tollway_protocol::Reason;
use tollway_signatures::Thumbprint;

use super::fixture::{NOW, Reply, Server, ask, directory, directory_of, keyid, local, signed_directory};

#[tokio::test]
async fn a_known_key_is_not_asked_for_again_while_it_is_fresh() {
    let server = Server::serving(&[1, 2]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    for now in NOW..NOW + 300 {
        assert!(ask(&directory, &agent, 1, now).await.is_ok());
        assert!(ask(&directory, &agent, 2, now).await.is_ok());
    }
    assert_eq!(server.requests(), 1);
    assert!(ask(&directory, &agent, 1, NOW + 300).await.is_ok());
    assert_eq!(server.requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threat_94_ten_thousand_concurrent_misses_are_one_fetch() {
    const CALLERS: usize = 10_000;
    let (open, gate) = watch::channel(false);
    let server = Server::start(move |authority| Reply::Held(gate.clone(), signed_directory(&[1], authority))).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    let arrived = Arc::new(Semaphore::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (directory, agent, arrived) = (directory.clone(), agent.clone(), arrived.clone());
        callers.spawn(async move {
            let keyid = keyid(1);
            let mut asking = directory.key(&agent, &keyid, NOW);
            assert!(poll_immediate(&mut asking).await.is_none(), "nobody knows yet");
            arrived.add_permits(1);
            asking.await
        });
    }
    let everyone = u32::try_from(CALLERS).unwrap();
    arrived.acquire_many(everyone).await.unwrap().forget();
    open.send_replace(true);
    let answers = callers.join_all().await;
    assert!(answers.len() == CALLERS && answers.iter().all(Result::is_ok));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_takes_nothing_from_the_others() {
    let (open, gate) = watch::channel(false);
    let server = Server::start(move |authority| Reply::Held(gate.clone(), signed_directory(&[1], authority))).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    let keyid = keyid(1);
    {
        let mut first = directory.key(&agent, &keyid, NOW);
        assert!(poll_immediate(&mut first).await.is_none());
    }
    let second = directory.key(&agent, &keyid, NOW);
    open.send_replace(true);
    assert!(second.await.is_ok());
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn threat_94_an_outage_takes_no_key_away_for_a_day() {
    const DAY: u64 = 86_400;
    let server = Server::serving(&[1]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    assert!(ask(&directory, &agent, 1, NOW).await.is_ok());
    let outages = [
        (300, Reason::DirectoryUnreachable, (|_| Reply::HangUp) as fn(&str) -> Reply),
        (DAY / 2, Reason::DirectoryStatus, |_| Reply::Raw(b"HTTP/1.1 404 \r\n\r\n".to_vec())),
    ];
    for (begins, reason, behaviour) in outages {
        server.behave(behaviour);
        for later in (begins..begins + DAY / 2 - 300).step_by(300) {
            let held = ask(&directory, &agent, 1, NOW + later).await;
            assert!(held.is_ok(), "{later} s after the last good fetch");
            // Whoever asks for a key that is not held waits for the fetch that the line above began.
            assert_eq!(ask(&directory, &agent, 9, NOW + later).await, Err(reason));
        }
    }
    assert_eq!(server.requests() as u64, 1 + 2 * (DAY / 2 - 300) / 300, "asked again and again");
    assert!(ask(&directory, &agent, 1, NOW + DAY - 1).await.is_ok());
    assert_eq!(ask(&directory, &agent, 9, NOW + DAY - 1).await, Err(Reason::DirectoryStatus));
    assert_eq!(ask(&directory, &agent, 1, NOW + DAY).await, Err(Reason::DirectoryStatus));
}

#[tokio::test]
async fn threat_94_nobody_waits_for_a_directory_that_failed_before() {
    let server = Server::serving(&[1]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    assert!(ask(&directory, &agent, 1, NOW).await.is_ok());
    server.behave(|_| Reply::HangUp);
    assert!(ask(&directory, &agent, 1, NOW + 300).await.is_ok());
    // From here on the server says nothing, and no fetch ends within this test.
    server.behave(|_| Reply::Silence);
    for later in 310..3600 {
        assert!(ask(&directory, &agent, 1, NOW + later).await.is_ok());
    }
    assert!(server.requests() <= 3);
}

#[tokio::test]
async fn rotation_takes_the_old_key_away() {
    let server = Server::serving(&[1]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    assert!(ask(&directory, &agent, 1, NOW).await.is_ok());
    server.behave(directory_of(&[2]));
    assert!(ask(&directory, &agent, 1, NOW + 299).await.is_ok(), "fresh until then");
    assert_eq!(ask(&directory, &agent, 1, NOW + 300).await, Err(Reason::KeyNotFound));
    assert!(ask(&directory, &agent, 2, NOW + 300).await.is_ok());
    server.behave(|_| Reply::HangUp);
    assert_eq!(ask(&directory, &agent, 1, NOW + 600).await, Err(Reason::DirectoryUnreachable));
    assert!(ask(&directory, &agent, 2, NOW + 600).await.is_ok());
}

#[tokio::test]
async fn rotation_is_seen_once_the_directory_is_back() {
    let server = Server::serving(&[1]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    assert!(ask(&directory, &agent, 1, NOW).await.is_ok());
    server.behave(|_| Reply::HangUp);
    assert!(ask(&directory, &agent, 1, NOW + 300).await.is_ok());
    server.behave(directory_of(&[2]));
    assert!(ask(&directory, &agent, 2, NOW + 310).await.is_ok());
    assert_eq!(ask(&directory, &agent, 1, NOW + 310).await, Err(Reason::KeyNotFound));
    // The outage is over and forgotten: the next refresh is waited for again.
    server.behave(directory_of(&[3]));
    assert_eq!(ask(&directory, &agent, 2, NOW + 610).await, Err(Reason::KeyNotFound));
}

#[tokio::test]
async fn a_new_key_beside_a_fresh_directory_is_found_within_a_minute() {
    let server = Server::serving(&[1]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    assert!(ask(&directory, &agent, 1, NOW).await.is_ok());
    server.behave(directory_of(&[1, 2]));
    assert_eq!(ask(&directory, &agent, 2, NOW + 59).await, Err(Reason::KeyNotFound));
    assert!(ask(&directory, &agent, 2, NOW + 60).await.is_ok());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn threat_93_invented_thumbprints_cause_a_fetch_a_minute() {
    let server = Server::serving(&[1]).await;
    let (directory, agent) = (directory(local()), server.agent("crawler"));
    for index in 0..10_000_u64 {
        let mut invented = [7; 32];
        invented[..8].copy_from_slice(&index.to_le_bytes());
        let invented = Thumbprint::from_bytes(invented);
        let refusal = directory.key(&agent, &invented, NOW + index % 60).await.unwrap_err();
        assert_eq!(refusal.reason, Reason::KeyNotFound);
    }
    assert_eq!(server.requests(), 1);
    let invented = Thumbprint::from_bytes([9; 32]);
    for now in NOW + 60..NOW + 600 {
        directory.key(&agent, &invented, now).await.unwrap_err();
    }
    assert_eq!(server.requests(), 10);
    assert!(ask(&directory, &agent, 1, NOW + 600).await.is_ok());
}

#[tokio::test]
async fn failures_are_remembered_for_a_while() {
    let wrong = (|_| Reply::Raw(b"HTTP/1.1 404 \r\n\r\n".to_vec())) as fn(&str) -> Reply;
    for (behaviour, reason, pause) in [
        ((|_| Reply::HangUp) as fn(&str) -> Reply, Reason::DirectoryUnreachable, 10),
        (wrong, Reason::DirectoryStatus, 60),
    ] {
        let server = Server::start(behaviour).await;
        let (directory, agent) = (directory(local()), server.agent("crawler"));
        for now in NOW..NOW + pause {
            assert_eq!(ask(&directory, &agent, 1, now).await, Err(reason));
        }
        assert_eq!(server.requests(), 1);
        server.behave(directory_of(&[1]));
        assert!(ask(&directory, &agent, 1, NOW + pause).await.is_ok(), "asked again after {pause} s");
    }
}
