//! Figures equal the books, changes are the books' own commands, and no text becomes markup.

use http::{StatusCode, header};
use serde_json::Value;
use tollway_ledger::{AgentId, Books};
use tollway_protocol::Amount;

use crate::scene::{EVIL, NOON, Scene};

const PAGES: [&str; 9] = [
    "/",
    "/?range=all&asset=nonsense",
    "/agents",
    "/offers",
    "/statements",
    "/rules?url=%2Fx",
    "/rules?url=refuse",
    "/what-if?rule=a&price=1",
    "/health",
];

#[tokio::test]
async fn figures_are_those_of_the_books() {
    let scene = Scene::open().await;
    scene.sell("https://a.example", 1, 2_000, "pages").await;
    scene.sell("https://b.example", 2, 3_000, "pages").await;
    let cut = scene.sell("https://b.example", 3, 500, "data").await;
    scene.cut(&cut).await;
    let (_, text) = scene.get("/figures.json").await;
    let usd = &serde_json::from_str::<Value>(&text).unwrap()["assets"]["USD"];
    assert_eq!((&usd["earned"], &usd["back"], &usd["sales"]), (&"5500".into(), &"500".into(), &3.into()));
    assert_eq!((&usd["by"]["rule"]["pages"], &usd["by"]["rule"]["data"]), (&"5000".into(), &"0".into()));
    // Every agent's revenue is what its account says.
    for account in scene.books.agents(NOON).await.unwrap() {
        let net = &usd["by"]["agent"][account.agent.as_str()];
        assert_eq!(net, &Value::from(account.balance_owed.to_string()));
    }
    let (_, page) = scene.get("/?range=all").await;
    assert!(page.contains("data-live=\"all\">$0.005<"), "{page}");
    // What is sold later is there at the next look.
    scene.sell("https://a.example", 4, 1_000, "data").await;
    let (_, text) = scene.get("/revenue.csv?by=rule&range=all").await;
    assert!(text.contains("data,USD,2,1500,500,1000\r\n") && text.contains("pages,USD,2,5000,0,5000\r\n"), "{text}");
}

#[tokio::test]
async fn agents_are_changed_by_the_books_own_commands() {
    let scene = Scene::open().await;
    let agent = AgentId::new("https://a.example").unwrap();
    let form = "do=put&agent=https://a.example&credit=2.5&budget=0.5";
    let (done, _) = scene.post("/agents", form).await;
    assert_eq!(
        (done.status(), &done.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/agents?done=put".parse().unwrap())
    );
    let account = scene.books.account(&agent, NOON).await.unwrap().unwrap();
    assert_eq!((account.credit_limit, account.daily_budget), (Amount::new(2_500_000), Some(Amount::new(500_000))));
    scene.post("/agents", "do=block&agent=https://a.example").await;
    assert!(scene.books.account(&agent, NOON).await.unwrap().unwrap().blocked);
    scene.post("/agents", "do=unblock&agent=https://a.example").await;
    assert!(!scene.books.account(&agent, NOON).await.unwrap().unwrap().blocked);
}

#[tokio::test]
async fn changes_that_make_no_sense_are_refused_in_words() {
    let scene = Scene::open().await;
    for form in [
        "",
        "do=put",
        "do=put&agent=https://a.example",
        "do=put&agent=https://a.example&credit=-1",
        "do=put&agent=https://a.example&credit=1e3",
        "do=put&agent=two words&credit=1",
        "do=block&agent=https://nobody.example",
        "do=delete&agent=https://a.example",
    ] {
        let (refused, page) = scene.post("/agents", form).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}: {page}");
    }
    assert!(scene.books.agents(NOON).await.unwrap().is_empty());
    assert_eq!(scene.post("/", "do=put").await.0.status(), StatusCode::NOT_FOUND);
    assert_eq!(scene.get("/nothing").await.0.status(), StatusCode::NOT_FOUND);
}

/// Rule names, URLs and paths come from elsewhere, and a URL keeps what a buyer wrote into it.
#[tokio::test]
async fn threat_97_no_text_on_the_console_becomes_markup() {
    let scene = Scene::open().await;
    scene.sell("https://a.example/<script>alert(1)</script>", 1, 2_000, EVIL).await;
    for path in PAGES.into_iter().chain(["/statement?agent=%3Cscript%3E&period=2026-11-22", "/?range=%3Cscript%3E"]) {
        let (head, page) = scene.get(path).await;
        assert!(!page.contains("<script>") && !page.contains("<img/src"), "{path}: {page}");
        assert!(!page.contains(" style=") && !page.contains(" onclick"), "{path}");
        let policy = head.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(page.len() < 100 << 10, "{path} has {} bytes", page.len());
    }
    let (_, page) = scene.get("/what-if?pattern=a&price=1").await;
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
}

#[tokio::test]
async fn every_table_is_a_file() {
    let scene = Scene::open().await;
    scene.sell("https://a.example", 1, 2_000, "pages").await;
    for path in [
        "/revenue.csv?by=path",
        "/series.csv",
        "/agents.csv",
        "/offers.csv",
        "/statements.csv",
        "/rules.csv",
        "/what-if.csv?rule=a&price=1",
        "/health.csv",
    ] {
        let (head, text) = scene.get(path).await;
        assert_eq!(head.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8", "{path}");
        assert!(head.headers()[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"), "{path}");
        let columns = text.lines().next().unwrap().split(',').count();
        assert!(columns >= 3, "{path}: {text}");
    }
}
