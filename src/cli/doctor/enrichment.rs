//! Enrichment: providers that can't be read, have no key, or may cost nothing though they cost something.

use sync_model::money::Money;
use sync_workers::enrich::Provider;
use sync_workers::records::Records;

use super::{Check, named};
use crate::config::Config;
use crate::enrich::providers;

const NAME: &str = "enrichment";

/// What keeps the providers of `enrich.order` from being asked; silent if nothing does. Without a database no key is known, which another check reports.
pub(super) async fn check(config: &Config, records: Option<&Records>) -> Option<Check> {
    let all = match providers(&config.enrich) {
        Ok(all) => all,
        Err(mistakes) => {
            let found = mistakes.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Some(Check::failed(NAME, found, "correct the file or the setting; no worker starts before"));
        }
    };
    let connected: Option<Vec<String>> = match records {
        Some(records) => {
            records.provider_keys().await.ok().map(|keys| keys.into_iter().map(|key| key.provider).collect())
        }
        None => None,
    };
    let ordered = config.enrich.rules.order.iter().filter_map(|name| all.iter().find(|one| one.name == *name));
    look(
        &ordered.collect::<Vec<_>>(),
        connected.as_deref(),
        [config.enrich.rules.provider_month, config.enrich.rules.location_day],
    )
}

fn look(ordered: &[&Provider], connected: Option<&[String]>, ceilings: [Money; 2]) -> Option<Check> {
    let names = |which: &dyn Fn(&Provider) -> bool| {
        ordered.iter().filter(|one| which(one)).map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    let lacks_key = |one: &Provider| {
        one.takes_secret() && !one.keyless && connected.is_some_and(|connected| !connected.contains(&one.name))
    };
    let keyless = names(&lacks_key);
    if !keyless.is_empty() {
        let remedy =
            "`clienty-sync enrich connect --provider P --key-file F` stores a key, or take it out of enrich.order";
        let found = format!("in enrich.order without a key, so passed over: {}", named(&keyless));
        return Some(Check::warning(NAME, found, remedy));
    }
    let unpaid = names(&|one| one.cost() > Money::ZERO && ceilings.iter().any(|ceiling| *ceiling < one.cost()));
    let remedy =
        "raise enrich.provider_month and enrich.location_day, or take it out of enrich.order; until then contacts wait";
    let found = format!("no ceiling has room for one call of: {}", named(&unpaid));
    (!unpaid.is_empty()).then(|| Check::warning(NAME, found, remedy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    fn provider(name: &str, price: &str) -> Provider {
        let document = json!({
            "about": "One", "url": "https://api.example.com/people", "headers": {"x-key": "{secret}"}, "needs": ["email"],
            "credits": 1, "price": price, "fields": {"city": "{data.city}"},
        });
        Provider::read(name, &document).unwrap()
    }

    #[test]
    fn what_keeps_a_provider_from_being_asked_is_named_with_its_remedy() {
        let (paid, free) = (provider("paid", "0.5"), provider("free", "0"));
        let both = ["paid".to_owned(), "free".to_owned()];
        let money = |text: &str| [text.parse().unwrap(); 2];
        let found = |ordered: &[&Provider], connected: Option<&[String]>, ceilings| {
            look(ordered, connected, ceilings).map(|check| (check.state, check.found))
        };
        let warning = |found: &str| Some((State::Warning, found.to_owned()));
        let missing = found(&[&paid, &free], Some(&both[..1]), money("1"));
        assert_eq!(missing, warning("in enrich.order without a key, so passed over: free"));
        let unpaid = found(&[&paid, &free], Some(&both), money("0.4"));
        assert_eq!(unpaid, warning("no ceiling has room for one call of: paid"));
        assert_eq!(found(&[&paid, &free], Some(&both), money("0.5")), None);
        assert_eq!(found(&[&free], None, money("0")), None, "without a database no key is known");
    }
}
