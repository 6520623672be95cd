//! Agent URLs: what a stranger may make a server connect to.

use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;
use tollway_signatures::{AgentPolicy, AgentUrl, MAX_AGENT_URL, Reason, is_public_address};

const LOCAL: AgentPolicy = AgentPolicy { allow_loopback_http: true, allow_bare_host: false };
const BARE: AgentPolicy = AgentPolicy { allow_loopback_http: false, allow_bare_host: true };

fn reason(text: &str, policy: AgentPolicy) -> Option<Reason> {
    AgentUrl::parse(text, policy).err().map(|refusal| refusal.reason)
}

#[test]
fn origins_are_canonical() {
    for (text, origin, host, port) in [
        ("https://crawler.example", "https://crawler.example", "crawler.example", 443),
        ("https://crawler.example/", "https://crawler.example", "crawler.example", 443),
        ("HTTPS://Crawler.EXAMPLE:443/", "https://crawler.example", "crawler.example", 443),
        ("https://crawler.example:8443", "https://crawler.example:8443", "crawler.example", 8443),
        ("https://crawler.example:80", "https://crawler.example:80", "crawler.example", 80),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example", 443),
        ("https://8.8.8.8", "https://8.8.8.8", "8.8.8.8", 443),
        ("https://[2606:4700:0::1111]:444", "https://[2606:4700::1111]:444", "2606:4700::1111", 444),
        ("https://signature-agent.test", "https://signature-agent.test", "signature-agent.test", 443),
        ("https://localnet.example", "https://localnet.example", "localnet.example", 443),
        ("https://1.example", "https://1.example", "1.example", 443),
    ] {
        let agent = AgentUrl::parse(text, AgentPolicy::default()).unwrap();
        assert_eq!((agent.as_str(), agent.host(), agent.port()), (origin, host, port));
        assert_eq!(agent.directory_url(), format!("{origin}/.well-known/http-message-signatures-directory"));
        assert_eq!(format!("https://{}", agent.authority()), origin);
        assert!(!agent.is_loopback());
    }
}

#[test]
fn loopback_only_where_allowed() {
    for text in ["http://localhost:8080", "http://127.0.0.1", "https://[::1]:8443", "http://agent.localhost"] {
        assert!(AgentUrl::parse(text, LOCAL).unwrap().is_loopback(), "{text}");
        assert!(reason(text, AgentPolicy::default()).is_some(), "{text}");
    }
    assert_eq!(AgentUrl::parse("http://localhost:80", LOCAL).unwrap().as_str(), "http://localhost");
    assert_eq!(reason("http://crawler.example", LOCAL), Some(Reason::AgentNotHttps));
    for text in ["https://10.0.0.1", "https://169.254.169.254", "https://printer.local", "https://2130706433"] {
        assert_eq!(reason(text, LOCAL), Some(Reason::AgentForbiddenAddress), "{text}");
    }
}

#[test]
fn bare_hosts_only_where_allowed() {
    assert_eq!(reason("signer.example.com", AgentPolicy::default()), Some(Reason::AgentMalformed));
    assert_eq!(AgentUrl::parse("signer.example.com", BARE).unwrap().as_str(), "https://signer.example.com");
    assert_eq!(reason("localhost", BARE), Some(Reason::AgentForbiddenAddress));
    assert_eq!(reason("127.1", BARE), Some(Reason::AgentForbiddenAddress));
    assert_eq!(reason("signer.example.com/path", BARE), Some(Reason::AgentMalformed));
}

const NOT_HTTPS: &[&str] = &[
    "http://crawler.example",
    "http://169.254.169.254",
    "http://localhost",
    "http://[::1]",
    "ftp://crawler.example",
    "file:///etc/passwd",
    "gopher://127.0.0.1",
    "ws://crawler.example",
    "wss://crawler.example",
    "httpss://crawler.example",
    "data://text/plain",
    "ldap://crawler.example",
    "dict://crawler.example:11211",
    "unix:///var/run/docker.sock",
    "blob:https://crawler.example/1",
];

const FORBIDDEN: &[&str] = &[
    // Loopback, in the forms resolvers understand.
    "https://127.0.0.1",
    "https://127.0.0.1:8443/",
    "https://127.1",
    "https://127.0.1",
    "https://127.255.255.254",
    "https://2130706433",
    "https://017700000001",
    "https://0x7f000001",
    "https://0x7f.1",
    "https://0x7F.0.0.0x1",
    "https://0177.0.0.1",
    "https://0177.0.0.01",
    "https://127.0.0.0x1",
    "https://127.0.0.001",
    "https://0x7f.0.0.1",
    "https://localhost",
    "https://LOCALHOST",
    "https://a.localhost",
    "https://localhost.localdomain",
    "https://[::1]",
    "https://[0:0:0:0:0:0:0:1]",
    "https://[0000::0001]:443",
    // This network, unspecified.
    "https://0",
    "https://0.0.0.0",
    "https://0x0",
    "https://00.0.0.0",
    "https://0.1.2.3",
    "https://[::]",
    // Private and shared.
    "https://10.0.0.1",
    "https://10.255.255.255",
    "https://172.16.0.1",
    "https://172.31.255.255",
    "https://192.168.0.1",
    "https://192.168.1",
    "https://3232235521",
    "https://0xc0a80001",
    "https://0300.0250.0.1",
    "https://100.64.0.1",
    "https://100.127.255.255",
    "https://0xa.1",
    "https://012.0.0.1",
    "https://167772161",
    // Link-local and metadata.
    "https://169.254.169.254",
    "https://169.254.0.1",
    "https://2852039166",
    "https://0xa9fea9fe",
    "https://0xA9.0xFE.0xA9.0xFE",
    "https://0251.0376.0251.0376",
    "https://169.254.43518",
    "https://169.16689662",
    "https://[fe80::1]",
    "https://[fd00:ec2::254]",
    "https://metadata.google.internal",
    "https://metadata",
    "https://instance-data",
    // Documentation, benchmarking, reserved, multicast, broadcast.
    "https://192.0.2.1",
    "https://198.51.100.1",
    "https://203.0.113.1",
    "https://198.18.0.1",
    "https://198.19.255.255",
    "https://192.0.0.1",
    "https://192.88.99.1",
    "https://224.0.0.1",
    "https://239.255.255.255",
    "https://240.0.0.1",
    "https://255.255.255.255",
    "https://4294967295",
    "https://256.256.256.256",
    "https://1.2.3.4.5",
    "https://99999999999",
    // IPv4 inside IPv6.
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::ffff:169.254.169.254]",
    "https://[::ffff:a9fe:a9fe]",
    "https://[::ffff:8.8.8.8]",
    "https://[::127.0.0.1]",
    "https://[::7f00:1]",
    "https://[64:ff9b::7f00:1]",
    "https://[64:ff9b::127.0.0.1]",
    "https://[64:ff9b:1::1]",
    "https://[2002:7f00:1::]",
    "https://[2002:a9fe:a9fe::1]",
    "https://[2001:0:7f00:1::]",
    "https://[2001::1]",
    "https://[::ffff:0:127.0.0.1]",
    // Other special IPv6.
    "https://[fc00::1]",
    "https://[fd12:3456:789a::1]",
    "https://[fec0::1]",
    "https://[ff02::1]",
    "https://[2001:db8::1]",
    "https://[3fff::1]",
    "https://[2001:2::1]",
    "https://[2001:10::1]",
    "https://[100::1]",
    "https://[5f00::1]",
    "https://[4000::1]",
    "https://[febf::1]",
    // Names of private networks.
    "https://intranet",
    "https://router",
    "https://db",
    "https://printer.local",
    "https://nas.lan",
    "https://x.internal",
    "https://kubernetes.default.svc.cluster.local",
    "https://host.docker.internal",
    "https://wiki.corp",
    "https://gateway.home",
    "https://tv.home.arpa",
    "https://service.intranet",
    "https://vault.private",
];

const MALFORMED: &[&str] = &[
    "",
    "/",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "//crawler.example",
    "https:crawler.example",
    "https:/crawler.example",
    "crawler.example",
    "https://crawler.example.",
    "https://.example",
    "https://a..example",
    "https://user@crawler.example",
    "https://user:pass@crawler.example",
    "https://crawler.example@127.0.0.1",
    "https://crawler.example:443@127.0.0.1",
    "https://127.0.0.1#@crawler.example",
    "https://127.0.0.1?@crawler.example",
    "https://crawler.example#",
    "https://crawler.example#frag",
    "https://crawler.example?",
    "https://crawler.example?q=1",
    "https://crawler.example/?q",
    "https://crawler.example/path",
    "https://crawler.example//",
    "https://crawler.example/.",
    "https://crawler.example/..",
    "https://crawler.example/%2e",
    "https://crawler.example\\",
    "https:\\\\crawler.example",
    "https://crawler.example\\@127.0.0.1",
    "https://127.0.0.1\\.crawler.example",
    "https://crawler.example:",
    "https://crawler.example:0",
    "https://crawler.example:65536",
    "https://crawler.example:0443",
    "https://crawler.example:+443",
    "https://crawler.example:-1",
    "https://crawler.example:44 3",
    "https://crawler.example:443:443",
    "https://crawler.example:a",
    "https://crawler.example: 443",
    "https://crawler example",
    " https://crawler.example",
    "https://crawler.example ",
    "https://crawler.example\n",
    "https://crawler.example\r\nHost: x",
    "https://crawler.example\t",
    "https://craw\0ler.example",
    "https://\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "https://\u{2460}.example",
    "https://b\u{fc}cher.example",
    "https://127\u{3002}0.0.1",
    "https://loc\u{430}lhost",
    "https://%6c%6f%63%61%6c%68%6f%73%74",
    "https://127.0.0.1%00.crawler.example",
    "https://%31%32%37.0.0.1",
    "https://crawler_1.example",
    "https://-crawler.example",
    "https://crawler-.example",
    "https://crawler!.example",
    "https://[",
    "https://[]",
    "https://]",
    "https://[::1",
    "https://::1",
    "https://[::1]x",
    "https://[::1]:",
    "https://[::1]:0",
    "https://[fe80::1%25eth0]",
    "https://[fe80::1%eth0]",
    "https://[v1.fe80]",
    "https://[127.0.0.1]",
    "https://[::1]]",
    "https://[[::1]]",
    "https://[1:2:3:4:5:6:7:8:9]",
    "https://[::g]",
    "https://[::1].example",
    "https://*",
    "https://*.example",
    "https://a,b.example",
    "https://crawler.example;https://127.0.0.1",
    "https://crawler.example,https://127.0.0.1",
    "https://https://crawler.example",
    "data:application/http-message-signatures-directory+json;base64,e30=",
    "javascript:alert(1)",
    "mailto:a@b.example",
    "https://\"crawler.example\"",
    "https://<crawler>.example",
    "https://crawler.example|x",
];

#[test]
fn threat_39_no_url_form_leads_inside() {
    assert!(NOT_HTTPS.len() + FORBIDDEN.len() + MALFORMED.len() >= 200);
    for (urls, expected) in [
        (NOT_HTTPS, Reason::AgentNotHttps),
        (FORBIDDEN, Reason::AgentForbiddenAddress),
        (MALFORMED, Reason::AgentMalformed),
    ] {
        for url in urls {
            assert_eq!(reason(url, AgentPolicy::default()), Some(expected), "{url:?}");
        }
    }
    let long = format!("https://{}.example", "a.".repeat(MAX_AGENT_URL));
    assert_eq!(reason(&long, AgentPolicy::default()), Some(Reason::AgentMalformed));
    let label = format!("https://{}.example", "a".repeat(64));
    assert_eq!(reason(&label, AgentPolicy::default()), Some(Reason::AgentMalformed));
}

#[test]
fn threat_39_only_public_addresses_are_public() {
    for text in [
        "0.0.0.0",
        "0.255.255.255",
        "10.1.2.3",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.1.1",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.9",
        "192.88.99.2",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::",
        "100::",
        "2001::",
        "2001:1ff:ffff::",
        "2001:db8:ffff::",
        "2002::",
        "3fff:fff::",
        "5f00::",
        "fc00::",
        "fdff::",
        "fe80::",
        "fec0::",
        "ff00::",
        "1fff::",
        "4000::",
    ] {
        assert!(!is_public_address(text.parse().unwrap()), "{text}");
    }
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:200::",
        "2001:4860::8888",
        "2003::",
        "3fff:1000::",
        "3ffe::",
        "2a00::",
    ] {
        assert!(is_public_address(text.parse().unwrap()), "{text}");
    }
}

proptest! {
    #[test]
    fn threat_39_whatever_parses_is_canonical_and_outside(text in "(https?://)?[a-z0-9.:\\[\\]x/@-]{0,40}|\\PC{0,40}") {
        if let Ok(agent) = AgentUrl::parse(&text, AgentPolicy::default()) {
            prop_assert!(agent.as_str().starts_with("https://"));
            prop_assert!(agent.host().parse::<IpAddr>().is_ok_and(is_public_address) || agent.host().contains('.'));
            prop_assert_eq!(AgentUrl::parse(agent.as_str(), AgentPolicy::default()).unwrap(), agent);
        }
    }

    #[test]
    fn threat_39_an_ipv4_address_inside_an_ipv6_address_is_never_public(v4 in any::<u32>(), shape in 0usize..6) {
        let v4 = u128::from(v4);
        let v6 = match shape {
            0 => v4,
            1 => 0xffff << 32 | v4,
            2 => 0x0064_ff9b << 96 | v4,
            3 => 0x2002 << 112 | v4 << 80,
            4 => 0x2001_0000 << 96 | v4,
            _ => 0xffff_0000u128 << 32 | v4,
        };
        prop_assert!(!is_public_address(IpAddr::V6(Ipv6Addr::from(v6))));
    }
}
