//! What a relay of MCP reads: messages, events and lines.

use tollway_mcp::relay::{Events, Line, Lines, Message, TooLong};

use crate::targets::Told;

/// Longest event and line that is fed.
const LONGEST: usize = 256;

/// A message is the same after it was written; with another member, and back, too.
pub(crate) fn message(input: &[u8]) -> Told {
    let Ok(messages) = Message::read_all(input) else { return Ok(false) };
    for message in messages {
        let again = Message::read(message.as_str().as_bytes()).map_err(|why| format!("is not read again: {why}"))?;
        if again.kind() != message.kind() || again.as_str() != message.as_str() {
            return Err("is another message when written".to_owned());
        }
        let fields = message.fields();
        for member in ["params", "result", "error", "id"] {
            if let Some(value) = fields.get(member)
                && message.with(member, value.to_owned()).value(member) != message.value(member)
            {
                return Err(format!("`{member}` changes when it is put back"));
            }
        }
    }
    Ok(true)
}

/// How a stream is cut into pieces changes nothing.
pub(crate) fn events(input: &[u8]) -> Told {
    let read = |size: usize| {
        let (mut events, mut found) = (Events::new(LONGEST), Vec::new());
        for piece in input.chunks(size) {
            events.feed(piece);
            while let Some(event) = events.take()? {
                found.push(event);
            }
        }
        Ok::<_, TooLong>(found)
    };
    let (whole, each) = (read(input.len().max(1)), read(1));
    match (&whole, &each) {
        (Ok(whole), Ok(each)) if whole == each => Ok(!whole.is_empty()),
        (Err(_), _) | (_, Err(_)) => Ok(false),
        _ => Err("is read otherwise in pieces".to_owned()),
    }
}

/// No line is longer than asked for.
pub(crate) fn lines(input: &[u8]) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut lines = Lines::new(input, LONGEST);
        let mut found = false;
        while let Some(line) = lines.next().await.map_err(|error| error.to_string())? {
            if matches!(&line, Line::Whole(line) if line.len() > LONGEST) {
                return Err("is a longer line than asked for".to_owned());
            }
            found = true;
        }
        Ok(found)
    })
}
