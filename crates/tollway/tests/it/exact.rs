//! The gateway is killed while a payment that moves money at once is with its facilitator: the money
//! moves once, and the page is there for the same payment.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tollway_protocol::{PaymentPayload, PaymentRequired, SettleResponse, header};

use crate::rig::{Shop, until};

const PAYER: &str = "0x857b06519E91e3A54538791bDbb0E22373e36b66";

/// Says yes to everything; or takes a settlement and never answers.
#[derive(Clone, Default)]
struct Facilitator {
    mute: Arc<AtomicBool>,
    settles: Arc<AtomicUsize>,
    nonces: Arc<Mutex<HashSet<String>>>,
}

impl Facilitator {
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let facilitator = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (facilitator, stream) = (facilitator.clone(), stream.unwrap());
                std::thread::spawn(move || facilitator.serve(stream));
            }
        });
        url
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(&stream);
        let (path, length) = head(&mut reader);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let authorization = &asked["paymentPayload"]["payload"]["authorization"];
        let answer = match path.as_str() {
            "/verify" => json!({"isValid": true, "payer": authorization["from"]}),
            "/settle" => {
                self.nonces.lock().unwrap().insert(authorization["nonce"].to_string());
                self.settles.fetch_add(1, Ordering::SeqCst);
                if self.mute.load(Ordering::SeqCst) {
                    // Until whoever asked is gone, or the silence is over; there is no answer either way.
                    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                    let waits = |read: std::io::Result<usize>| {
                        let kinds = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                        read.is_err_and(|error| kinds.contains(&error.kind()))
                    };
                    while waits(reader.read(&mut [0])) && self.mute.load(Ordering::SeqCst) {}
                    return;
                }
                json!({"success": true, "transaction": format!("0x{}", "ab".repeat(32)),
                    "network": asked["paymentRequirements"]["network"], "payer": authorization["from"]})
            }
            _ => {
                return drop(write!(
                    &stream,
                    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                ));
            }
        };
        let text = answer.to_string();
        let length = text.len();
        drop(write!(&stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"));
    }
}

/// Path and content length of a message.
fn head(reader: &mut impl std::io::BufRead) -> (String, usize) {
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    for line in reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    (first.split(' ').nth(1).unwrap_or_default().to_owned(), length)
}

/// One request on a connection of its own: status, fields, body; `None` where the answer broke off.
/// Status, fields and body.
type Got = (u16, Vec<(String, String)>, String);

fn get(shop: &Shop, path: &str, payment: Option<&str>) -> Option<Got> {
    let mut stream = TcpStream::connect(("127.0.0.1", shop.port)).ok()?;
    let paid = payment.map_or(String::new(), |payment| format!("{}: {payment}\r\n", header::PAYMENT_SIGNATURE));
    let port = shop.port;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{paid}connection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_owned())));
    Some((status, fields.collect(), body.to_owned()))
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
}

fn payment(shop: &Shop, path: &str, nonce: u8) -> String {
    let (status, fields, _) = get(shop, path, None).unwrap();
    assert_eq!(status, 402);
    let demand = PaymentRequired::decode(field(&fields, header::PAYMENT_REQUIRED)).unwrap();
    let accepted = demand.accepts.into_iter().find(|entry| entry.scheme == "exact").unwrap();
    let payload = json!({"signature": format!("0x{}", "11".repeat(65)), "authorization": {
        "from": PAYER, "to": accepted.pay_to, "value": accepted.amount, "validAfter": "0",
        "validBefore": "4102444800", "nonce": format!("0x{}", format!("{nonce:02x}").repeat(32))}});
    PaymentPayload::new(accepted, payload.as_object().unwrap().clone()).encode()
}

fn shop(facilitator: &str) -> Shop {
    let shop = Shop::open(6);
    let text = std::fs::read_to_string(shop.path("tollway.toml")).unwrap();
    let text = text.replace("audience = \"signed\"", "audience = \"everyone\"\nexact = { price = \"$0.01\" }");
    let exact = format!(
        "\n[exact]\npay_to = \"0x209693Bc6afc0C5328bA36FaF03C514EF312287C\"\nnetworks = [\"eip155:84532\"]\n\
         facilitator = [\"{facilitator}\"]\n"
    );
    std::fs::write(shop.path("tollway.toml"), text + &exact).unwrap();
    shop
}

#[test]
fn threat_50_gateways_killed_while_a_payment_settles_take_it_once_and_serve_it() {
    let facilitator = Facilitator::default();
    let shop = shop(&facilitator.start());
    let path = |n: u8| format!("/p/{n}.html");
    let page = |n: u8| std::fs::read_to_string(shop.path("site").join("p").join(format!("{n}.html"))).unwrap();
    for n in 1..=4 {
        facilitator.mute.store(true, Ordering::SeqCst);
        let gateway = shop.gateway();
        let (payment, before) = (payment(&shop, &path(n), n), facilitator.settles.load(Ordering::SeqCst));
        std::thread::scope(|scope| {
            let paying = scope.spawn(|| get(&shop, &path(n), Some(&payment)));
            until("it is asked to settle", || facilitator.settles.load(Ordering::SeqCst) > before);
            gateway.kill();
            assert!(paying.join().unwrap().is_none(), "no byte left before the outcome was known");
        });
        facilitator.mute.store(false, Ordering::SeqCst);
        let gateway = shop.gateway();
        let mut answer = None;
        until("the payment is known", || {
            answer = get(&shop, &path(n), Some(&payment)).filter(|(status, ..)| *status != 503 && *status != 409);
            answer.is_some()
        });
        let (status, fields, body) = answer.unwrap();
        assert_eq!((status, body == page(n)), (200, true), "{body}");
        let receipt = SettleResponse::decode(field(&fields, header::PAYMENT_RESPONSE)).unwrap();
        assert!(matches!(receipt, SettleResponse::Settled(_)));
        let again = get(&shop, &path(n), Some(&payment)).unwrap();
        assert_eq!(again.0, 409, "handed out once");
        gateway.stop();
    }
    assert_eq!(facilitator.nonces.lock().unwrap().len(), 4);
    assert_eq!((shop.bodies("exact_claim").len(), shop.bodies("exact_settled").len()), (4, 4));
    let verified = shop.ledger_json(&["verify"]);
    assert_eq!((&verified["consistent"], &verified["proved"]), (&json!(true), &json!(false)), "{verified}");
    assert_eq!(verified["payments_by_code"], 4, "no key made these signatures, and this facilitator asks no chain");
}

/// `tollway pay` from a wallet whose key is the number one.
fn pay_from_wallet(url: &str, purse: &str) -> crate::rig::Said {
    let args = ["pay", url, "--wallet-key-from-env", "--yes", "--json", "--purse", purse];
    let output = crate::rig::command(args).env("TOLLWAY_WALLET_KEY", format!("{:064x}", 1)).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    crate::rig::Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_bill_is_paid_from_a_wallet_and_both_sides_see_it() {
    let facilitator = Facilitator::default();
    let shop = shop(&facilitator.start());
    let crawler = crate::rig::Crawler::new();
    let _gateway = shop.gateway();
    assert_eq!(crawler.buy_all(&shop)["pages_paid"], 6);
    shop.close(1);
    let bill = |key: &str| crawler.statement(&shop.origin, &[]).ok().json()[key].take();
    let url = bill("pay_url").as_str().unwrap().to_owned();
    assert_eq!(shop.ledger_json(&["statement"])[0]["pay_url"], url.as_str(), "the seller names the same");
    assert_eq!((bill("paid"), &bill("statement")["payable"]), (Value::Null, &json!("10000")));

    let path = url.strip_prefix(&shop.origin).unwrap();
    let (status, fields, body) = get(&shop, path, None).unwrap();
    let demand = PaymentRequired::decode(field(&fields, header::PAYMENT_REQUIRED)).unwrap();
    let old: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, demand.accepts.len(), demand.accepts[0].amount.get()), (402, 1, 10_000));
    let first = &old["accepts"][0];
    assert_eq!((&old["x402Version"], &first["maxAmountRequired"]), (&json!(1), &json!("10000")), "version 1 too");

    let purse = crawler.file("purse.jsonl");
    let paid = pay_from_wallet(&url, &purse);
    assert_eq!(paid.code, Some(0), "{}\n{}", paid.out, paid.err);
    let transaction = format!("0x{}", "ab".repeat(32));
    let (theirs, ours) = (bill("paid"), shop.ledger_json(&["statement"])[0]["paid"].take());
    assert_eq!(theirs, ours);
    assert_eq!(ours["rail"], "exact eip155:84532");
    assert!(ours["reference"].as_str().unwrap().starts_with(&format!("{transaction}#")), "{ours}");
    let shown = get(&shop, path, None).unwrap();
    assert_eq!((shown.0, shown.2.contains(&transaction)), (200, true), "{}", shown.2);
    pay_from_wallet(&url, &purse);
    assert_eq!(facilitator.settles.load(Ordering::SeqCst), 1, "what is paid asks for nothing");
    let kinds = ["exact_claim", "exact_settled", "bill_paid"];
    assert_eq!(kinds.map(|kind| shop.bodies(kind).len()), [1, 1, 1]);
    let verified = shop.ledger_json(&["verify"]);
    let signed = ["payments_proved", "payments_by_code", "payments_unproved"].map(|count| verified[count].clone());
    assert_eq!((&verified["proved"], signed), (&json!(true), [json!(1), json!(0), json!(0)]), "{verified}");
}

#[test]
fn threat_50_gateways_killed_while_a_bill_is_paid_take_it_once() {
    let facilitator = Facilitator::default();
    let shop = shop(&facilitator.start());
    let crawler = crate::rig::Crawler::new();
    let gateway = shop.gateway();
    crawler.buy_all(&shop);
    shop.close(1);
    let url = shop.ledger_json(&["statement"])[0]["pay_url"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&shop.origin).unwrap();
    let (first, second) = (payment(&shop, path, 1), payment(&shop, path, 2));
    facilitator.mute.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let paying = scope.spawn(|| get(&shop, path, Some(&first)));
        until("it is asked to settle", || facilitator.settles.load(Ordering::SeqCst) > 0);
        gateway.kill();
        assert!(paying.join().unwrap().is_none(), "no byte left before the outcome was known");
    });
    let _gateway = shop.gateway();
    assert_eq!(get(&shop, path, Some(&second)).unwrap().0, 409, "another payment waits for the outcome of the first");
    assert_eq!(facilitator.nonces.lock().unwrap().len(), 1);
    facilitator.mute.store(false, Ordering::SeqCst);
    until("the books say paid", || {
        !shop.ledger_json(&["statement"])[0]["paid"].is_null() || {
            drop(get(&shop, path, Some(&first)));
            false
        }
    });
    assert_eq!(get(&shop, path, Some(&first)).unwrap().0, 200);
    assert_eq!(get(&shop, path, Some(&second)).unwrap().0, 409);
    assert_eq!(facilitator.nonces.lock().unwrap().len(), 1, "the second never moved");
    assert_eq!((shop.bodies("bill_paid").len(), shop.bodies("exact_settled").len()), (1, 1));
}
