//! Rows of comma-separated values (RFC 4180) that no spreadsheet takes for formulas.

/// One row, without its end.
pub fn row(cells: &[String]) -> String {
    cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",")
}

/// A file: the names of the columns, then the rows.
pub fn file(heads: &str, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("{heads}\r\n");
    for cells in rows {
        text.push_str(&row(&cells));
        text.push_str("\r\n");
    }
    text
}

/// Quoted where it must be; a cell that a spreadsheet would take for a formula is made text. A number stays one.
fn quoted(cell: &str) -> String {
    let is_number = cell.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    let risky = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let safe = if risky { format!("'{cell}") } else { cell.to_owned() };
    if safe.contains([',', '"', '\n', '\r']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_97_cells_are_quoted_and_never_formulas() {
        for (cell, written) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("-1+cmd", "'-1+cmd"),
            ("-1.50", "-1.50"),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(quoted(cell), written);
        }
        let text = file("a,b", [vec!["1".to_owned(), "@x".to_owned()]].into_iter());
        assert_eq!(text, "a,b\r\n1,'@x\r\n");
    }
}
