//! Path patterns of price rules: literal characters, and `*` for any run of characters, slashes
//! included. A pattern always describes the whole path: `/articles/*` is everything below
//! `/articles/`, `*.pdf` is every path that ends so, `/feed` is that one path.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Longest accepted pattern, in bytes.
const LENGTH_MAX: usize = 512;
/// Most `*` in one pattern; matching costs at most pattern times path.
const STARS_MAX: usize = 8;

/// A compiled path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    folded: String,
}

/// Why a text is no path pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParsePatternError {
    /// It does not begin with `/` or `*`.
    #[error("a path pattern begins with `/` or `*`")]
    NotAPath,
    /// It is longer than 512 bytes.
    #[error("a path pattern has at most 512 bytes")]
    TooLong,
    /// It has more than eight `*`.
    #[error("a path pattern has at most 8 `*`")]
    TooManyStars,
    /// It holds a character that no decoded path can match safely.
    #[error("a path pattern is written decoded, without `%`, `?`, `#`, `\\` or control characters")]
    Encoded,
}

impl Pattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of a decoded `path` fits.
    pub fn matches(&self, path: &str) -> bool {
        fits(self.text.as_bytes(), path.as_bytes())
    }

    /// Whether `folded_path`, made by [`fold_case`], fits when letter case is ignored: what an
    /// upstream that folds case would serve.
    pub fn matches_folded(&self, folded_path: &str) -> bool {
        fits(self.folded.as_bytes(), folded_path.as_bytes())
    }
}

/// A path without letter case, whether an upstream folds to upper or to lower: some letters outside
/// ASCII meet ASCII ones on one of the two ways only.
pub fn fold_case(path: &str) -> Cow<'_, str> {
    match path {
        _ if path.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) => Cow::Borrowed(path),
        _ if path.is_ascii() => Cow::Owned(path.to_ascii_lowercase()),
        _ => Cow::Owned(path.to_lowercase().to_uppercase().to_lowercase()),
    }
}

/// Greedy match with one point of return: linear for one star, never exponential.
fn fits(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut s) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while s < path.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p + 1, s));
            p += 1;
        } else if p < pattern.len() && pattern[p] == path[s] {
            p += 1;
            s += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            p = after_star;
            s = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

impl FromStr for Pattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with(['/', '*']) {
            return Err(ParsePatternError::NotAPath);
        }
        if text.len() > LENGTH_MAX {
            return Err(ParsePatternError::TooLong);
        }
        if text.bytes().filter(|byte| *byte == b'*').count() > STARS_MAX {
            return Err(ParsePatternError::TooManyStars);
        }
        if text.chars().any(|c| matches!(c, '%' | '?' | '#' | '\\') || c.is_control()) {
            return Err(ParsePatternError::Encoded);
        }
        Ok(Self { text: text.to_owned(), folded: fold_case(text).into_owned() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_describes_the_whole_path() {
        for (pattern, path, expected) in [
            ("/articles/*", "/articles/a", true),
            ("/articles/*", "/articles/a/b.html", true),
            ("/articles/*", "/articles/", true),
            ("/articles/*", "/articles", false),
            ("/articles/*", "/Articles/a", false),
            ("/feed", "/feed", true),
            ("/feed", "/feed/", false),
            ("*.pdf", "/a/b.pdf", true),
            ("*.pdf", "/a/b.pdfx", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("/a*b*c", "/aXbYbZc", true),
            ("*", "/anything", true),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_meant_are_refused() {
        assert_eq!("articles/*".parse::<Pattern>(), Err(ParsePatternError::NotAPath));
        assert_eq!("/a%20b".parse::<Pattern>(), Err(ParsePatternError::Encoded));
        assert_eq!("/a?b".parse::<Pattern>(), Err(ParsePatternError::Encoded));
        assert_eq!("/*********".parse::<Pattern>(), Err(ParsePatternError::TooManyStars));
        assert_eq!(format!("/{}", "a".repeat(600)).parse::<Pattern>(), Err(ParsePatternError::TooLong));
    }

    #[test]
    fn matching_stays_cheap_on_a_hostile_path() {
        let pattern: Pattern = "/a*a*a*a*a*a*a*b".parse().unwrap();
        assert!(!pattern.matches(&format!("/{}", "a".repeat(8000))));
    }
}
