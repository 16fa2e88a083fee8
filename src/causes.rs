//! Dead letters by what they died of: thousands of them mostly have a handful of causes, and each cause is mended once.
//!
//! Two errors have one cause if they read the same without what differs from record to record: ids, numbers and quoted parts. The status of an
//! answer stays, since 401 and 422 are mended in different ways. Only the newest [`LOOKED_THROUGH`] dead letters are looked through, so that the
//! question stays cheap however many there are.

use std::collections::{BTreeSet, HashMap};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::Serialize;
use sync_workers::records::{DeadLetter, Records, RecordsError};

/// Dead letters that are looked through.
pub(crate) const LOOKED_THROUGH: usize = 10_000;
/// Locations that a group names.
const NAMED: usize = 5;
/// Letters of a cause.
const LONGEST: usize = 240;
/// Stands for what differs.
const ANY: &str = "…";

/// Dead letters of one kind that died of the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Group {
    /// The same for the same kind and cause, at all times.
    pub(crate) id: String,
    /// Of the jobs.
    pub(crate) kind: String,
    /// Their last error, without what differs.
    pub(crate) cause: String,
    /// How many, among those that were looked through.
    pub(crate) count: usize,
    /// When the first of them died.
    pub(crate) first_at: Timestamp,
    /// When the last of them died.
    pub(crate) last_at: Timestamp,
    /// How many locations have some.
    pub(crate) locations: usize,
    /// The first few of those.
    pub(crate) location_ids: Vec<String>,
    /// The newest one.
    pub(crate) sample_job_id: String,
    /// What that one says.
    pub(crate) sample_error: String,
    /// What mends it.
    pub(crate) remedy: &'static str,
}

/// The groups, those first that have the newest dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
    /// Whether there are more dead letters than were looked through.
    pub(crate) is_cut: bool,
}

/// The dead letters that the principal sees, by cause.
pub(crate) async fn groups(records: &Records, location: Option<&str>) -> Result<Groups, RecordsError> {
    let letters = newest(records, location).await?;
    let is_cut = letters.len() > LOOKED_THROUGH;
    Ok(Groups { groups: grouped(&letters[..letters.len().min(LOOKED_THROUGH)]), is_cut })
}

/// The ids of the dead letters of a group, newest first.
pub(crate) async fn of_group(records: &Records, location: Option<&str>, id: &str) -> Result<Vec<String>, RecordsError> {
    let letters = newest(records, location).await?;
    let of_group = letters.into_iter().take(LOOKED_THROUGH).filter(|letter| key(letter).0 == id);
    Ok(of_group.map(|letter| letter.id).collect())
}

async fn newest(records: &Records, location: Option<&str>) -> Result<Vec<DeadLetter>, RecordsError> {
    records.dead_letters(location, i64::try_from(LOOKED_THROUGH).unwrap_or(i64::MAX) + 1).await
}

fn grouped(letters: &[DeadLetter]) -> Vec<Group> {
    let mut groups: HashMap<String, (Group, BTreeSet<&str>)> = HashMap::new();
    for letter in letters {
        let (id, cause) = key(letter);
        let (group, locations) = groups.entry(id.clone()).or_insert_with(|| {
            let error = letter.error.clone().unwrap_or_else(|| cause.clone());
            let group = Group {
                id,
                kind: letter.kind.clone(),
                remedy: remedy(&cause),
                cause,
                count: 0,
                first_at: letter.died_at,
                last_at: letter.died_at,
                locations: 0,
                location_ids: Vec::new(),
                sample_job_id: letter.id.clone(),
                sample_error: error,
            };
            (group, BTreeSet::new())
        });
        group.count += 1;
        group.first_at = group.first_at.min(letter.died_at);
        group.last_at = group.last_at.max(letter.died_at);
        locations.insert(&letter.location_id);
    }
    let mut groups: Vec<Group> = groups
        .into_values()
        .map(|(group, locations)| Group {
            locations: locations.len(),
            location_ids: locations.into_iter().take(NAMED).map(str::to_owned).collect(),
            ..group
        })
        .collect();
    groups.sort_by(|one, other| (other.last_at, &one.id).cmp(&(one.last_at, &other.id)));
    groups
}

/// What a letter's group is known by, and its cause.
fn key(letter: &DeadLetter) -> (String, String) {
    let cause = letter.error.as_deref().map_or_else(|| "no reason was kept".to_owned(), normalized);
    let hash = digest(&SHA256, format!("{}\n{cause}", letter.kind).as_bytes());
    (hash.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect(), cause)
}

/// An error without what differs from record to record.
pub(crate) fn normalized(error: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in without_quotes(error).split_whitespace() {
        let word = plain(word);
        if word != ANY || words.last().is_none_or(|last| last != ANY) {
            words.push(word);
        }
    }
    let text = words.join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}{ANY}", &text[..end]),
        None => text,
    }
}

/// What stands between two quotation marks of a kind is somebody's value.
fn without_quotes(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(['"', '`', '“']) {
        let open = rest[start..].chars().next().unwrap_or('"');
        let close = if open == '“' { '”' } else { open };
        let behind = start + open.len_utf8();
        let Some(length) = rest[behind..].find(close) else { break };
        // A command in backquotes is the same for all.
        let inside = &rest[behind..behind + length];
        let is_command = open == '`' && inside.contains(' ');
        plain.push_str(&rest[..behind]);
        plain.push_str(if is_command { inside } else { ANY });
        plain.push(close);
        rest = &rest[behind + length + close.len_utf8()..];
    }
    plain + rest
}

/// A word, with ids and numbers in it replaced.
fn plain(word: &str) -> String {
    let mut text = String::new();
    let mut token = String::new();
    for letter in word.chars() {
        if letter.is_alphanumeric() || matches!(letter, '-' | '_') {
            token.push(letter);
        } else {
            text.push_str(&shortened(&token));
            token.clear();
            text.push(letter);
        }
    }
    text + shortened(&token).as_str()
}

fn shortened(token: &str) -> String {
    let digits = token.chars().filter(char::is_ascii_digit).count();
    let is_status = token.len() == 3 && digits == 3 && matches!(token.as_bytes()[0], b'4' | b'5');
    let has_cases =
        token.chars().any(|c| c.is_ascii_lowercase()) && token.chars().skip(1).any(|c| c.is_ascii_uppercase());
    let is_id = token.len() >= 16 && (digits > 0 || has_cases);
    let is_number = digits > 0 && token.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '_'));
    let is_amount = digits > 0 && token.trim_start_matches(|c: char| c.is_ascii_digit()).len() <= 2;
    if !is_status && (is_id || is_number || is_amount) { ANY.to_owned() } else { token.to_owned() }
}

/// What mends dead letters that say so.
pub(crate) fn remedy(cause: &str) -> &'static str {
    let cause = cause.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| cause.contains(part));
    if says(&["scope"]) {
        "Grant the scope that is named, connect the location again, then retry."
    } else if says(&["not authorize", "token", "401", "not connected"]) {
        "Connect the location again with a login that GHL takes, then retry."
    } else if says(&["not known whether"]) {
        "Look in GHL whether it was carried out. If it was not, call it anew; then discard this one."
    } else if says(&["killed", "worker"]) {
        "A job that ends its worker: see the worker's log, then retry it alone."
    } else if says(&["this version", "not known to"]) {
        "Another release wrote it: run that release, then retry; or discard."
    } else if says(&["no such", "404", "not find"]) {
        "The record is gone in GHL. Discard, or select the contact again."
    } else if says(&["throttles", "429"]) {
        "GHL's limit was used up: retry when calls are left."
    } else if says(&["did not answer", "out of order", "connection", "500", "502", "503", "504"]) {
        "GHL or the way to it failed for long. See status.gohighlevel.com; retry once it works."
    } else if says(&["refuses", "422", "400"]) {
        "GHL refuses the value. Correct it in Clienty or in GHL; discard what was corrected, retry the rest."
    } else {
        "Read the sample, mend what it names, then retry."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_record_to_record_is_left_out_and_statuses_stay() {
        for (error, cause) in [
            (
                "GHL refuses the call with 422: email must be an email",
                "GHL refuses the call with 422: email must be an email",
            ),
            ("GHL refuses the call with 401: no", "GHL refuses the call with 401: no"),
            ("no contact ocQHyuzHvysMo5N5VsXc of 7 in 0198f3c4-7a10-7c41-9d7e-2f5b6a1c8e90", "no contact … of … in …"),
            ("the field \"a b\" and `x` are wrong", "the field \"…\" and `…` are wrong"),
            ("`clienty-sync jobs retry` sends it again", "`clienty-sync jobs retry` sends it again"),
            ("ended after 30.5s, 12 times", "ended after ….…, … times"),
            ("an \"open quote", "an \"open quote"),
        ] {
            assert_eq!(normalized(error), cause);
        }
        assert!(normalized(&"word ".repeat(500)).chars().count() <= LONGEST + 1);
    }

    #[test]
    fn letters_are_grouped_by_kind_and_cause_with_the_newest_group_first() {
        let letter = |id: &str, kind: &str, location: &str, second: i64, error: &str| DeadLetter {
            id: id.to_owned(),
            kind: kind.to_owned(),
            location_id: location.to_owned(),
            error: Some(error.to_owned()),
            died_at: Timestamp::from_second(second).unwrap(),
        };
        let letters = [
            letter("c", "push_task", "l2", 30, "GHL refuses the call with 422: task 17"),
            letter("b", "pull_contact", "l1", 40, "GHL did not answer in time"),
            letter("a", "push_task", "l1", 10, "GHL refuses the call with 422: task 18"),
        ];
        let groups = grouped(&letters);
        let reported: Vec<_> = groups.iter().map(|g| (g.count, g.locations, g.sample_job_id.as_str())).collect();
        assert_eq!(reported, [(1, 1, "b"), (2, 2, "c")]);
        assert_eq!((groups[1].first_at.as_second(), groups[1].last_at.as_second()), (10, 30));
        assert_eq!(groups[1].id, key(&letters[2]).0);
    }

    proptest::proptest! {
        #[test]
        fn no_error_is_too_long_or_too_odd(error in "\\PC{0,300}") {
            let once = normalized(&error);
            proptest::prop_assert!(once.chars().count() <= LONGEST + 1);
        }
    }
}
