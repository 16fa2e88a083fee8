//! API keys: those that end soon, and those of releases without roles.

use jiff::{SignedDuration, Timestamp};
use sync_model::clock::Clock;
use sync_workers::records::{ApiKey, KEY_ENDS_SOON, Records};

use super::{Check, named};

const NAME: &str = "api keys";

/// Silent where the database does not answer, which another check reports.
pub(super) async fn check(records: &Records) -> Vec<Check> {
    match records.list_keys().await {
        Ok(keys) => look(&keys, Clock::system().now()),
        Err(_) => Vec::new(),
    }
}

fn look(keys: &[ApiKey], now: Timestamp) -> Vec<Check> {
    let soon = SignedDuration::try_from(KEY_ENDS_SOON).unwrap_or(SignedDuration::MAX);
    let in_force: Vec<_> = keys.iter().filter(|key| key.is_in_force(now)).collect();
    let reported = |key: &&&ApiKey| format!("{} ({})", key.name, key.id);
    let undecided: Vec<_> = in_force.iter().filter(|key| key.predates_roles).map(|key| reported(&key)).collect();
    let ends_soon = |key: &ApiKey| key.expires_at.filter(|end| end.duration_since(now) <= soon);
    let ending: Vec<_> =
        in_force.iter().filter_map(|key| Some(format!("{} at {:.0}", reported(&key), ends_soon(key)?))).collect();
    let mut checks = Vec::new();
    if !ending.is_empty() {
        checks.push(Check::warning(
            NAME,
            format!("{} end within 14 days: {}", ending.len(), named(&ending)),
            "`clienty-sync keys rotate ID --overlap 7d --expires 90d` gives a key a new secret and a new end; `keys revoke ID` ends it now",
        ));
    }
    if !undecided.is_empty() {
        checks.push(Check::warning(
            NAME,
            format!(
                "{} were made before keys had roles, and send events and read people of every location: {}",
                undecided.len(),
                named(&undecided)
            ),
            "create a new key with the roles it needs, `clienty-sync keys create --name NAME --role R --locations L`, and `keys revoke ID` the old one",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok(NAME, format!("{} in force", in_force.len())));
    }
    checks
}

#[cfg(test)]
mod tests {
    use sync_workers::records::{Places, Role};

    use super::super::State;
    use super::*;

    fn key(name: &str, predates_roles: bool, expires_at: Option<&str>, revoked: bool) -> ApiKey {
        let at = |text: &str| text.parse().unwrap();
        ApiKey {
            id: format!("id-of-{name}"),
            name: name.to_owned(),
            roles: Role::BEFORE.to_vec(),
            locations: Places::All,
            reads_people: true,
            events_per_minute: None,
            created_by: None,
            created_at: at("2026-01-01T00:00:00Z"),
            expires_at: expires_at.map(at),
            last_used_at: None,
            revoked_at: revoked.then(|| at("2026-05-01T00:00:00Z")),
            predates_roles,
        }
    }

    #[test]
    fn keys_that_end_within_14_days_and_keys_without_roles_are_named_and_no_others() {
        let keys = [
            key("fresh", false, None, false),
            key("soon", false, Some("2026-06-15T12:00:00Z"), false),
            key("later", false, Some("2026-06-15T12:00:01Z"), false),
            key("over", false, Some("2026-06-01T12:00:00Z"), false),
            key("old", true, None, false),
            key("old-and-revoked", true, Some("2026-06-02T00:00:00Z"), true),
        ];
        let now = "2026-06-01T12:00:00Z".parse().unwrap();
        let found: Vec<_> = look(&keys, now).into_iter().map(|check| (check.state, check.found)).collect();
        let ending = "1 end within 14 days: soon (id-of-soon) at 2026-06-15T12:00:00Z";
        let undecided =
            "1 were made before keys had roles, and send events and read people of every location: old (id-of-old)";
        assert_eq!(found, [ending, undecided].map(|found| (State::Warning, found.to_owned())));
        let found: Vec<_> = look(&keys[..1], now).into_iter().map(|check| (check.state, check.found)).collect();
        assert_eq!(found, [(State::Ok, "1 in force".to_owned())]);
    }
}
