//! `tollway keys`: made once, shown without the secret, published under a signature.

use serde_json::Value;

use crate::rig::{Running, get, tollway};

#[test]
fn a_key_is_made_for_its_owner_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.jwk");
    let file = path.to_str().unwrap();
    let made = tollway(["keys", "new", file]).ok().out;
    let text = std::fs::read_to_string(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    tollway(["keys", "new", file]).refused(&["cannot make the key", file]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

    let shown = tollway(["keys", "show", file]).ok();
    let secret = serde_json::from_str::<Value>(&text).unwrap()["d"].as_str().unwrap().to_owned();
    assert!(!shown.out.contains(&secret) && !made.contains(&secret));
    let shown = shown.json();
    assert!(made.contains(shown["thumbprint"].as_str().unwrap()));
    assert_eq!(shown["jwk"]["kty"], "OKP");
    tollway(["keys", "show", "/no/such/key"]).refused(&["cannot read the key /no/such/key", "tollway keys new"]);
}

#[test]
fn a_directory_holds_public_halves_only_and_is_served_signed() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = ["a.jwk", "b.jwk"].map(|name| folder.path().join(name).to_str().unwrap().to_owned()).into();
    let secrets: Vec<_> = files
        .iter()
        .map(|file| {
            tollway(["keys", "new", file]).ok();
            let key: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            key["d"].as_str().unwrap().to_owned()
        })
        .collect();
    let document = tollway(["keys", "directory", &files[0], &files[1]]).ok();
    assert_eq!(document.json()["keys"].as_array().unwrap().len(), 2);
    assert!(secrets.iter().all(|secret| !document.out.contains(secret)));

    let args = ["keys", "serve", &files[0], &files[1], "--listen", "127.0.0.1:0"];
    let (server, url) = Running::start(args, "serving http://127.0.0.1:");
    let (port, path) = url.split_once('/').unwrap();
    let (head, body) = get(port.parse().unwrap(), &format!("/{path}"), "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for field in
        ["content-type: application/http-message-signatures-directory+json", "signature-input: ", "signature: "]
    {
        assert!(head.to_ascii_lowercase().contains(field), "`{field}` is not in {head}");
    }
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), document.json());
    assert!(get(port.parse().unwrap(), "/elsewhere", "").0.starts_with("HTTP/1.1 404"));
    server.stop();
}
