//! `tollway keys`: make, show, publish.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use http::{Request, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tollway_core::clock::{Clock as _, SystemClock};
use tollway_http::body::{Body, empty, full};
use tollway_http::endpoint::Endpoint;
use tollway_http::key_directory::directory_response;
use tollway_http::server::{ServerOptions, serve};
use tollway_http::site::Site;
use tollway_signatures::{DIRECTORY_PATH, PrivateKey, directory};
use tower::service_fn;

use super::gateway::stop_signal;
use super::{say, say_json};
use crate::cli::{KeysArgs, KeysCommand};
use crate::keys;

pub(crate) async fn run(args: KeysArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        KeysCommand::New { file } => {
            let key = keys::create(&file)?;
            say(format_args!("{}  {}", key.public().thumbprint(), file.display()));
        }
        KeysCommand::Show { file } => show(&file)?,
        KeysCommand::Directory { files } => {
            let keys = read_all(&files)?;
            say(directory::to_json(&keys.iter().map(PrivateKey::public).collect::<Vec<_>>()));
        }
        KeysCommand::Serve { files, listen, public_url } => {
            let keys = read_all(&files)?;
            let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
            let site = match public_url {
                Some(url) => url.parse::<Site>()?,
                None => format!("http://{}", listener.local_addr()?).parse()?,
            };
            let stopped = stop_signal();
            say(format_args!("serving {}{DIRECTORY_PATH}", site.origin()));
            serve(listener, endpoint(keys, site), ServerOptions::default(), stopped).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A directory as an endpoint.
pub(crate) fn endpoint(keys: Vec<PrivateKey>, site: Site) -> Arc<dyn Endpoint> {
    let keys = Arc::new(keys);
    Arc::new(service_fn(move |request: Request<Body>| {
        let response = if request.uri().path() == DIRECTORY_PATH {
            let keys: Vec<&PrivateKey> = keys.iter().collect();
            directory_response(&keys, site.authority(), site.scheme(), SystemClock.now()).map(full)
        } else {
            let mut missing = Response::new(empty());
            *missing.status_mut() = StatusCode::NOT_FOUND;
            missing
        };
        std::future::ready(Ok(response))
    }))
}

fn show(file: &Path) -> anyhow::Result<()> {
    let key = keys::read(file)?.public();
    say_json(&json!({"thumbprint": key.thumbprint().to_string(), "jwk": key.jwk()}))
}

fn read_all(files: &[PathBuf]) -> anyhow::Result<Vec<PrivateKey>> {
    files.iter().map(|file| keys::read(file)).collect()
}
