//! The report for people.

use std::io::Write as _;

use anyhow::Context as _;

use crate::measure::Report;

/// One line, or several, on standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("standard output is closed")
}

/// The figures as a table, then what stands behind each.
pub(crate) fn text(report: &Report) -> String {
    let (plan, machine) = (&report.plan, &report.machine);
    let mut lines = vec![
        format!(
            "{}, {} processors; {} rounds of {} s",
            machine.processor, machine.processors, plan.rounds, plan.seconds
        ),
        format!(
            "4 KiB appended and flushed in {:.0} us; load average {} before, {} after",
            machine.flush, machine.busy_before, report.busy_after
        ),
        String::new(),
        format!("{:<14} {:>6} {:>15} {:>6}  met", "figure", "ratio", "of the rounds", "goal"),
    ];
    for figure in &report.figures {
        let spread = format!("{:.2} to {:.2}", figure.lowest, figure.highest);
        let met = if figure.met { "yes" } else { "no" };
        lines.push(format!("{:<14} {:>6.2} {spread:>15} {:>6.2}  {met}", figure.name, figure.ratio, figure.goal));
    }
    for figure in &report.figures {
        lines.push(format!("\n{}: {}", figure.name, figure.note));
    }
    lines.push(format!("\n{:<12} {:>14} {:>14} {:>14}", "connections", "paid/s", "p99 ms", "free/s"));
    if let [paid, free] = report.curves.as_slice() {
        for (paid, free) in paid.points.iter().zip(&free.points) {
            lines.push(format!("{:<12} {:>14.0} {:>14.1} {:>14.0}", paid.0, paid.1, paid.2 / 1e3, free.1));
        }
    }
    lines.join("\n")
}
