//! Just enough of Rust's lexical grammar to tell words, string literals and marks from comments.
//!
//! A check that greps lines finds its own needles, and words in comments; a check over lexemes does not.

/// What a lexeme is. Comments, numbers, characters and lifetimes are left out: no check asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// An identifier or keyword, without `r#`.
    Word(&'a str),
    /// What stands between the quotes of a string literal, escapes as written.
    Literal(&'a str),
    /// One mark of punctuation.
    Mark(char),
    /// The path separator `::`.
    Path,
}

/// A token and the line it begins on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme<'a> {
    /// The token.
    pub token: Token<'a>,
    /// Its line, counted from 1.
    pub line: usize,
}

impl Lexeme<'_> {
    /// Whether this is the given mark.
    #[must_use]
    pub fn is_mark(&self, mark: char) -> bool {
        self.token == Token::Mark(mark)
    }

    /// Whether this is the given word.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        self.token == Token::Word(word)
    }
}

/// The lexemes of a source, in order. Text that is not Rust gives some lexemes, never a panic.
#[must_use]
pub fn read(source: &str) -> Vec<Lexeme<'_>> {
    let mut reader = Reader { source, at: 0, line: 1 };
    let mut lexemes = Vec::new();
    while let Some(next) = reader.peek(0) {
        let line = reader.line;
        let token = reader.step(next);
        lexemes.extend(token.map(|token| Lexeme { token, line }));
    }
    lexemes
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    fn step(&mut self, next: char) -> Option<Token<'a>> {
        if self.rest().starts_with("//") {
            self.skip_while(|c| c != '\n');
            return None;
        }
        if self.rest().starts_with("/*") {
            self.skip_comment();
            return None;
        }
        match next {
            '"' => Some(self.quoted()),
            '\'' => {
                self.skip_quote();
                None
            }
            ':' if self.peek(1) == Some(':') => {
                self.skip(2);
                Some(Token::Path)
            }
            c if c.is_ascii_digit() => {
                self.skip_while(is_word_part);
                None
            }
            c if is_word_part(c) => self.word(),
            c => {
                self.skip(1);
                (!c.is_whitespace()).then_some(Token::Mark(c))
            }
        }
    }

    fn word(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        self.skip_while(is_word_part);
        let word = &self.source[start..self.at];
        match (word, self.peek(0)) {
            ("b" | "c", Some('"')) => Some(self.quoted()),
            ("b", Some('\'')) => {
                self.skip_quote();
                None
            }
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw(),
            _ => Some(Token::Word(word)),
        }
    }

    /// A raw string, or nothing where `r#` begins a raw identifier: the word itself is read next.
    fn raw(&mut self) -> Option<Token<'a>> {
        let hashes = self.rest().chars().take_while(|&c| c == '#').count();
        self.skip(hashes);
        if self.peek(0) != Some('"') {
            return None;
        }
        self.skip(1);
        let end = format!("\"{}", "#".repeat(hashes));
        let length = self.rest().find(&end).unwrap_or(self.rest().len());
        let text = &self.rest()[..length];
        self.skip(text.chars().count());
        self.skip(end.len());
        Some(Token::Literal(text))
    }

    fn quoted(&mut self) -> Token<'a> {
        self.skip(1);
        let start = self.at;
        while let Some(c) = self.peek(0).filter(|&c| c != '"') {
            self.skip(if c == '\\' { 2 } else { 1 });
        }
        let text = &self.source[start..self.at];
        self.skip(1);
        Token::Literal(text)
    }

    /// A character literal or a lifetime.
    fn skip_quote(&mut self) {
        self.skip(1);
        if self.peek(0) == Some('\\') {
            self.skip(2);
            self.skip_while(|c| c != '\'');
            self.skip(1);
        } else if self.peek(1) == Some('\'') {
            self.skip(2);
        } else {
            self.skip_while(is_word_part);
        }
    }

    fn skip_comment(&mut self) {
        let mut depth = 0;
        while !self.rest().is_empty() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip(1);
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest().chars().nth(ahead)
    }

    fn skip(&mut self, count: usize) {
        let rest = self.rest();
        let end = rest.char_indices().nth(count);
        self.pass(end.map_or(rest.len(), |(end, _)| end));
    }

    fn skip_while(&mut self, keep: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.pass(rest.find(|c| !keep(c)).unwrap_or(rest.len()));
    }

    /// Goes on by so many bytes, which end at a character.
    fn pass(&mut self, bytes: usize) {
        let passed = &self.rest().as_bytes()[..bytes];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at += bytes;
    }
}

fn is_word_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::{Token::*, *};

    fn tokens(source: &str) -> Vec<Token<'_>> {
        read(source).iter().map(|lexeme| lexeme.token).collect()
    }

    #[test]
    fn comments_numbers_characters_and_lifetimes_are_left_out() {
        assert_eq!(tokens("a // b\n/* c /* d */ e */ f"), [Word("a"), Word("f")]);
        assert_eq!(tokens(r"'x' '\'' '\u{1F600}' b'y' 'static"), []);
        assert_eq!(tokens("0x1f 1_000u64"), []);
        assert_eq!(tokens("&'a str"), [Mark('&'), Word("str")]);
    }

    #[test]
    fn strings_of_every_kind_are_literals() {
        assert_eq!(tokens(r#" "a\"b" b"c" c"d" "#), [Literal(r#"a\"b"#), Literal("c"), Literal("d"),]);
        assert_eq!(tokens(r###" r"e" r#"f"g"# br##"h"# "## "###), [Literal("e"), Literal("f\"g"), Literal("h\"# "),]);
    }

    #[test]
    fn words_paths_and_marks_keep_their_line() {
        let lexemes = read("use a::r#type;\nlet x: u8");
        let found: Vec<_> = lexemes.iter().map(|l| (l.token, l.line)).collect();
        assert_eq!(
            found,
            [
                (Word("use"), 1),
                (Word("a"), 1),
                (Path, 1),
                (Word("type"), 1),
                (Mark(';'), 1),
                (Word("let"), 2),
                (Word("x"), 2),
                (Mark(':'), 2),
                (Word("u8"), 2),
            ]
        );
    }

    #[test]
    fn broken_text_ends() {
        for text in ["\"", "r#\"", "/* /*", "'", "'\\", "r#", "é\"ü", "b'"] {
            let lexemes = read(text);
            assert!(lexemes.len() <= text.chars().count(), "{text}");
        }
    }
}
