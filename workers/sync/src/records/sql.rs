//! The statements' texts, each a file in `sql/` named after its verb, and the few that grow with their input.

/// The text of one statement.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/records/sql/", $name, ".sql"))
    };
}

pub(super) use sql;
use sqlx::AssertSqlSafe;

/// Rows of one statement at most: SQLite takes 32,766 placeholders, and no row here needs more than 32.
pub(super) const CHUNK: usize = 500;
/// Rows of one statement that has many columns. SQLite looks for each placeholder among all of the statement: what is ten times as long takes it
/// a hundred times as long.
pub(super) const ROWS: usize = 50;

/// `head` followed by `rows` groups of `columns` placeholders: `head ($1, $2), ($3, $4)`.
pub(super) fn with_rows(head: &'static str, rows: usize, columns: usize) -> AssertSqlSafe<String> {
    let groups: Vec<String> = (0..rows).map(|row| group(row * columns, columns)).collect();
    AssertSqlSafe(format!("{head}{}", groups.join(", ")))
}

/// [`with_rows`] with a `tail` behind them.
pub(super) fn with_rows_then(
    head: &'static str,
    rows: usize,
    columns: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{} {tail}", with_rows(head, rows, columns).0))
}

/// `head` followed by one group of `count` placeholders: `head ($1, $2, $3)`.
pub(super) fn with_list(head: &'static str, count: usize) -> AssertSqlSafe<String> {
    with_list_after(head, 0, count)
}

/// [`with_list`] for a head that has `before` placeholders itself.
pub(super) fn with_list_after(head: &'static str, before: usize, count: usize) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{head}{}", group(before, count)))
}

fn group(before: usize, count: usize) -> String {
    let marks: Vec<String> = (before + 1..=before + count).map(|number| format!("${number}")).collect();
    format!("({})", marks.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_on_from_row_to_row() {
        assert_eq!(with_rows("values ", 2, 2).0, "values ($1, $2), ($3, $4)");
        assert_eq!(with_list("in ", 3).0, "in ($1, $2, $3)");
        assert_eq!(with_list_after("a = $1 and b in ", 1, 2).0, "a = $1 and b in ($2, $3)");
    }
}
