//! The data files, built into the program.

macro_rules! files {
    ($($area:literal)*) => {
        /// Each area with its operations, as JSON.
        pub(super) const AREAS: &[(&str, &str)] = &[$(($area, file!($area))),*];
    };
}

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/catalog/", $name, ".json"))
    };
}

/// The triggers, as JSON.
pub(super) const TRIGGERS: &str = file!("triggers");

files! {
    "ad-manager" "affiliate-manager" "agent-studio" "associations" "blogs" "brand-boards" "businesses" "calendars" "campaigns"
    "companies" "contacts" "conversation-ai" "conversations" "courses" "custom-fields" "custom-menus" "email-isv" "emails" "forms"
    "funnels" "invoices" "knowledge-base" "links" "locations" "marketplace" "medias" "oauth" "objects" "opportunities" "payments"
    "phone-system" "products" "proposals" "saas-api" "snapshots" "social-media-posting" "store" "surveys" "users" "voice-ai"
    "workflows"
}
