//! `[enrich]`: which providers are asked for what is missing of contacts, on what ground, and what that may cost.

use std::path::PathBuf;

use sync_model::decide::enrichment::Overwrite;
use sync_model::money::{Money, NotMoney};
use sync_workers::enrich::{Consent, FILLABLE, Rules, is_fillable};

use super::parse::{Parsed, http_url, path, word};
use super::source::Sources;

/// `[enrich]`
#[derive(Debug, Clone)]
pub struct Enrich {
    /// The folder of the operator's own providers.
    pub dir: PathBuf,
    pub rules: Rules,
    /// The doubles of a sandbox, which are asked in the place of every provider.
    pub sandbox_url: Option<String>,
}

pub(super) fn read(from: &mut Sources) -> Enrich {
    Enrich {
        dir: from.setting("enrich.dir", "CLIENTY_ENRICH_DIR").required(path),
        rules: Rules {
            order: from.setting("enrich.order", "CLIENTY_ENRICH_ORDER").list(word),
            want: from.setting("enrich.want", "CLIENTY_ENRICH_WANT").list(field),
            consent: from.setting("enrich.consent", "CLIENTY_ENRICH_CONSENT").required(consent),
            overwrite: from.setting("enrich.overwrite", "CLIENTY_ENRICH_OVERWRITE").required(overwrite),
            provider_month: from.setting("enrich.provider_month", "CLIENTY_ENRICH_PROVIDER_MONTH").required(money),
            location_day: from.setting("enrich.location_day", "CLIENTY_ENRICH_LOCATION_DAY").required(money),
        },
        sandbox_url: from.setting("enrich.sandbox_url", "CLIENTY_ENRICH_SANDBOX_URL").optional(http_url),
    }
}

fn field(text: &str) -> Parsed<String> {
    match is_fillable(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("fields of contacts: {}, or customFields.KEY", FILLABLE.join(", "))),
    }
}

fn consent(text: &str) -> Parsed<Consent> {
    Consent::parse(text).ok_or_else(|| "tag: and a tag that the contact must have, or legitimate_interest".to_owned())
}

fn overwrite(text: &str) -> Parsed<Overwrite> {
    text.parse().map_err(|()| "never or own".to_owned())
}

fn money(text: &str) -> Parsed<Money> {
    text.parse().map_err(|expected: NotMoney| expected.to_string())
}
