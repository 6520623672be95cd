//! `tollway playground`: says where its page is, serves it, ends when told to, keeps to loopback.

use std::net::TcpStream;

use crate::rig::{Running, tollway};

#[test]
fn the_page_is_up_when_its_url_is_printed_and_gone_afterwards() {
    let args = ["playground", "--listen", "127.0.0.1:0", "--no-open"];
    let (playground, url) = Running::start(args, "  open       http://");
    let (address, token) = url.split_once("/?token=").unwrap();
    assert!(token.len() >= 22, "at least 128 bits: {token}");
    assert!(TcpStream::connect(address).is_ok());
    let said = playground.stop();
    assert!(said.contains("built in") && said.contains("stopped"), "{said}");
    assert!(TcpStream::connect(address).is_err(), "it no longer listens");
}

#[test]
fn it_is_for_this_machine_alone() {
    tollway(["playground", "--listen", "0.0.0.0:0", "--no-open"]).refused(&["loopback"]);
}
