//! "Did you mean": the known name nearest to a misspelled one.

/// The name that a person most likely meant, if any is near: one slip, and one more for each six letters.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = 1 + wrong.len() / 6;
    known
        .into_iter()
        .map(|name| (slips(wrong, name), name))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to insert, drop or replace to turn one into the other (Levenshtein's distance), keeping one row of its table.
fn slips(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_inserted_dropped_and_replaced_letters() {
        assert_eq!(slips("kitten", "sitting"), 3);
        assert_eq!(slips("", "abc"), 3);
        assert_eq!(slips("same", "same"), 0);
    }

    #[test]
    fn a_name_that_is_like_none_gets_no_suggestion() {
        assert_eq!(nearest("redis.ur", ["redis.url", "worker.concurrency"]), Some("redis.url"));
        assert_eq!(nearest("mail.host", ["redis.url", "worker.concurrency"]), None);
    }
}
