//! Answers a JSON array of questions from standard input with a JSON array on standard output.

use std::io::{self, Read as _};

use tollway_interop::{Answer, Question, answer};

/// Longest input read, in bytes.
const INPUT_MAX: u64 = 16 << 20;

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().lock().take(INPUT_MAX).read_to_string(&mut text)?;
    let questions: Vec<Question> = serde_json::from_str(&text)?;
    let answers: Vec<Answer> = questions.into_iter().map(answer).collect();
    serde_json::to_writer(io::stdout().lock(), &answers)?;
    Ok(())
}
