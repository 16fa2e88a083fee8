//! The locations of an agency: they come and go.

use std::collections::HashSet;

use sync_model::ids;

use super::Oauth;
use super::app::PAGE;
use super::tokens::{Need, TokenError};
use crate::records::{ConnectionKind, Holder, NewToken};

/// A list longer than this is one that never ends.
const MOST: usize = 100_000;

impl Oauth {
    /// Asks GHL where the agency has installed the app, connects what is new, and disconnects what is gone. Returns how many are new.
    pub(super) async fn list_locations(&self, company_id: &str) -> Result<usize, TokenError> {
        let Some(app) = &self.inner.app else { return Err(TokenError::NoApp) };
        let company = Holder::Company(company_id.to_owned());
        let began = self.inner.clock.now();
        let mut installed = HashSet::new();
        let (mut new, mut skip, mut is_complete) = (0, 0, true);
        loop {
            let agency = self.access(&company, Need::Good, None).await?;
            self.pace(&company).await?;
            let page = app.installed_locations(&agency.token, company_id, skip).await?;
            let (places, all) = (page.len(), page.all());
            skip += places;
            let locations = page.locations();
            is_complete &= locations.len() == places;
            for location in locations.into_iter().filter(|location| location.is_installed != Some(false)) {
                new += usize::from(self.add_location(company_id, &location.id, location.name.as_deref()).await?);
                installed.insert(location.id);
            }
            // A page may be shorter than what was asked for: it is the last one only where GHL counts no more.
            let is_visible = all.is_none_or(|all| skip >= all);
            if places == 0 || skip >= MOST || (places < PAGE && is_visible) {
                is_complete &= is_visible && skip < MOST;
                break;
            }
        }
        if !is_complete {
            tracing::warn!(
                ghl.company = company_id,
                "GHL listed some of the agency's locations, so none counts as gone"
            );
            return Ok(new);
        }
        for known in self.inner.records.locations_of_company(company_id).await? {
            if !installed.contains(&known) {
                // Not one that was installed while the list was on its way.
                self.inner.records.uninstall(&Holder::Location(known), began).await?;
            }
        }
        Ok(new)
    }

    /// Connects a location that its agency's token opens; its own is fetched when it is needed. False where it is connected already,
    /// however that came about.
    pub(super) async fn add_location(
        &self,
        company_id: &str,
        location_id: &str,
        name: Option<&str>,
    ) -> Result<bool, TokenError> {
        let records = &self.inner.records;
        if let Err(bad) = ids::check(location_id) {
            tracing::warn!(ghl.company = company_id, %bad, "GHL lists a location whose id can be none; it is passed over");
            return Ok(false);
        }
        let stored = records.token(&Holder::Location(location_id.to_owned())).await?;
        if stored.is_some_and(|stored| stored.state == crate::records::TokenState::Active) {
            return Ok(false);
        }
        let due =
            NewToken { access: None, refresh: None, expires_at: None, scopes: None, missing_scopes: String::new() };
        records.connect(location_id, ConnectionKind::Oauth, Some(company_id), &due, name, None).await?;
        Ok(true)
    }
}
