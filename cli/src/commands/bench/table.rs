//! The table that people read.

use comfy_table::{CellAlignment, Table, presets};

use super::BUILD;
use super::machine::Machine;

/// A line of a table.
pub(super) struct Row {
    pub what: &'static str,
    pub figure: String,
    pub goal: &'static str,
    pub met: Option<bool>,
}

/// A table with what was measured on, and the verdict below it: how many messages were checked on how many disks.
pub(super) fn table(
    [before, after]: [&Machine; 2],
    rows: Vec<Row>,
    (checked, disks): (usize, &str),
    problems: &[String],
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["measured", "figure", "goal", ""]);
    for row in rows {
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        table.add_row([row.what, &row.figure, row.goal, met]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Left);
    }
    let verdict = match problems {
        [] => format!("{checked} messages are on {disks} disks exactly once, in one order, confirmed"),
        problems => format!("FAILED: {}", problems.join("; ")),
    };
    format!(
        "parlour {} ({BUILD} build), {} cores, load average {} before, {} after\n\n{}\n\n{verdict}\n",
        env!("CARGO_PKG_VERSION"),
        before.cores,
        load(before),
        load(after),
        table.trim_fmt()
    )
}

pub(super) fn row(what: &'static str, figure: String, goal: &'static str, met: bool) -> Row {
    Row {
        what,
        figure,
        goal,
        met: Some(met),
    }
}

pub(super) fn fact(what: &'static str, figure: String) -> Row {
    Row {
        what,
        figure,
        goal: "",
        met: None,
    }
}

pub(super) fn mib(value: Option<f64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| format!("{value:.1}"))
}

fn load(machine: &Machine) -> String {
    match machine.load {
        Some([one, five, fifteen]) => format!("{one:.2} {five:.2} {fifteen:.2}"),
        None => "unknown".to_owned(),
    }
}
