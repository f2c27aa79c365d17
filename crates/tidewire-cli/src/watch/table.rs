//! A page as a table for people.

use std::fmt::Write;
use std::io::IsTerminal;

use tidewire::{Page, PageRow, Record, Status};

use super::field_name;
use crate::text::plain;
use crate::words;

/// Rows shown at most; the line below says how many more there are.
const ROWS_MAX: usize = 40;
/// Columns shown at most, the id included.
const COLUMNS_MAX: usize = 8;
/// Letters of a cell shown at most.
const LETTERS_MAX: usize = 28;
/// Moves to the upper left corner and clears the screen; what was scrolled away is the user's and stays.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(super) struct Table {
    title: String,
    terminal: bool,
}

impl Table {
    pub(super) fn new(title: &str) -> Self {
        Self {
            title: plain(title),
            terminal: std::io::stdout().is_terminal(),
        }
    }

    /// Whether a table replaces the one before, so that it wipes out what stands there.
    pub(super) fn is_on_a_terminal(&self) -> bool {
        self.terminal
    }

    /// The text of a page: a line for status and trust, then the rows.
    pub(super) fn text(&self, status: &Status, page: &Page<Record>) -> String {
        let mut text = format!(
            "{} · {} · {}",
            self.title,
            words::connection(status.connection),
            words::trust(page.trust())
        );
        if let Some(reason) = page.reason() {
            push(&mut text, format_args!(" ({})", plain(reason)));
        }
        let rows = page.rows();
        match page.total_count() {
            Some(total) if page.total_is_exact() => {
                push(&mut text, format_args!(" · {} of {total}", rows.len()));
            }
            Some(total) => push(
                &mut text,
                format_args!(" · {} of about {total}", rows.len()),
            ),
            None => push(&mut text, format_args!(" · {}", rows.len())),
        }
        if page.pending_count() > 0 {
            push(
                &mut text,
                format_args!(" · {} pending", page.pending_count()),
            );
        }
        if !status.reason.is_empty() {
            push(&mut text, format_args!(" · {}", plain(&status.reason)));
        }
        text.push('\n');
        text.push_str(&grid(rows));
        if rows.len() > ROWS_MAX {
            push(
                &mut text,
                format_args!("… and {} more\n", rows.len() - ROWS_MAX),
            );
        }
        text
    }

    /// The text as it is written: in place of the one before on a terminal, else below it. `note`
    /// is added to the first line.
    pub(super) fn framed(&self, text: &str, note: &str) -> String {
        let (head, rows) = text.split_once('\n').unwrap_or((text, ""));
        let (before, after) = if self.terminal {
            (CLEAR, "")
        } else {
            ("", "\n")
        };
        format!("{before}{head}{note}\n{rows}{after}")
    }
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = text.write_fmt(part);
}

/// The rows under the names of their fields, in columns.
fn grid(rows: &[PageRow<Record>]) -> String {
    let rows = &rows[..rows.len().min(ROWS_MAX)];
    let names = names(rows);
    let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
    lines.push(
        std::iter::once("id")
            .map(cut)
            .chain(names.iter().map(|name| cut(&field_name(name))))
            .collect(),
    );
    for row in rows {
        let mark = if row.pending { "*" } else { "" };
        let mut cells = vec![cut(&format!("{}{mark}", row.id))];
        cells.extend(names.iter().map(|name| cell(row, name)));
        lines.push(cells);
    }
    let widths: Vec<usize> = (0..=names.len())
        .map(|column| {
            lines
                .iter()
                .map(|cells| letters(&cells[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for cells in &lines {
        let mut line = String::from(" ");
        for (cell, width) in cells.iter().zip(&widths) {
            push(
                &mut line,
                format_args!(" {cell}{:gap$} ", "", gap = width - letters(cell)),
            );
        }
        push(&mut text, format_args!("{}\n", line.trim_end()));
    }
    text
}

/// The names of the fields, in the order in which they are first met.
fn names(rows: &[PageRow<Record>]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| row.record.fields()) {
        if names.len() + 1 == COLUMNS_MAX {
            break;
        }
        if name != "id" && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn cell(row: &PageRow<Record>, name: &str) -> String {
    let Some(value) = row.record.get(name) else {
        return String::new();
    };
    match value.as_text() {
        Some(text) => cut(text),
        None => cut(&serde_json::to_string(&value).unwrap_or_default()),
    }
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

/// A text as it fits into a cell.
fn cut(text: &str) -> String {
    let text = plain(text);
    if letters(&text) <= LETTERS_MAX {
        return text;
    }
    text.chars().take(LETTERS_MAX - 1).chain(['…']).collect()
}
