//! Hostile clients: thousands of connections that ask for nothing, or never finish asking, opened again as they are ended.

use std::io::BufRead as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::table::say;

/// Between two bytes of a slow head or body.
const DRIP: Duration = Duration::from_secs(1);
/// Connections opened at once.
const BURST: usize = 100;

/// Holds so many connections until standard input ends: half of them idle, a quarter slow heads, a quarter slow bodies.
pub(crate) fn run(address: SocketAddr, connections: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for number in 0..connections {
            let first = TcpStream::connect(address).await?;
            tokio::spawn(hold(address, number, first));
            if number % BURST == 0 {
                tokio::task::yield_now().await;
            }
        }
        say("ready")?;
        tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().for_each(drop)).await?;
        Ok(())
    })
}

async fn hold(address: SocketAddr, number: usize, first: TcpStream) {
    let mut stream = Some(first);
    loop {
        if let Some(stream) = stream.take() {
            pester(stream, number).await;
        }
        tokio::time::sleep(DRIP).await;
        stream = TcpStream::connect(address).await.ok();
    }
}

/// One connection, until the other side ends it.
async fn pester(mut stream: TcpStream, number: usize) {
    let begin: &[u8] = match number % 4 {
        0 | 1 => b"",
        2 => b"GET / HTTP/1.1\r\nX-Slow: ",
        _ => b"POST /paid/page.html HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    };
    if stream.write_all(begin).await.is_err() {
        return;
    }
    let mut answer = [0; 512];
    loop {
        let drip = tokio::time::timeout(DRIP, stream.read(&mut answer)).await;
        let ended = match drip {
            Ok(read) => matches!(read, Ok(0) | Err(_)),
            Err(_) => !begin.is_empty() && stream.write_all(b"a").await.is_err(),
        };
        if ended {
            return;
        }
    }
}
