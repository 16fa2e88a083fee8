//! One question to a provider over the network, and what its answer means.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sync_model::decide::fields::Fields;
use sync_model::money::Money;

use super::keys::Keys;
use super::provider::{Charged, Provider, Request};
use super::template::Values;
use outbound::outside::{Door, Fetched, OutsideError};

/// Bytes of an answer.
const LONGEST: usize = 256 * 1024;
/// Of a value that a field is filled with.
const LONGEST_VALUE: usize = 1000;

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The provider knows the person.
    Match {
        /// Fields of the contact, by name.
        fields: Fields,
        /// Of 1,000.
        confidence: Option<i64>,
        /// How many credits it took.
        credits: u64,
    },
    /// It does not.
    Miss {
        /// How many credits it took all the same.
        credits: u64,
    },
    /// It was called too often, and took nothing.
    Throttled {
        /// When it wants to be asked again, as far as it says.
        after: Option<Duration>,
    },
    /// It refuses its key, or the account has no credits left.
    Refused,
    /// It can't do with this question, and may with the next one: nothing was taken.
    Rejected {
        /// For the log: no address, no value.
        reason: String,
    },
    /// It failed, or the call did not get out: nothing was taken.
    Failed {
        /// For the log: no address, no value.
        reason: String,
    },
    /// The call was sent and its outcome is unknown: it counts as paid.
    Unknown {
        /// For the log: no address, no value.
        reason: String,
    },
}

impl Provider {
    /// What the contact's own keys say, of a provider that calls no one.
    #[must_use]
    pub fn deduce(&self, keys: &Keys) -> Fields {
        self.filled(&Values::default().with("key", keys.values()))
    }

    /// Asks about a person.
    pub async fn ask(&self, door: &Door, keys: &Keys, secret: Option<&SecretString>) -> Reply {
        let Some(request) = &self.request else { return Reply::Miss { credits: 0 } };
        let values = Values::default().with("key", keys.values());
        let values = match secret {
            Some(secret) => values.with("secret", secret.expose_secret().into()),
            None => values,
        };
        match build(request, self.keyless, &values, door) {
            Ok(request) => self.means(door.fetch(request, LONGEST).await, keys),
            Err(reason) => Reply::Failed { reason },
        }
    }

    /// What an answer means, or that there is none.
    pub(super) fn means(&self, answer: Result<Fetched, OutsideError>, keys: &Keys) -> Reply {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error @ (OutsideError::NotConnected(_) | OutsideError::NotAllowed | OutsideError::Refused(_))) => {
                return Reply::Failed { reason: error.to_string() };
            }
            Err(error @ (OutsideError::TimedOut | OutsideError::Broken(_))) => {
                return Reply::Unknown { reason: error.to_string() };
            }
        };
        let status = answer.status.as_u16();
        let said = format!("it answered {status}");
        let miss = || Reply::Miss { credits: self.taken(&answer.headers, false) };
        if self.throttled.contains(&status) || status == 429 {
            return Reply::Throttled { after: answer.retry_after };
        }
        match status {
            _ if self.missing.contains(&status) => return miss(),
            200..=299 => {}
            401..=403 => return Reply::Refused,
            // A proxy that lost the answer says so, and the provider may have charged for it.
            502 | 504 => return Reply::Unknown { reason: said },
            400 | 404..=499 => return Reply::Rejected { reason: said },
            _ => return Reply::Failed { reason: said },
        }
        if !answer.is_whole {
            return Reply::Unknown {
                reason: format!("its answer is longer than {} KiB, or was cut off", LONGEST / 1024),
            };
        }
        let Ok(data) = serde_json::from_slice::<Value>(&answer.body) else {
            return Reply::Unknown { reason: "its answer is not JSON".to_owned() };
        };
        let values = Values::default().with("key", keys.values()).with("data", data);
        let is_found = self.found.as_ref().is_none_or(|found| has(values.fill(&Value::from(found.as_str())).as_ref()));
        if !is_found {
            return miss();
        }
        let confidence = self.confidence.as_ref().and_then(|text| values.text(text)?.parse::<f64>().ok());
        #[expect(clippy::cast_possible_truncation, reason = "it is between 0 and 1,000")]
        let confidence = confidence
            .map(|value| (value * 1000.0 / f64::from(self.confidence_most)).clamp(0.0, 1000.0).round() as i64);
        Reply::Match { fields: self.filled(&values), confidence, credits: self.taken(&answer.headers, true) }
    }

    /// What a number of credits costs.
    #[must_use]
    pub fn costs(&self, credits: u64) -> Money {
        self.price.times(credits)
    }

    /// The credits that an answer took: as it says, else by the provider's rule.
    fn taken(&self, headers: &HeaderMap, is_match: bool) -> u64 {
        let said = self.spent.as_ref().and_then(|name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is bounded, and no less than 0"
        )]
        let said = said.map(|credits| credits.clamp(0.0, 1e6).ceil() as u64);
        let by_rule = if is_match || self.charged == Charged::Call { self.credits } else { 0 };
        said.unwrap_or(by_rule)
    }

    fn filled(&self, values: &Values) -> Fields {
        let value = |(name, template): &(String, String)| {
            let text = values.text(template).filter(|text| text.len() <= LONGEST_VALUE && !text.contains('\0'))?;
            let text = normal(name, text)?;
            Some((name.clone(), Value::from(text)))
        };
        self.fields.iter().filter_map(value).collect()
    }
}

/// The form in which the contact keeps it; none of what GHL would refuse.
fn normal(name: &str, text: String) -> Option<String> {
    match name {
        "email" => Some(text.to_lowercase()).filter(|email| {
            let (user, host) = email.rsplit_once('@').unwrap_or_default();
            !user.is_empty() && host.contains('.') && !email.contains(char::is_whitespace)
        }),
        "phone" => sync_model::decide::same::e164(&text, None),
        "country" => Some(text.to_uppercase()).filter(|code| sync_model::decide::same::calling_code(code).is_some()),
        "timezone" => jiff::tz::TimeZone::get(&text).is_ok().then_some(text),
        "dateOfBirth" => text.parse::<jiff::civil::Date>().ok().map(|day| day.to_string()),
        _ => Some(text),
    }
}

fn has(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Bool(true) | Value::Number(_)) => true,
    }
}

/// A request with its places filled: what goes into the path and the query is encoded, whatever it holds, so that a value leads nowhere else.
fn build(request: &Request, keyless: bool, values: &Values, door: &Door) -> Result<RequestBuilder, String> {
    let Request { method, url, query, headers, body } = request;
    let lacking = |what: &str| format!("a value of its {what} is missing");
    let at = url.find("://").map_or(0, |at| at + 3);
    let (origin, path) =
        url[at..].split_once('/').map_or((url.as_str(), ""), |(host, path)| (&url[..at + host.len()], path));
    let mut filled = Url::parse(origin).map_err(|_| "its url is none".to_owned())?;
    {
        let mut parts = filled.path_segments_mut().map_err(|()| "its url has no path".to_owned())?;
        parts.clear();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let part = values.text(part).ok_or_else(|| lacking("url"))?;
            if part == "." || part == ".." {
                return Err(lacking("url"));
            }
            parts.push(&part);
        }
    }
    let pairs: Vec<_> = query.iter().filter_map(|(name, text)| Some((name, values.text(text)?))).collect();
    if !pairs.is_empty() {
        filled.query_pairs_mut().extend_pairs(pairs);
    }
    let target = door.target(filled.as_str()).map_err(|refused| format!("its url {refused}"))?;
    let mut builder = door.request(method.clone(), &target).header("accept", "application/json");
    for (name, text) in headers {
        let text = match values.text(text) {
            Some(text) => text,
            None if keyless => continue,
            None => return Err(lacking("headers")),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| lacking("headers"))?;
        // What a header holds may be the provider's key.
        value.set_sensitive(true);
        builder = builder.header(name, value);
    }
    Ok(match body {
        Some(body) => builder.json(&values.fill_in(body)),
        None => builder,
    })
}
