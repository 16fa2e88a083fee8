//! An operation of the API as data, and the address of one call of it.

use reqwest::{Method, Url};

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
    /// An id that would change the *shape* of the path is refused: an empty one turns `GET /contacts/{id}` into the list
    /// of all contacts, and `..` climbs out of it. Everything else is percent-encoded.
    pub(super) fn url(&self, base: &Url, api: ApiVersion, ids: &[&str]) -> Result<Url, GhlError> {
        let refuse = |reason: String| GhlError::Unsendable { operation: self.operation, reason };
        let Some(path) = self.path_in(api) else {
            return Err(refuse(format!("the API {} does not have it", api.name())));
        };
        let mut url = base.clone();
        let mut ids = ids.iter();
        {
            let mut segments = url.path_segments_mut().map_err(|()| refuse("the base URL has no path".to_owned()))?;
            segments.pop_if_empty();
            for segment in path.trim_start_matches('/').split('/') {
                let Some(place) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
                    segments.push(segment);
                    continue;
                };
                match ids.next() {
                    None => return Err(refuse(format!("no value for `{place}`"))),
                    Some(&("" | "." | "..")) => return Err(refuse(format!("`{place}` is empty or a dot"))),
                    Some(id) => segments.push(id),
                };
            }
        }
        match ids.next() {
            None => Ok(url),
            Some(_) => Err(refuse(format!("more ids than `{path}` has places"))),
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
        assert_eq!(sent, "https://ghl.test/contacts/a%2F..%2Fb%3Fx=1%23y/tasks/t%201%252F");
    }

    #[test]
    fn an_empty_or_dotted_id_is_refused() {
        for id in ["", ".", ".."] {
            assert!(matches!(url("https://ghl.test", &[id, "t1"]), Err(GhlError::Unsendable { .. })), "{id:?}");
        }
    }

    #[test]
    fn too_few_and_too_many_ids_are_refused() {
        assert!(url("https://ghl.test", &["c1"]).is_err());
        assert!(url("https://ghl.test", &["c1", "t1", "x1"]).is_err());
    }
}
