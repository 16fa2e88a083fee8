//! The examples of the page are what happens.

use super::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/FLOWS.md");

/// The cells of the page's table.
fn rows() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let section = page.split("\n## Pipes\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or_else(|| panic!("{cell} is no code"))
}

fn value(cell: &str) -> Option<Value> {
    if cell == "nothing" { None } else { Some(serde_json::from_str(code(cell)).unwrap_or_else(|_| panic!("{cell}"))) }
}

#[test]
fn the_page_lists_every_pipe_with_an_example_that_is_so() {
    let rows = rows();
    let listed: BTreeSet<_> = rows.iter().map(|row| code(&row[0]).to_owned()).collect();
    assert_eq!(listed, names().map(str::to_owned).collect());
    for row in &rows {
        let [name, _, _, before, example, after] = row.as_slice() else {
            panic!("{row:?} has another number of cells")
        };
        let example = code(example);
        assert_eq!(example.split(' ').next(), Some(code(name)), "{row:?}");
        assert_eq!(pipes(example).apply(value(before)).unwrap(), value(after), "{row:?}");
    }
}
