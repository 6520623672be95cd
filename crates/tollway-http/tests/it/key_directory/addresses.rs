//! A stranger's URL never leads into private space: by no spelling, by no name, by no name that changes.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tollway_http::key_directory::{DirectoryOptions, KeyDirectory, NameLookup};
use tollway_protocol::Reason;
use tollway_signatures::AgentUrl;

use super::fixture::{Here, NOW, Server, agent, ask, directory, local};

/// Public agents only, without a limit on new ones.
fn public_only() -> DirectoryOptions {
    DirectoryOptions { allow_loopback: false, ..local() }
}

/// Hosts that are, contain, or resolve to addresses of this machine and its network.
#[rustfmt::skip]
const HOSTS: [&str; 66] = [
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
    "017700000001", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "0", "0.0.0.0", "00.0.0.0", "10.0.0.1", "10.1", "167772161",
    "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1", "0xc0a80001", "169.254.169.254", "2852039166",
    "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "100.64.0.1", "198.18.0.1", "192.0.0.1", "192.0.2.1",
    "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[fe80::1]", "[fe80::1%25eth0]", "[fec0::1]",
    "[fd00::1]", "[fc00::1]", "[ff02::1]", "[2001:db8::1]", "[::ffff:169.254.169.254]", "localhost", "LOCALHOST",
    "localhost.", "a.localhost", "metadata", "metadata.google.internal", "printer.local", "router.lan",
    "127.0.0.1.nip.io", "localtest.me", "rebind.attacker.example", "xn--lcalhost-54a.example", "\u{2460}27.0.0.1",
];

#[tokio::test]
async fn threat_39_no_spelling_of_a_url_reaches_private_space() {
    let canary = Server::serving(&[1]).await;
    let port = canary.port;
    let directory = directory(public_only());
    let (mut tried, mut looked_up) = (0, 0);
    for host in HOSTS {
        for scheme in ["https", "HTTPS", "http"] {
            for userinfo in ["", "user@", "public.example@", "public.example:443@"] {
                for suffix in [format!(":{port}"), format!(":{port}/"), format!(":0{port}"), String::new()] {
                    let url = format!("{scheme}://{userinfo}{host}{suffix}");
                    tried += 1;
                    let Ok(agent) = AgentUrl::parse(&url, directory.agents()) else {
                        continue;
                    };
                    looked_up += 1;
                    let answer = ask(&directory, &agent, 1, NOW).await;
                    assert_eq!(answer, Err(Reason::AgentForbiddenAddress), "{url}");
                }
            }
        }
    }
    assert_eq!(canary.connections(), 0);
    assert!(tried >= 500 && looked_up > 0, "{tried} tried, {looked_up} looked up");
}

#[tokio::test]
async fn threat_39_an_agent_read_under_a_looser_policy_is_refused_before_anything_is_asked() {
    let canary = Server::serving(&[1]).await;
    let names = Arc::new(Here::default());
    let directory = KeyDirectory::with_names(public_only(), names.clone()).unwrap();
    for host in ["127.0.0.1", "[::1]", "localhost", "a.localhost"] {
        for scheme in ["http", "https"] {
            let loose = agent(&format!("{scheme}://{host}:{}", canary.port));
            let answer = ask(&directory, &loose, 1, NOW).await;
            assert_eq!(answer, Err(Reason::AgentForbiddenAddress), "{loose}");
        }
    }
    assert_eq!((canary.connections(), names.lookups.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn threat_39_loopback_mode_opens_loopback_hosts_and_no_others() {
    let canary = Server::serving(&[1]).await;
    let directory = directory(local());
    let named = agent(&format!("https://looks-public.example:{}", canary.port));
    assert_eq!(ask(&directory, &named, 1, NOW).await, Err(Reason::AgentForbiddenAddress));
    assert_eq!(canary.connections(), 0);
    for host in ["127.0.0.1", "localhost", "a.localhost"] {
        let loopback = agent(&format!("http://{host}:{}", canary.port));
        assert!(ask(&directory, &loopback, 1, NOW).await.is_ok(), "{host}");
    }
}

/// Answers in turn.
struct Alternating {
    asked: AtomicUsize,
    answers: Vec<Vec<IpAddr>>,
}

impl Alternating {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |line: &&[&str]| line.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { asked: AtomicUsize::new(0), answers: answers.iter().map(parse).collect() })
    }
}

#[async_trait]
impl NameLookup for Alternating {
    async fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[asked % self.answers.len()].clone())
    }
}

/// Loopback stands for what may be connected to here: on every second question the answer is what may not.
#[tokio::test]
async fn threat_40_a_name_is_resolved_once_a_fetch_and_a_changed_answer_is_judged_anew() {
    const FETCHES: usize = 2_000;
    let names = Alternating::new(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"], &["127.0.0.1", "10.0.0.1"]]);
    let server = Server::serving(&[1]).await;
    let directory = KeyDirectory::with_names(local(), names.clone()).unwrap();
    let mut good = 0;
    for fetch in 0..FETCHES {
        match ask(&directory, &server.agent(&format!("r{fetch}")), 1, NOW).await {
            Ok(_) => good += 1,
            Err(reason) => assert_eq!(reason, Reason::AgentForbiddenAddress),
        }
    }
    assert_eq!(names.asked.load(Ordering::SeqCst), FETCHES);
    assert_eq!((good, server.connections()), (FETCHES / 2, FETCHES / 2));
}

#[tokio::test]
async fn threat_40_one_private_address_among_public_ones_is_enough() {
    let names = Alternating::new(&[
        &["127.0.0.1"],
        &["93.184.215.14", "127.0.0.1"],
        &["127.0.0.1", "93.184.215.14"],
        &["2606:4700::1111", "::1"],
        &["::ffff:127.0.0.1", "93.184.215.14"],
    ]);
    let canary = Server::serving(&[1]).await;
    let directory = KeyDirectory::with_names(public_only(), names).unwrap();
    for fetch in 0..2_000 {
        let rebinding = agent(&format!("https://r{fetch}.attacker.example:{}", canary.port));
        let answer = ask(&directory, &rebinding, 1, NOW).await;
        assert_eq!(answer, Err(Reason::AgentForbiddenAddress));
    }
    assert_eq!(canary.connections(), 0);
}
