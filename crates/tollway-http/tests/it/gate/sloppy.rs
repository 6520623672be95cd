//! How careless servers read a target: each decoder is somebody's bug or habit.

/// The path that each of them would serve.
pub(super) fn readings(target: &str) -> Vec<(&'static str, String)> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let once = decoded(path);
    let twice = decoded(&once);
    let thrice = decoded(&twice);
    let mut all =
        vec![("raw", path.to_owned()), ("once", once.clone()), ("twice", twice.clone()), ("thrice", thrice.clone())];
    for (name, text) in
        [("raw, normal", path), ("once, normal", &once), ("twice, normal", &twice), ("thrice, normal", &thrice)]
    {
        all.push((name, normal(text)));
        all.push(("with backslashes", normal(&text.replace('\\', "/"))));
        all.push(("without parameters", normal(&without_parameters(text))));
        all.push(("until a question mark", normal(text.split(['?', '#', '\0']).next().unwrap_or_default())));
        all.push(("trimmed", trimmed(&normal(text))));
        all.push(("as Windows does", windows(text)));
        all.push(("merged slashes", merged(text)));
    }
    all.push(("a form", decoded(&path.replace('+', " "))));
    all.push(("a form, normal", normal(&decoded(&path.replace('+', " ")))));
    let lower: Vec<_> = all.iter().map(|(_, text)| ("in lower case", text.to_lowercase())).collect();
    let upper: Vec<_> = all.iter().map(|(_, text)| ("in upper case", text.to_uppercase().to_lowercase())).collect();
    all.into_iter().chain(lower).chain(upper).collect()
}

/// Decodes what can be decoded and keeps the rest.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn normal(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn merged(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

fn without_parameters(path: &str) -> String {
    path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
}

fn trimmed(path: &str) -> String {
    path.trim_end_matches(['/', '.', ' ']).to_owned()
}

/// Backslashes are slashes, and no name ends in a dot or a space.
fn windows(path: &str) -> String {
    let slashed = normal(&path.replace('\\', "/"));
    let slash = if slashed.ends_with('/') { "/" } else { "" };
    let names: Vec<_> = slashed.split('/').map(|name| name.trim_end_matches(['.', ' '])).collect();
    let path = normal(&names.join("/"));
    if path.ends_with('/') { path } else { path + slash }
}
