//! Which of GHL's 58 events a body is: by its `type`, or by its shape where the documents show none.
//!
//! Some shapes are shared: the documents' sample of a product is the same, to the letter, for one that was made, changed and
//! deleted. Then all that it can be are told, and nothing is guessed.

use serde_json::{Map, Value};

/// The documented events, by GHL's names.
macro_rules! events {
    ($($name:ident),* $(,)?) => {
        /// One of GHL's documented events.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event { $($name),* }

        impl Event {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// GHL's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

events![
    AppInstall,
    AppUninstall,
    AppointmentCreate,
    AppointmentDelete,
    AppointmentUpdate,
    AssociationCreate,
    AssociationDelete,
    AssociationUpdate,
    CampaignStatusUpdate,
    ContactCreate,
    ContactDelete,
    ContactDndUpdate,
    ContactTagUpdate,
    ContactUpdate,
    ConversationUnreadWebhook,
    InboundMessage,
    InvoiceCreate,
    InvoiceDelete,
    InvoicePaid,
    InvoicePartiallyPaid,
    InvoiceSent,
    InvoiceUpdate,
    InvoiceVoid,
    LCEmailStats,
    LocationCreate,
    LocationUpdate,
    NoteCreate,
    NoteDelete,
    NoteUpdate,
    ObjectSchemaCreate,
    ObjectSchemaUpdate,
    OpportunityAssignedToUpdate,
    OpportunityCreate,
    OpportunityDelete,
    OpportunityMonetaryValueUpdate,
    OpportunityStageUpdate,
    OpportunityStatusUpdate,
    OpportunityUpdate,
    OrderCreate,
    OrderStatusUpdate,
    OutboundMessage,
    PlanChange,
    PriceCreate,
    PriceDelete,
    PriceUpdate,
    ProductCreate,
    ProductDelete,
    ProductUpdate,
    ProviderOutboundMessage,
    RecordCreate,
    RecordDelete,
    RecordUpdate,
    RelationCreate,
    RelationDelete,
    TaskComplete,
    TaskCreate,
    TaskDelete,
    UserCreate,
];

/// What a body is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// That event.
    As(Event),
    /// One of several that look alike; `name` is what they have in common.
    OneOf { name: &'static str, events: &'static [Event] },
    /// None that is documented.
    Unknown,
}

impl Recognised {
    /// A word for metrics and the ledger: one of a few dozen, whatever was sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::As(event) => event.as_str(),
            Self::OneOf { name, .. } => name,
            Self::Unknown => "unknown",
        }
    }

    /// Whether it may be that event.
    #[must_use]
    pub fn may_be(self, event: Event) -> bool {
        match self {
            Self::As(one) => one == event,
            Self::OneOf { events, .. } => events.contains(&event),
            Self::Unknown => false,
        }
    }
}

/// Recognises a body.
#[must_use]
pub fn recognise(body: &Map<String, Value>) -> Recognised {
    let said = body.get("type").and_then(Value::as_str);
    said.and_then(named).map_or_else(|| shaped(body), Recognised::As)
}

/// The event of a `type`; four are spelt otherwise than their documents are called.
fn named(said: &str) -> Option<Event> {
    match said {
        "INSTALL" => Some(Event::AppInstall),
        "UNINSTALL" => Some(Event::AppUninstall),
        "PLAN_CHANGE" => Some(Event::PlanChange),
        "ConversationUnreadUpdate" => Some(Event::ConversationUnreadWebhook),
        said => Event::ALL.iter().copied().find(|event| event.as_str() == said),
    }
}

/// The event, or events, of a shape. Each test asks for fields that no other shape has.
fn shaped(body: &Map<String, Value>) -> Recognised {
    use Event::*;

    let has = |names: &[&str]| names.iter().all(|name| body.contains_key(*name));
    let one_of = |name, events| Recognised::OneOf { name, events };
    if has(&["_id", "invoiceNumber"]) {
        return match body.get("status").and_then(Value::as_str) {
            Some("delete" | "deleted") => Recognised::As(InvoiceDelete),
            Some("paid") => Recognised::As(InvoicePaid),
            Some("partially_paid") => Recognised::As(InvoicePartiallyPaid),
            Some("sent") => Recognised::As(InvoiceSent),
            Some("void") => Recognised::As(InvoiceVoid),
            _ => one_of("Invoice", &[InvoiceCreate, InvoiceUpdate]),
        };
    }
    if has(&["_id", "productType"]) {
        return one_of("Product", &[ProductCreate, ProductUpdate, ProductDelete]);
    }
    if has(&["_id", "product", "currency"]) {
        return one_of("Price", &[PriceCreate, PriceUpdate, PriceDelete]);
    }
    if has(&["associationType", "firstObjectKey"]) {
        return one_of("Association", &[AssociationCreate, AssociationUpdate, AssociationDelete]);
    }
    if has(&["firstRecordId", "secondRecordId"]) {
        return one_of("Relation", &[RelationCreate, RelationDelete]);
    }
    if has(&["labels", "primaryDisplayProperty"]) {
        return one_of("ObjectSchema", &[ObjectSchemaCreate, ObjectSchemaUpdate]);
    }
    if has(&["owners", "followers", "properties"]) {
        return one_of("Record", &[RecordCreate, RecordUpdate, RecordDelete]);
    }
    if has(&["appointment"]) {
        return one_of("Appointment", &[AppointmentCreate, AppointmentUpdate, AppointmentDelete]);
    }
    // Its `type` is the message's: Email or SMS.
    if has(&["contactId", "messageId"]) && (has(&["emailTo"]) || has(&["phone"])) {
        return Recognised::As(ProviderOutboundMessage);
    }
    Recognised::Unknown
}
