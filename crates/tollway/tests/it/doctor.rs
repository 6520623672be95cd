//! `tollway doctor` before a sound gateway and before broken ones, and what rules mean to `explain`.

use serde_json::Value;

use crate::rig::{Crawler, Said, Shop, count, free_port, tollway};

fn doctor(shop: &Shop) -> (Option<i32>, Vec<Value>) {
    let said = tollway(["doctor", "-c", &shop.config(), "--json"]);
    (said.code, said.json().as_array().unwrap().clone())
}

fn verdict<'f>(findings: &'f [Value], check: &str) -> &'f str {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no `{check}` in {findings:?}"))["verdict"].as_str().unwrap()
}

fn rewrite(shop: &Shop, from: &str, to: &str) {
    let path = shop.path("tollway.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn a_sound_gateway_is_well() {
    let shop = Shop::open(1);
    let crawler = Crawler::new();
    shop.agents(&["add", &crawler.agent, "--credit", "$1"]).ok();
    let _gateway = shop.gateway();
    let (code, findings) = doctor(&shop);
    assert_eq!(code, Some(0), "{findings:?}");
    for check in ["configuration", "seller key", "books", "file clock", "certificate", "origin", "public URL", "agent"]
    {
        assert_eq!(verdict(&findings, check), "ok", "{findings:?}");
    }
    let text = tollway(["doctor", "-c", &shop.config()]).ok().out;
    assert!(text.contains("signed by our key") && text.contains("publishes 1 keys"), "{text}");
}

#[test]
fn what_is_broken_is_named_with_what_to_do() {
    let shop = Shop::open(1);
    let (code, findings) = doctor(&shop);
    assert_eq!((code, verdict(&findings, "books"), verdict(&findings, "public URL")), (Some(0), "warning", "warning"));
    assert!(!shop.path("books.db").exists(), "looking makes nothing");

    std::fs::write(shop.path("books.db"), "these are no books, and never were any, whatever they say").unwrap();
    std::fs::remove_file(shop.path("seller.jwk")).unwrap();
    let port = free_port();
    rewrite(&shop, "folder = \"site\"", &format!("url = \"http://127.0.0.1:{port}\""));
    let (code, findings) = doctor(&shop);
    assert_eq!(code, Some(3));
    for check in ["seller key", "books", "origin"] {
        assert_eq!(verdict(&findings, check), "failed", "{findings:?}");
    }
    assert!(findings.iter().all(|finding| finding["verdict"] == "ok" || finding["advice"].is_string()));

    rewrite(&shop, "price", "pryce");
    tollway(["doctor", "-c", &shop.config()]).refused(&["pryce"]);
}

#[test]
fn a_certificate_for_others_is_no_certificate() {
    let shop = Shop::open(1);
    let made = rcgen::generate_simple_self_signed(["other.example".to_owned()]).unwrap();
    std::fs::write(shop.path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(shop.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    rewrite(&shop, "[seller]", "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n[seller]");
    let text = tollway(["doctor", "-c", &shop.config()]);
    assert_eq!(text.code, Some(3));
    assert!(text.out.contains("does not name 127.0.0.1") && text.out.contains("days more"), "{}", text.out);
}

#[test]
fn explain_says_which_class_and_why() {
    let shop = Shop::open(1);
    let agents = "[prices]\npage = \"$0.004\"\n[[operators]]\nname = \"Friends\"\nagents = [\"friend.example\"]\n\
                  purposes = [\"search\"]\n[[rules]]\nid = \"training\"\npath = \"/p/*\"\naudience = \"everyone\"\n\
                  purpose = [\"train\"]\naction = \"block\"\n[[rules]]\nid = \"pages\"";
    rewrite(&shop, "[[rules]]\nid = \"pages\"", agents);
    rewrite(
        &shop,
        "price = \"$0.002\"",
        "price = \"page\"\nexcept = [\"/p/free/*\"]\nprices = [{ operator = \"Friends\", name = \"friends\", price = \"$0.001\" }]",
    );
    rewrite(&shop, "audience = \"signed\"", "audience = \"everyone\"");
    let explain = |path: &str, more: &[&str]| -> Said {
        tollway(["explain", "-c", &shop.config(), "--json", "GET", path].iter().chain(more))
    };
    let plain = explain("/p/0.html", &[]).ok().json();
    assert_eq!((&plain["answer"], &plain["class"], count(&plain["rules"])), (&402.into(), &Value::Null, 2));
    assert!(plain["why"].as_str().unwrap().contains("$0.004"), "{plain}");
    let claimed = ["-H", "Signature-Agent: \"https://friend.example\""];
    let claim = explain("/p/0.html", &claimed).ok().json();
    assert_eq!((&claim["class"], &claim["proof_could_change_it"]), (&Value::Null, &true.into()));
    let friend = explain("/p/0.html", &["--proved", "https://friend.example"]).ok().json();
    assert_eq!(friend["class"], "friends");
    assert!(friend["why"].as_str().unwrap().contains("$0.001"), "{friend}");
    let bot = explain("/p/0.html", &["-H", "User-Agent: GPTBot/1.2"]).ok().json();
    assert_eq!((&bot["answer"], &bot["rules"][0]["decides"]), (&403.into(), &true.into()));
    let free = explain("/p/free/a", &[]).ok().json();
    assert_eq!((&free["answer"], &free["rules"][1]["differs_in"]), (&200.into(), &"exemption".into()));
    rewrite(&shop, "public_urls", "dry_run = true\npublic_urls");
    let trial = explain("/p/0.html", &[]).ok().json();
    assert_eq!(trial["answer"], 200);
    assert!(trial["why"].as_str().unwrap().contains("on trial"), "{trial}");
    let checked = tollway(["check", "-c", &shop.config()]).ok().out;
    assert!(checked.contains("dry run") && checked.contains("not /p/free/*"), "{checked}");
}
