//! An endpoint that sells reports. Run it, and beside it `cargo run -p tollway-sdk --example paying_client`.

use axum::{Router, extract::Path, routing::get};
use tollway_sdk::seller::{Paid, Tollway};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:4021".into());
    let tollway = Tollway::at(&format!("http://{address}"))
        .charge("/reports/{name}", "$0.01")
        .starter_credit("$1") // what an agent may owe that nobody knows
        .allow_loopback() // agents on this machine: for a trial
        .open("tollway-data") // key and books; made on the first start
        .await?;
    let app = Router::new().route("/reports/{name}", get(report)).layer(tollway.layer());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    eprintln!("selling at http://{address}/reports/today");
    Ok(axum::serve(listener, app).await?)
}

/// Takes [`Paid`], so it cannot run unpaid.
async fn report(Paid(by): Paid, Path(name): Path<String>) -> String {
    format!("The report of {name}, sold to {}.", by.agent)
}
