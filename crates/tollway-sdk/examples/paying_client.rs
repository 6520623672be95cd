//! A client that buys a report from the example `paid_endpoint`, and publishes the key it signs with.
#![allow(clippy::print_stdout)] // it shows what it bought

use axum::Router;
use tollway_sdk::buyer::{KeyDirectoryService, PayingClient};
use tollway_sdk::key_file;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or("http://127.0.0.1:4021/reports/today".into());
    let address = args.next().unwrap_or("127.0.0.1:4022".into());
    let agent = format!("http://{address}");
    let key = key_file::read_or_create("crawler.jwk".as_ref())?;
    let directory = Router::new().fallback_service(KeyDirectoryService::new(&agent, key)?);
    let listener = tokio::net::TcpListener::bind(&address).await?;
    tokio::spawn(axum::serve(listener, directory).into_future());

    let client =
        PayingClient::builder(&agent, "crawler.jwk").budget("$1").max_price("$0.01").journal("audit.jsonl").build()?;
    let answer = client.get(&url).send().await?;
    println!("{}\nIt cost {}.", answer.text()?, answer.cost());
    Ok(())
}
