//! The statements' texts, each a file in `sql/` named after its verb, and the few that grow with their input.

/// The text of one statement.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/records/sql/", $name, ".sql"))
    };
}

pub(super) use sql;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::RecordsError;

/// Rows of one statement at most: SQLite takes 32,766 placeholders, and no row here needs more than 32.
pub(super) const CHUNK: usize = 500;
/// Rows of one statement that has many columns.
pub(super) const ROWS: usize = 50;

/// Rows of one statement that has few.
const FEW: usize = 10;

/// How a database takes the placeholders of the rows of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// `$1`, `$2`, …
    Numbered,
    /// `?`. SQLite would look for the name of each numbered one among all of the statement: what is ten times as long would take it a hundred times
    /// as long (`sqlite3VListNumToName`; a third of a pull's time before this).
    Plain,
}

impl Marks {
    /// As the database of the connection takes them.
    pub(super) fn of(connection: &AnyConnection) -> Self {
        match connection.backend_name() {
            "SQLite" => Self::Plain,
            _ => Self::Numbered,
        }
    }

    /// One group of `count` placeholders, behind so many others.
    fn group(self, before: usize, count: usize) -> String {
        let mark = |number| match self {
            Self::Numbered => format!("${number}"),
            Self::Plain => "?".to_owned(),
        };
        let marks: Vec<String> = (before + 1..=before + count).map(mark).collect();
        format!("({})", marks.join(", "))
    }
}

/// Takes from `rows` what one statement holds, at most `most` of them: as many as a few sizes have, so that a connection prepares each
/// text once. What is short of a size is filled up with its last row: passing a row twice must be the same as once.
pub(super) fn take_batch<'a, T>(rows: &mut &'a [T], most: usize) -> Vec<&'a T> {
    let size = match rows.len() {
        left @ (0 | 1) => left,
        2..=FEW => FEW,
        left if left > most / 2 => most,
        _ => ROWS,
    };
    let (batch, rest) = rows.split_at(size.min(rows.len()));
    *rows = rest;
    let last = batch.iter().cycle().skip(batch.len().saturating_sub(1)).take(1).cycle();
    batch.iter().chain(last).take(size).collect()
}

/// As [`take_batch`] takes [`ROWS`] at most, without filling up: for rows that must not be passed twice. Of few there is a size for each.
pub(super) fn take_exactly<'a, T>(rows: &mut &'a [T]) -> &'a [T] {
    let size = [ROWS, ROWS / 2, FEW].into_iter().find(|size| *size <= rows.len()).unwrap_or(rows.len());
    let (batch, rest) = rows.split_at(size);
    *rows = rest;
    batch
}

/// `head` followed by `rows` groups of `columns` placeholders: `head ($1, $2), ($3, $4)`.
pub(super) fn with_rows(marks: Marks, head: &'static str, rows: usize, columns: usize) -> AssertSqlSafe<String> {
    let groups: Vec<String> = (0..rows).map(|row| marks.group(row * columns, columns)).collect();
    AssertSqlSafe(format!("{head}{}", groups.join(", ")))
}

/// [`with_rows`] with a `tail` behind them, whose own placeholders, from `$1` on, are bound after those of the rows.
pub(super) fn with_rows_then(
    marks: Marks,
    head: &'static str,
    rows: usize,
    columns: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{} {}", with_rows(marks, head, rows, columns).0, behind(tail, rows * columns)))
}

/// The text with its placeholders numbered on from `before`.
fn behind(text: &str, before: usize) -> String {
    let mut parts = text.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let number: usize = part[..part.len() - rest.len()].parse().unwrap_or_default();
        format!("{text}${}{rest}", before + number)
    })
}

/// The rows that belong to a list of texts, which `head` ends before.
pub(super) async fn look_up(
    connection: &mut AnyConnection,
    head: &'static str,
    of: &[String],
) -> Result<Vec<AnyRow>, RecordsError> {
    let mut distinct: Vec<&String> = of.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let (mut left, mut rows) = (distinct.as_slice(), Vec::new());
    while !left.is_empty() {
        let batch = take_batch(&mut left, ROWS);
        let query = sqlx::query(with_list(head, batch.len()));
        let query = batch.into_iter().fold(query, |query, text| query.bind(text.as_str()));
        rows.append(&mut query.fetch_all(&mut *connection).await?);
    }
    Ok(rows)
}

/// The rows that belong to pairs of texts, a location and an id in it: `head` ends with `in (values`. Not `is_planned_once` where two indexes begin with
/// the location: a plan of when the table was empty may take the one that has nothing of the rest.
pub(super) async fn look_up_pairs(
    connection: &mut AnyConnection,
    head: &'static str,
    of: &[(&str, &str)],
    is_planned_once: bool,
) -> Result<Vec<AnyRow>, RecordsError> {
    let marks = Marks::of(connection);
    // SQLite plans without regard to what the tables hold.
    let is_planned_once = is_planned_once || marks == Marks::Plain;
    let (mut left, mut rows) = (of, Vec::new());
    while !left.is_empty() {
        let batch = take_batch(&mut left, ROWS);
        let query = sqlx::query(with_rows_then(marks, head, batch.len(), 2, ")")).persistent(is_planned_once);
        let query = batch.into_iter().fold(query, |query, (one, other)| query.bind(*one).bind(*other));
        rows.append(&mut query.fetch_all(&mut *connection).await?);
    }
    Ok(rows)
}

/// [`with_rows_then`] for a statement that has `before` placeholders itself.
pub(super) fn with_rows_between(
    head: &'static str,
    before: usize,
    rows: usize,
    columns: usize,
    tail: &'static str,
) -> AssertSqlSafe<String> {
    let groups: Vec<String> = (0..rows).map(|row| Marks::Numbered.group(before + row * columns, columns)).collect();
    AssertSqlSafe(format!("{head}{}{tail}", groups.join(", ")))
}

/// `head` followed by one group of `count` placeholders: `head ($1, $2, $3)`.
pub(super) fn with_list(head: &'static str, count: usize) -> AssertSqlSafe<String> {
    with_list_after(head, 0, count)
}

/// [`with_list`] for a head that has `before` placeholders itself.
pub(super) fn with_list_after(head: &'static str, before: usize, count: usize) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{head}{}", Marks::Numbered.group(before, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_one_of_a_few_sizes_and_each_row_is_in_one() {
        let rows: Vec<usize> = (0..1234).collect();
        for (count, sizes) in [
            (0, vec![]),
            (1, vec![1]),
            (2, vec![10]),
            (10, vec![10]),
            (11, vec![50]),
            (251, vec![500]),
            (500, vec![500]),
            (603, vec![500, 50, 50, 10]),
            (1234, [vec![500, 500], vec![50; 5]].concat()),
        ] {
            let mut left = &rows[..count];
            let mut batches = Vec::new();
            while !left.is_empty() {
                batches.push(take_batch(&mut left, CHUNK));
            }
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{count}");
            let mut reported: Vec<usize> = batches.concat().into_iter().copied().collect();
            reported.dedup();
            assert_eq!(reported, rows[..count]);
        }
    }

    #[test]
    fn rows_that_must_not_be_reported_twice_are_in_one_batch_of_a_few_sizes() {
        let rows: Vec<usize> = (0..200).collect();
        for (count, sizes) in [(0, vec![]), (7, vec![7]), (24, vec![10, 10, 4]), (185, vec![50, 50, 50, 25, 10])] {
            let mut left = &rows[..count];
            let mut batches = Vec::new();
            while !left.is_empty() {
                batches.push(take_exactly(&mut left));
            }
            assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), sizes, "{count}");
            assert_eq!(batches.concat(), rows[..count]);
        }
    }

    #[test]
    fn placeholders_count_on_from_row_to_row() {
        assert_eq!(with_rows(Marks::Numbered, "values ", 2, 2).0, "values ($1, $2), ($3, $4)");
        assert_eq!(with_rows_then(Marks::Plain, "values", 2, 2, "or nothing").0, "values(?, ?), (?, ?) or nothing");
        let then = with_rows_then(Marks::Plain, "values ", 5, 2, "where a < $1 or a > $2");
        assert_eq!(then.0, "values (?, ?), (?, ?), (?, ?), (?, ?), (?, ?) where a < $11 or a > $12");
        assert_eq!(
            with_rows_between("a = $1 and b in (values ", 1, 2, 2, ")").0,
            "a = $1 and b in (values ($2, $3), ($4, $5))"
        );
        assert_eq!(with_list("in ", 3).0, "in ($1, $2, $3)");
        assert_eq!(with_list_after("a = $1 and b in ", 1, 2).0, "a = $1 and b in ($2, $3)");
    }
}
