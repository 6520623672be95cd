//! An endpoint in front of another that dies, for good, right after it has passed on a chosen call.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    address: SocketAddr,
    fatal: Arc<Mutex<Option<String>>>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fatal: Arc<Mutex<Option<String>>> = Arc::default();
        let shared = Arc::clone(&fatal);
        let (dead, mut died) = tokio::sync::watch::channel(false);
        let dead = Arc::new(dead);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (client, _) = accepted.unwrap();
                        tokio::spawn(pass(client, target, Arc::clone(&shared), Arc::clone(&dead)));
                    }
                    // The listener goes: nobody connects any more.
                    _ = died.wait_for(|dead| *dead) => return,
                }
            }
        });
        Self { address, fatal }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn die_on(&self, method: &str) {
        *self.fatal.lock() = Some(method.to_owned());
    }
}

/// Passes bytes both ways; after the fatal call was answered, nothing goes back.
async fn pass(
    mut client: TcpStream,
    target: SocketAddr,
    fatal: Arc<Mutex<Option<String>>>,
    dead: Arc<tokio::sync::watch::Sender<bool>>,
) {
    let mut server = TcpStream::connect(target).await.unwrap();
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut said = String::new();
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(count) if count > 0 => {
                    said.push_str(&String::from_utf8_lossy(&asked[..count]));
                    server.write_all(&asked[..count]).await.unwrap();
                }
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                Ok(count) if count > 0 => {
                    if fatal.lock().as_ref().is_some_and(|method| said.contains(method)) {
                        dead.send_replace(true);
                        return;
                    }
                    client.write_all(&answered[..count]).await.unwrap();
                }
                _ => return,
            },
        }
        if *dead.borrow() {
            return;
        }
    }
}
