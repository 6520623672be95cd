//! The examples, run against each other as a newcomer would.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A built example: cargo builds them together with the tests, beside their folder.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name);
    assert!(path.is_file(), "build it first: cargo build -p tollway-sdk --example {name}");
    path
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn the_client_buys_from_the_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (seller, agent) = (free_address(), free_address());
    let mut endpoint = Command::new(example("paid_endpoint"));
    endpoint.arg(&seller).current_dir(&folder).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut endpoint = Running(endpoint.spawn().unwrap());
    let mut said = String::new();
    BufReader::new(endpoint.0.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, format!("selling at http://{seller}/reports/today\n"));
    for name in ["today", "tomorrow"] {
        let mut client = Command::new(example("paying_client"));
        let bought = client.args([&format!("http://{seller}/reports/{name}"), &agent]).current_dir(&folder).output();
        let bought = bought.unwrap();
        let said = String::from_utf8_lossy(&bought.stdout);
        assert!(bought.status.success(), "{}", String::from_utf8_lossy(&bought.stderr));
        assert!(
            said.starts_with(&format!("The report of {name}, sold to http://{agent}.\nIt cost 0.01 USD")),
            "{said}"
        );
    }
    let journal = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert_eq!(journal.lines().filter(|line| line.contains("\"receipt\"")).count(), 2, "{journal}");
}
