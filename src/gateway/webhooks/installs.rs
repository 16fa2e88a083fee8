//! INSTALL and UNINSTALL: their effect on logins is stored before the webhooks themselves.
//!
//! In this order a failure loses nothing: GHL repeats the webhook and finds no trace of the first
//! attempt. Repeating the effect changes nothing, and neither does a webhook that is older than the
//! login.

use jiff::Timestamp;
use sync_workers::oauth::{AppEvent, Noted, Oauth, TokenError};

use crate::triggers::webhook::{News, Webhook};

/// Does what a webhook says of installs; nothing if it says nothing of them. How old it is does not matter: an uninstall that is older than the
/// login changes nothing, and of a late install the agency's token shows whether it holds still. An uninstall that bears no time is not
/// believed: the agency is asked where the app is installed, and the location's token is tried by the job that the webhook leads to.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn note(oauth: Option<&Oauth>, webhook: &Webhook, now: Timestamp) -> Result<Noted, TokenError> {
    let News::App { installed, location_id, company_id, app_id } = &webhook.news else { return Ok(Noted::Nothing) };
    // Without a master key there is no login that it could concern.
    let Some(oauth) = oauth else { return Ok(Noted::Nothing) };
    let event = AppEvent {
        app_id: app_id.as_deref(),
        company_id: company_id.as_deref(),
        location_id: location_id.as_deref(),
        at: webhook.at.unwrap_or(now),
    };
    match (installed, webhook.at) {
        (true, _) => oauth.installed(&event).await,
        (false, Some(_)) => oauth.uninstalled(&event).await,
        (false, None) => oauth.look(&event).await,
    }
}
