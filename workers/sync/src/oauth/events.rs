//! GHL's INSTALL and UNINSTALL webhooks: what they report about installs.
//!
//! They may come late, twice and in any order. An uninstall that is older than the token belongs to
//! an earlier install, and changes nothing.

use jiff::Timestamp;

use super::Oauth;
use super::tokens::TokenError;
use crate::records::Holder;

/// An INSTALL or UNINSTALL event, as far as it matters.
#[derive(Debug, Clone, Copy)]
pub struct AppEvent<'a> {
    /// Whose install it is; of another app than this one's, it changes nothing.
    pub app_id: Option<&'a str>,
    /// The agency.
    pub company_id: Option<&'a str>,
    /// The location; absent where the agency itself is meant.
    pub location_id: Option<&'a str>,
    /// The event's own time, or its arrival if it has none.
    pub at: Timestamp,
}

/// What an event led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// A location is connected that was not.
    Connected,
    /// Its login is forgotten.
    Disconnected,
    /// The locations of the agency will be asked for.
    ToBeListed,
    /// Nothing: it is known already, or too old, or the login comes another way.
    Nothing,
}

impl Oauth {
    /// The app was installed. A location that an agency we know installed it on, now or as one of its future ones (such an event names
    /// no user), is connected by the agency's token. A location's own login comes with the code of its install, not from here.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installed(&self, event: &AppEvent<'_>) -> Result<Noted, TokenError> {
        if !self.is_ours(event) {
            return Ok(Noted::Nothing);
        }
        let Some(company_id) = event.company_id else { return Ok(Noted::Nothing) };
        let company = Holder::Company(company_id.to_owned());
        match event.location_id {
            Some(location) if self.inner.records.token(&company).await?.is_some() => {
                let is_new = self.add_location(company_id, location, None).await?;
                Ok(if is_new { Noted::Connected } else { Noted::Nothing })
            }
            Some(_) => Ok(Noted::Nothing),
            None => Ok(if self.inner.records.relist(&company).await? { Noted::ToBeListed } else { Noted::Nothing }),
        }
    }

    /// The app was uninstalled from a location, or by an agency with all that its token opened. Records stay; the token goes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn uninstalled(&self, event: &AppEvent<'_>) -> Result<Noted, TokenError> {
        if !self.is_ours(event) {
            return Ok(Noted::Nothing);
        }
        let records = &self.inner.records;
        let mut gone = match (event.location_id, event.company_id) {
            (Some(location), _) => records.uninstall(&Holder::Location(location.to_owned()), event.at).await?,
            (None, Some(company)) => records.uninstall(&Holder::Company(company.to_owned()), event.at).await?,
            (None, None) => false,
        };
        if let (None, Some(company)) = (event.location_id, event.company_id) {
            for location in records.locations_of_company(company).await? {
                gone |= records.uninstall(&Holder::Location(location), event.at).await?;
            }
        }
        Ok(if gone { Noted::Disconnected } else { Noted::Nothing })
    }

    /// Something was said that bears no time: GHL will be asked where the agency has installed the app.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn look(&self, event: &AppEvent<'_>) -> Result<Noted, TokenError> {
        let Some(company) = event.company_id.filter(|_| self.is_ours(event)) else { return Ok(Noted::Nothing) };
        let is_known = self.inner.records.relist(&Holder::Company(company.to_owned())).await?;
        Ok(if is_known { Noted::ToBeListed } else { Noted::Nothing })
    }

    fn is_ours(&self, event: &AppEvent<'_>) -> bool {
        match (&self.inner.app, event.app_id) {
            (Some(app), Some(id)) => app.id() == id,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
