//! What a provider is asked by: the few things about a contact that may be sent, in one form each.

use serde_json::{Map, Value};
use sync_model::decide::same::e164;
use sync_model::record::Contact;

use super::{countries, free_mail};

/// The names that places may use: `{key.email}`.
pub const KEYS: [&str; 8] = ["email", "phone", "domain", "country", "first_name", "last_name", "company", "website"];

/// The keys that a contact has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Keys(Map<String, Value>);

impl Keys {
    /// Of a contact: the e-mail in lower case, the phone in E.164 where it names its country, and the domain of the company, which is that of the
    /// e-mail or the website, and never that of a provider of mail for everybody.
    #[must_use]
    pub fn of(contact: &Contact) -> Self {
        let text =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let email = text(&contact.email).map(|email| email.to_lowercase()).filter(|email| email.contains('@'));
        let phone = contact.phone.as_deref().and_then(|phone| e164(phone, None));
        let website = text(&contact.website);
        let of_mail = email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain.to_owned());
        let of_web = website.as_deref().and_then(host);
        let domain = [of_mail, of_web].into_iter().flatten().find(|domain| is_company(domain));
        let country = phone.as_deref().and_then(countries::of_phone);
        let all = [
            ("email", email),
            ("phone", phone),
            ("domain", domain),
            ("country", country),
            ("first_name", text(&contact.first_name)),
            ("last_name", text(&contact.last_name)),
            ("company", text(&contact.company_name)),
            ("website", website),
        ];
        Self(all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect())
    }

    /// The value of one of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// All of them, for the places of a request.
    pub(super) fn values(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

fn is_company(domain: &str) -> bool {
    domain.contains('.') && !domain.contains(char::is_whitespace) && !free_mail::is_free(domain)
}

fn host(website: &str) -> Option<String> {
    let rest = website.split_once("://").map_or(website, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next()?.trim().to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    (!host.is_empty()).then(|| host.to_owned())
}
