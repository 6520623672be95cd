//! `tollway devnet`: a chain as a process, and what it begins with as a file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::rig::{Running, free_port, tollway, until};

const PAYEE: &str = "0x5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e";

/// Asks for a method; its result.
fn ask(address: &str, method: &str, params: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "no body");
    }
    let mut answer = String::new();
    reader.read_to_string(&mut answer).unwrap();
    serde_json::from_str::<Value>(&answer).unwrap()["result"].clone()
}

#[test]
fn a_chain_runs_until_it_is_stopped() {
    let fund = format!("{PAYEE}=12.50");
    let args = ["devnet", "--listen", "127.0.0.1:0", "--chain-id", "31337", "--fund", &fund];
    let (chain, address) = Running::start(args, "listening on http://");
    assert_eq!(ask(&address, "eth_chainId", &json!([])), "0x7a69");
    let data = format!("0x70a08231{:0>64}", &PAYEE[2..]);
    let usdc = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
    let balance = ask(&address, "eth_call", &json!([{ "to": usdc, "data": data }, "latest"]));
    assert_eq!(balance, format!("0x{:064x}", 12_500_000));
    let said = chain.stop();
    assert!(said.contains("TEST ONLY") && said.contains(usdc), "{said}");
    assert!(TcpStream::connect(&address).is_err(), "it no longer listens");
}

#[test]
fn what_a_chain_begins_with_can_be_printed() {
    let genesis = tollway(["devnet", "--print-genesis", "--fund", &format!("{PAYEE}=1")]).ok().json();
    assert_eq!(genesis["config"]["chainId"], 84_532);
    let usdc = &genesis["alloc"]["0x036cbd53842c5426634e7929541ec2318f3dcf7e"];
    assert!(usdc["code"].as_str().unwrap().len() > 1_000);
    let amount = format!("0x{:064x}", 1_000_000);
    assert!(usdc["storage"].as_object().unwrap().values().any(|value| value == &amount));
    assert_eq!(genesis["alloc"]["0x000000000022d473030f116ddee9f6b43ac78ba3"]["balance"], "0x0");
}

#[test]
fn an_address_in_use_is_said_to_be() {
    let (_chain, address) = Running::start(["devnet", "--listen", "127.0.0.1:0"], "listening on http://");
    tollway(["devnet", "--listen", &address]).refused(&["cannot listen on", &address]);
    let said = tollway(["devnet", "--fund", "0x5e=1"]);
    assert!(said.code == Some(2) && said.err.contains("0x5e is no address"), "{}", said.err);
}

/// A GET of a facilitator: its status.
fn status_of(address: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn threat_54_a_facilitator_whose_chain_is_away_starts_and_is_not_ready_until_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_port();
    let password = path("password");
    std::fs::write(&password, "of a test").unwrap();
    tollway(["wallet", "new", &path("relay.json"), "--password-file", &password]).ok();
    let config = format!(
        "store = \"f.db\"\nlisten = \"127.0.0.1:0\"\n[[networks]]\nnetwork = \"eip155:84532\"\n\
         rpc = [\"http://127.0.0.1:{port}\"]\nsigners = [\"relay.json\"]\npassword_file = \"password\"\n"
    );
    std::fs::write(path("facilitator.toml"), config).unwrap();
    let (_running, address) = Running::start(["facilitator", "-c", &path("facilitator.toml")], "listening on http://");
    assert_eq!((status_of(&address, "/health"), status_of(&address, "/ready")), (200, 503));
    let listen = format!("127.0.0.1:{port}");
    let (_chain, _) = Running::start(["devnet", "--listen", &listen], "listening on http://");
    until("it knows what it settles", || status_of(&address, "/supported") == 200);
}
