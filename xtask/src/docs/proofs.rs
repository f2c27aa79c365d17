//! Tests named in tables: what a page offers as a proof exists. A column is one of proofs if its heading says "test".

use std::collections::BTreeSet;

use super::markdown::{Page, Piece};
use crate::report::Finding;
use crate::repository::Repository;
use crate::rust_source::RustSource;

/// The names of all functions in the tree but tests that are left out: those prove nothing.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn functions(repository: &Repository) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    for path in repository
        .files()
        .iter()
        .filter(|path| path.ends_with(".rs"))
    {
        let source = RustSource::new(path, &repository.read(path)?);
        let left_out = ignored(&source);
        let functions = source.functions().into_iter().map(|function| function.name);
        names.extend(functions.filter(|name| !left_out.contains(name)));
    }
    Ok(names)
}

/// The names of functions under `#[ignore]`.
fn ignored(source: &RustSource) -> BTreeSet<String> {
    let behind = source.masked.split("#[ignore").skip(1);
    behind
        .filter_map(|rest| {
            let name = rest.split_once("fn ")?.1;
            name.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .next()
                .map(ToString::to_string)
        })
        .collect()
}

/// Every name between backquotes in a column of proofs is a function of the tree.
pub(crate) fn check(page: &Page, functions: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for cell in cells_of_proofs(&page.prose) {
        for name in names(&cell.text)
            .into_iter()
            .filter(|name| !functions.contains(name))
        {
            findings.push(Finding::at(
                &page.path,
                cell.line,
                format!("there is no test `{name}`"),
            ));
        }
    }
    findings
}

fn cells_of_proofs(lines: &[Piece]) -> Vec<Piece> {
    let mut cells = Vec::new();
    // The columns of proofs of the table we are in; none outside of tables.
    let mut columns: Option<Vec<usize>> = None;
    for piece in lines {
        if !piece.text.trim_start().starts_with('|') {
            columns = None;
            continue;
        }
        let row = row(&piece.text);
        match &columns {
            Some(columns) => {
                let chosen = columns.iter().filter_map(|column| row.get(*column));
                cells.extend(chosen.map(|text| Piece {
                    line: piece.line,
                    text: text.clone(),
                }));
            }
            None => {
                let proofs = row
                    .iter()
                    .enumerate()
                    .filter(|(_, heading)| is_heading_of_proofs(heading));
                columns = Some(proofs.map(|(column, _)| column).collect());
            }
        }
    }
    cells
}

/// The cells of a row. A bar inside backquotes or behind a backslash parts nothing.
fn row(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut in_code = false;
    for letter in line.trim().trim_start_matches('|').chars() {
        if letter == '|' && !in_code && !cell.ends_with('\\') {
            cells.push(std::mem::take(&mut cell));
        } else {
            in_code ^= letter == '`';
            cell.push(letter);
        }
    }
    cells.push(cell);
    cells
}

fn is_heading_of_proofs(heading: &str) -> bool {
    let mut words = heading.split(|letter: char| !letter.is_alphabetic());
    words.any(|word| matches!(word.to_lowercase().as_str(), "test" | "tests"))
}

/// The last parts of the names between backquotes, where they can be names of functions.
fn names(cell: &str) -> Vec<String> {
    let spans = cell.split('`').skip(1).step_by(2);
    let last = spans.map(|span| {
        span.rsplit("::")
            .next()
            .unwrap_or_default()
            .trim_end_matches("()")
    });
    last.filter(|name| is_function_name(name))
        .map(ToString::to_string)
        .collect()
}

fn is_function_name(name: &str) -> bool {
    name.contains('_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| # | The latest API | Tests |\n|---|---|---|\n| 1 | `a_b` | `model::c_d`, `e_f` |\n| 2 | `a|b` | none yet |\n\n`g_h`\n";

    fn missing(known: &[&str]) -> Vec<String> {
        let known = known.iter().map(ToString::to_string).collect();
        check(&Page::read("a.md", TABLE), &known)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_test_that_exists_passes_by_its_last_name() {
        assert_eq!(missing(&["c_d", "e_f"]), [""; 0]);
    }

    #[test]
    fn a_test_that_is_gone_is_caught_and_other_columns_are_left_alone() {
        assert_eq!(missing(&["c_d"]), ["a.md:3: there is no test `e_f`"]);
        assert_eq!(missing(&[]).len(), 2);
    }

    #[test]
    fn a_bar_inside_code_parts_no_cells() {
        assert_eq!(row("| `a|b` | c \\| d |"), [" `a|b` ", " c \\| d ", ""]);
    }

    #[test]
    fn a_test_that_is_left_out_is_no_proof() {
        let text = "#[ignore = \"later\"]\n#[test]\nfn a_b() {}\nfn c_d() {}\n";
        let source = RustSource::new("crates/a/tests/it/main.rs", text);
        assert_eq!(ignored(&source), BTreeSet::from(["a_b".to_string()]));
    }

    #[test]
    fn functions_of_this_tree_are_known() {
        let known = functions(&Repository::open().unwrap()).unwrap();
        assert!(known.contains("functions_of_this_tree_are_known"));
        assert!(!known.contains("functions_of_another_tree"));
    }
}
