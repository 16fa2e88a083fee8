//! Why GHL gave no token: a type, so that GHL's text is interpreted in one place.
//!
//! The trap is a 401. It may be about the version header, which no refresh fixes, about the app's
//! own secret, or about the bearer of an agency; and a 400 may be about a location that is switched
//! off for a while. Only a refused *grant* ends a login. What a 401 refuses depends on what was
//! sent: the request for a token sends no bearer, so it is the code or the refresh token.

use std::time::Duration;

use ghl::{GhlError, Plain, json, messages, scrub};

/// Why there is no new token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The code, the refresh token or the install is no longer good.
    #[error("GHL reports that the login was withdrawn or used: {0}")]
    Revoked(String),
    /// The code of an install was used, is too old, or never was one.
    #[error("GHL does not accept the code of the install ({0}): start the install again")]
    Code(String),
    /// The location is switched off at GHL; its login may be as good as ever.
    #[error("GHL reports that the location is not active: reactivate it in GHL")]
    LocationInactive,
    /// A fault of this program, which a refresh does not mend.
    #[error("GHL does not know the Version header of the call: {0}")]
    VersionHeader(String),
    /// The app's own id or secret.
    #[error("GHL does not accept the app's credentials ({0}): check GHL_CLIENT_ID and GHL_CLIENT_SECRET")]
    App(String),
    /// The bearer of the agency was refused, not the location's login.
    #[error("GHL refuses the agency's token: {0}")]
    Bearer(String),
    /// 429.
    #[error("GHL throttles the app")]
    Throttled {
        /// As GHL says.
        retry_after: Option<Duration>,
    },
    /// No reply, half a one, or not from GHL's API.
    #[error("GHL did not answer the request for a token: {reason}")]
    Network {
        /// Whether GHL may have carried it out: a refresh token may be spent.
        sent: bool,
        /// What was there instead of a reply.
        reason: String,
    },
    /// Anything else that GHL says.
    #[error("GHL refuses to give a token ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// Another process was faster; its token is stored.
    #[error("another process has stored a newer token")]
    LostRace,
}

impl Cause {
    /// The value of the label `result` of `clienty_token_refresh_total`.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Revoked(_) => "revoked",
            Self::Code(_) => "bad_code",
            Self::LocationInactive => "location_inactive",
            Self::VersionHeader(_) => "version_header",
            Self::App(_) => "bad_client",
            Self::Bearer(_) => "bad_bearer",
            Self::Throttled { .. } => "throttled",
            Self::Network { .. } => "network",
            Self::Refused { .. } => "refused",
            Self::LostRace => "lost_race",
        }
    }

    /// Whether it may pass by itself, soon.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Network { .. } | Self::LostRace)
    }

    /// Whether the refresh token may have been spent.
    pub(super) fn is_unsure(&self) -> bool {
        matches!(self, Self::Network { sent: true, .. })
    }

    /// The same, of a request that brought the code of an install.
    pub(super) fn of_code(self) -> Self {
        match self {
            Self::Bearer(message) | Self::Revoked(message) => Self::Code(message),
            other => other,
        }
    }

    /// The same, of a request that brought a refresh token: a 401 that names nothing else is about that. A wordless one may be of a proxy.
    pub(super) fn of_refresh(self) -> Self {
        match self {
            Self::Bearer(message) if message.is_empty() => Self::Refused { status: 401, message },
            Self::Bearer(message) => Self::Revoked(message),
            other => other,
        }
    }

    /// The cause that a reply without success is.
    pub(super) fn of_reply(reply: &Plain) -> Self {
        let status = reply.status;
        if status == 429 {
            return Self::Throttled { retry_after: reply.retry_after };
        }
        if status >= 500 || status == 408 || reply.is_page || (300..400).contains(&status) {
            let reason =
                if reply.is_page { format!("a page with status {status}") } else { format!("status {status}") };
            return Self::Network { sent: status >= 500, reason };
        }
        let body = json::read(&reply.body).map(|document| document.value).unwrap_or_default();
        let code = body["error"].as_str().map(str::to_lowercase).unwrap_or_default();
        let reported = messages(&body);
        let message = scrub(&reported.join("; "), None);
        let words = message.to_lowercase();
        let says = |part: &str| words.contains(part);
        if says("version header") || says("api version") {
            Self::VersionHeader(message)
        } else if says("location is not active") || says("location is inactive") {
            Self::LocationInactive
        } else if ["invalid_client", "unauthorized_client"].contains(&code.as_str())
            || ["client credentials", "client id", "client_id", "client secret", "client_secret"].into_iter().any(says)
        {
            Self::App(message)
        } else if code == "invalid_grant"
            || says("invalid_grant")
            || says("refresh token is invalid")
            || says("not installed")
        {
            Self::Revoked(message)
        } else if status == 401 {
            Self::Bearer(message)
        } else {
            Self::Refused { status, message }
        }
    }
}

impl From<GhlError> for Cause {
    /// Of a call without a whole reply.
    fn from(error: GhlError) -> Self {
        let sent = !matches!(error, GhlError::Network { sent: false, .. });
        Self::Network { sent, reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(status: u16, body: &Value) -> Cause {
        Cause::of_reply(&Plain { status, is_page: false, retry_after: None, body: body.to_string().into_bytes() })
    }

    #[test]
    fn only_a_refused_grant_ends_a_login() {
        let reported = |message: &str| json!({"statusCode": 401, "message": message});
        for (status, body, label) in [
            (
                400,
                json!({"error": "invalid_grant", "error_description": "Invalid grant: refresh token is invalid"}),
                "revoked",
            ),
            (401, json!({"error": "invalid_grant"}), "revoked"),
            (400, json!({"error": "invalid_grant", "error_description": "This refresh token is invalid"}), "revoked"),
            (401, reported("version header was not found."), "version_header"),
            (401, reported("version header is invalid"), "version_header"),
            (400, reported("Location is not active"), "location_inactive"),
            (401, json!({"error": "invalid_client", "error_description": "Client not found"}), "bad_client"),
            (401, reported("Invalid JWT"), "bad_bearer"),
            (429, reported("Too Many Requests"), "throttled"),
            (502, reported("Bad Gateway"), "network"),
            (422, reported("companyId should not be empty"), "refused"),
            (403, reported("Forbidden resource"), "refused"),
        ] {
            assert_eq!(of(status, &body).label(), label, "{status} {body}");
        }
    }

    /// The words were seen with both grants; which one they are about only the request says.
    #[test]
    fn an_unauthorized_request_for_a_token_is_about_what_it_brought() {
        let said = json!({"error": "UnAuthorized!", "error_description": "Authorization code not found"});
        assert_eq!(of(401, &said).of_code(), Cause::Code("Authorization code not found".to_owned()));
        for (body, label) in [
            (said, "revoked"),
            (json!({"error": "UnAuthorized!"}), "revoked"),
            (json!({"statusCode": 401, "message": "This refresh token is invalid"}), "revoked"),
            (json!({"error": "UnAuthorized!", "error_description": "Invalid client credentials!"}), "bad_client"),
            (json!({"message": "version header is invalid"}), "version_header"),
            (json!({}), "refused"),
        ] {
            assert_eq!(of(401, &body).of_refresh().label(), label, "{body}");
        }
        assert_eq!(of(401, &json!({"message": "Invalid JWT"})).label(), "bad_bearer", "with an agency's bearer");
    }

    #[test]
    fn a_page_says_nothing_of_the_login_whatever_its_status() {
        let page = Plain { status: 400, is_page: true, retry_after: None, body: b"<html>invalid_grant".to_vec() };
        assert_eq!(Cause::of_reply(&page).label(), "network");
    }
}
