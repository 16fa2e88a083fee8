//! An operation of the API as data, and the address of one call of it.

use std::fmt::Write as _;

use reqwest::{Method, Url};
use sync_model::ids;

use super::api::ApiVersion;
use super::error::GhlError;

/// One operation of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// GHL's own operation id; the label in metrics and logs.
    pub operation: &'static str,
    /// The HTTP method.
    pub method: Method,
    /// The path, with `{name}` where an id goes.
    pub path: &'static str,
    /// Value of the `Version` header: GHL answers 401 without it.
    pub version: &'static str,
    /// What `v3` made of it.
    pub v3: InV3,
    /// Scopes that the token needs, all of them.
    pub scopes: &'static [&'static str],
    /// Permits that a call takes: one, since a call is one request.
    pub cost: u32,
    /// Whether it may be sent again after its reply was lost.
    pub replay: Replay,
}

/// How an operation differs in `v3` of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InV3 {
    /// Not at all.
    Same,
    /// It has this path.
    Renamed(&'static str),
    /// It is gone.
    Absent,
}

/// What sending a call again does, once it may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It only reads.
    Safe,
    /// It writes, and twice is the same as once: a PUT of values, a DELETE.
    ReplaySafe,
    /// Twice is a duplicate; an intent row is written first, and the retry looks before it sends.
    Guarded,
    /// Twice is harm that no look can prevent: a message sent, a charge.
    Never,
}

impl Replay {
    const ALL: [Self; 4] = [Self::Safe, Self::ReplaySafe, Self::Guarded, Self::Never];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::ReplaySafe => "replay-safe",
            Self::Guarded => "guarded",
            Self::Never => "never",
        }
    }

    /// The class of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }

    /// Whether a call whose reply was lost may simply be sent again.
    #[must_use]
    pub fn may_repeat(self) -> bool {
        matches!(self, Self::Safe | Self::ReplaySafe)
    }
}

impl Endpoint {
    /// Its path in this generation of the API; `None` where it has no such operation.
    #[must_use]
    pub fn path_in(&self, api: ApiVersion) -> Option<&'static str> {
        match (api, self.v3) {
            (ApiVersion::V3, InV3::Renamed(path)) => Some(path),
            (ApiVersion::V3, InV3::Absent) => None,
            (ApiVersion::V3, InV3::Same) | (ApiVersion::Dated, _) => Some(self.path),
        }
    }

    /// Value of the `Version` header in this generation of the API.
    #[must_use]
    pub fn version_in(&self, api: ApiVersion) -> &'static str {
        match api {
            ApiVersion::Dated => self.version,
            ApiVersion::V3 => "v3",
        }
    }

    /// The address of a call, `ids` taking the places in the path from left to right.
    ///
    /// The path has exactly the template's segments, the fixed ones unchanged: an id is checked ([`ids::check`]), since an empty one turns
    /// `GET /contacts/{id}` into the list of all contacts; then it is percent-encoded to the last byte that is no letter, digit or `-_~.`. The trap
    /// is the URL parser, which drops TAB, CR and LF and resolves dot segments; so what it makes of the path must be the path.
    pub(crate) fn url(&self, base: &Url, api: ApiVersion, ids: &[&str]) -> Result<Url, GhlError> {
        let refuse = |reason: String| GhlError::Unsendable { operation: self.operation, reason };
        let Some(template) = self.path_in(api) else {
            return Err(refuse(format!("the API {} does not have it", api.name())));
        };
        let mut path = base.path().trim_end_matches('/').to_owned();
        let mut ids = ids.iter();
        for segment in template.trim_start_matches('/').split('/') {
            path.push('/');
            match (place(segment), ids.as_slice().first()) {
                (None, _) => path.push_str(segment),
                (Some(place), None) => return Err(refuse(format!("no value for `{place}`"))),
                (Some(place), Some(id)) => {
                    ids::check(id).map_err(|bad| refuse(format!("`{place}` {bad}")))?;
                    push_encoded(&mut path, id);
                    ids.next();
                }
            }
        }
        if ids.next().is_some() {
            return Err(refuse(format!("more ids than `{template}` has places")));
        }
        let mut url = base.clone();
        url.set_path(&path);
        if url.path() != path {
            return Err(refuse(format!("the ids change the path `{template}`")));
        }
        Ok(url)
    }
}

/// The name of the place that a segment of a template is.
fn place(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn push_encoded(path: &mut String, id: &str) {
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => path.push(char::from(byte)),
            other => {
                // Writing to a string can't fail.
                let _ = write!(path, "%{other:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::endpoints;
    use super::*;

    fn url(base: &str, ids: &[&str]) -> Result<String, GhlError> {
        endpoints::GET_TASK.url(&base.parse().unwrap(), ApiVersion::Dated, ids).map(String::from)
    }

    #[test]
    fn a_path_and_a_version_are_those_of_the_generation() {
        let base = "https://ghl.test".parse().unwrap();
        let url = |endpoint: &Endpoint, api| endpoint.url(&base, api, &["c1"]).map(String::from);
        let remove = &endpoints::REMOVE_FROM_ALL_CAMPAIGNS;
        assert_eq!(url(remove, ApiVersion::Dated).unwrap(), "https://ghl.test/contacts/c1/campaigns/removeAll");
        assert_eq!(url(remove, ApiVersion::V3).unwrap(), "https://ghl.test/contacts/c1/campaigns/remove-all");
        assert_eq!(url(&endpoints::GET_CONTACT, ApiVersion::V3).unwrap(), "https://ghl.test/contacts/c1");
        assert_eq!(endpoints::GET_APPOINTMENT.version_in(ApiVersion::Dated), "2021-04-15");
        assert_eq!(endpoints::GET_APPOINTMENT.version_in(ApiVersion::V3), "v3");

        let gone = endpoints::LIST_CONTACTS.url(&base, ApiVersion::V3, &[]).unwrap_err();
        assert!(matches!(&gone, GhlError::Unsendable { reason, .. } if reason.contains("v3")), "{gone:?}");
    }

    #[test]
    fn a_path_keeps_the_slash_at_its_end() {
        let base = "https://ghl.test".parse().unwrap();
        let url = endpoints::CREATE_CONTACT.url(&base, ApiVersion::Dated, &[]).unwrap();
        assert_eq!(url.as_str(), "https://ghl.test/contacts/");
    }

    #[test]
    fn ids_take_the_places_in_the_path() {
        assert_eq!(url("https://ghl.test", &["c1", "t1"]).unwrap(), "https://ghl.test/contacts/c1/tasks/t1");
    }

    #[test]
    fn a_base_url_keeps_its_own_path() {
        assert_eq!(
            url("https://proxy.test/ghl/", &["c1", "t1"]).unwrap(),
            "https://proxy.test/ghl/contacts/c1/tasks/t1"
        );
    }

    #[test]
    fn an_id_cannot_leave_its_segment() {
        let sent = url("https://ghl.test", &["a/../b?x=1#y", "t 1%2F"]).unwrap();
        assert_eq!(sent, "https://ghl.test/contacts/a%2F..%2Fb%3Fx%3D1%23y/tasks/t%201%252F");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for id in ["", ".", "..", ".\t.", "a\tb", "\r.", ".\n", "a\0", &"x".repeat(256)] {
            assert!(matches!(url("https://ghl.test", &[id, "t1"]), Err(GhlError::Unsendable { .. })), "{id:?}");
        }
    }

    #[test]
    fn too_few_and_too_many_ids_are_refused() {
        assert!(url("https://ghl.test", &["c1"]).is_err());
        assert!(url("https://ghl.test", &["c1", "t1", "x1"]).is_err());
    }
}
