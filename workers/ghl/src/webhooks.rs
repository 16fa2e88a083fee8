//! GHL's webhooks: the table of all 77 documented ones, and which of them a body is, by its `type`, or by its shape where the documents
//! show none.
//!
//! Some shapes are shared: the documents' sample of a product is the same, to the letter, for one that was made, changed and
//! deleted. Then all that it can be are reported, and nothing is guessed.

use serde_json::{Map, Value};

/// What a webhook means for flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Starts {
    /// It starts the flows that name it.
    Flow,
    /// It is about what is kept here. What it changes starts flows, whoever reports it first; the trigger of that, where there is one.
    Own(Option<&'static str>),
}

/// The documented webhooks, by GHL's names, each with its `type` in bodies.
macro_rules! events {
    ($($name:ident = $word:literal, $starts:expr),* $(,)?) => {
        /// One of GHL's documented webhooks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event {
            $(
                #[doc = concat!("`", stringify!($name), "`, in bodies `", $word, "`.")]
                $name,
            )*
        }

        impl Event {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// GHL's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }

            /// Its `type` in bodies.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            /// What it means for flows.
            #[must_use]
            pub const fn starts(self) -> Starts {
                use Starts::{Flow, Own};
                match self { $(Self::$name => $starts),* }
            }
        }
    };
}

events![
    AppInstall = "INSTALL",
    Own(None),
    AppPaymentStatus = "APP_PAYMENT_STATUS",
    Flow,
    AppUninstall = "UNINSTALL",
    Own(None),
    AppUpdate = "UPDATE",
    Flow,
    AppointmentCreate = "AppointmentCreate",
    Own(Some("appointment.created")),
    AppointmentDelete = "AppointmentDelete",
    Own(Some("appointment.deleted")),
    AppointmentUpdate = "AppointmentUpdate",
    Own(Some("appointment.updated")),
    AssociationCreate = "AssociationCreate",
    Flow,
    AssociationDelete = "AssociationDelete",
    Flow,
    AssociationUpdate = "AssociationUpdate",
    Flow,
    CampaignStatusUpdate = "CampaignStatusUpdate",
    Flow,
    ContactCreate = "ContactCreate",
    Own(Some("contact.created")),
    ContactDelete = "ContactDelete",
    Own(Some("contact.deleted")),
    ContactDndUpdate = "ContactDndUpdate",
    Own(Some("contact.updated")),
    ContactTagUpdate = "ContactTagUpdate",
    Own(Some("contact.tagged=TAG")),
    ContactUpdate = "ContactUpdate",
    Own(Some("contact.updated")),
    ConversationUnreadWebhook = "ConversationUnreadUpdate",
    Flow,
    ConversationUpdate = "ConversationUpdate",
    Flow,
    ExternalAuthConnected = "EXTERNAL_AUTH_CONNECTED",
    Flow,
    InboundMessage = "InboundMessage",
    Flow,
    InvoiceCreate = "InvoiceCreate",
    Flow,
    InvoiceDelete = "InvoiceDelete",
    Flow,
    InvoicePaid = "InvoicePaid",
    Flow,
    InvoicePartiallyPaid = "InvoicePartiallyPaid",
    Flow,
    InvoiceSent = "InvoiceSent",
    Flow,
    InvoiceUpdate = "InvoiceUpdate",
    Flow,
    InvoiceVoid = "InvoiceVoid",
    Flow,
    KnowledgeBaseCreate = "KnowledgeBaseCreate",
    Flow,
    KnowledgeBaseDelete = "KnowledgeBaseDelete",
    Flow,
    KnowledgeBaseFaqChange = "KnowledgeBaseFaqChange",
    Flow,
    KnowledgeBaseFileChange = "KnowledgeBaseFileChange",
    Flow,
    KnowledgeBaseRichTextChange = "KnowledgeBaseRichTextChange",
    Flow,
    KnowledgeBaseTableFileChange = "KnowledgeBaseTableFileChange",
    Flow,
    KnowledgeBaseTrainedUrlChange = "KnowledgeBaseTrainedUrlChange",
    Flow,
    KnowledgeBaseUpdate = "KnowledgeBaseUpdate",
    Flow,
    LCEmailStats = "LCEmailStats",
    Flow,
    LocationCreate = "LocationCreate",
    Own(None),
    LocationUpdate = "LocationUpdate",
    Flow,
    NoteCreate = "NoteCreate",
    Own(Some("note.created")),
    NoteDelete = "NoteDelete",
    Own(Some("note.deleted")),
    NoteUpdate = "NoteUpdate",
    Own(Some("note.updated")),
    ObjectSchemaCreate = "ObjectSchemaCreate",
    Flow,
    ObjectSchemaUpdate = "ObjectSchemaUpdate",
    Flow,
    OpportunityAssignedToUpdate = "OpportunityAssignedToUpdate",
    Flow,
    OpportunityCreate = "OpportunityCreate",
    Flow,
    OpportunityDelete = "OpportunityDelete",
    Flow,
    OpportunityMonetaryValueUpdate = "OpportunityMonetaryValueUpdate",
    Flow,
    OpportunityStageUpdate = "OpportunityStageUpdate",
    Flow,
    OpportunityStatusUpdate = "OpportunityStatusUpdate",
    Flow,
    OpportunityUpdate = "OpportunityUpdate",
    Flow,
    OrderCreate = "OrderCreate",
    Flow,
    OrderStatusUpdate = "OrderStatusUpdate",
    Flow,
    OutboundMessage = "OutboundMessage",
    Flow,
    PlanChange = "PLAN_CHANGE",
    Flow,
    PriceCreate = "PriceCreate",
    Flow,
    PriceDelete = "PriceDelete",
    Flow,
    PriceUpdate = "PriceUpdate",
    Flow,
    ProductCreate = "ProductCreate",
    Flow,
    ProductDelete = "ProductDelete",
    Flow,
    ProductUpdate = "ProductUpdate",
    Flow,
    ProviderOutboundMessage = "ProviderOutboundMessage",
    Flow,
    RecordCreate = "RecordCreate",
    Flow,
    RecordDelete = "RecordDelete",
    Flow,
    RecordUpdate = "RecordUpdate",
    Flow,
    RelationCreate = "RelationCreate",
    Flow,
    RelationDelete = "RelationDelete",
    Flow,
    SaaSPlanCreate = "SaaSPlanCreate",
    Flow,
    SupportTicketCreate = "SupportTicketCreate",
    Flow,
    SupportTicketDelete = "SupportTicketDelete",
    Flow,
    SupportTicketUpdate = "SupportTicketUpdate",
    Flow,
    TaskComplete = "TaskComplete",
    Own(Some("task.completed")),
    TaskCreate = "TaskCreate",
    Own(Some("task.created")),
    TaskDelete = "TaskDelete",
    Own(Some("task.deleted")),
    UserCreate = "UserCreate",
    Flow,
    UserDelete = "UserDelete",
    Flow,
    UserUpdate = "UserUpdate",
    Flow,
    VoiceAiCallEnd = "VoiceAiCallEnd",
    Flow,
];

/// What a body is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// That event.
    As(Event),
    /// One of several that look alike.
    OneOf {
        /// What they have in common.
        name: &'static str,
        /// Which.
        events: &'static [Event],
    },
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
    pub fn could_match(self, event: Event) -> bool {
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

/// The event of a `type`. The names in the documents count as well as the words in bodies, and neither case nor separators matter.
fn named(said: &str) -> Option<Event> {
    let exact = Event::ALL.iter().copied().find(|event| [event.word(), event.as_str()].contains(&said));
    let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    exact.or_else(|| {
        let said = letters(said);
        Event::ALL.iter().copied().find(|event| [event.word(), event.as_str()].map(letters).contains(&said))
    })
}

/// Where a webhook may name the object that it is about, the likeliest first.
const OBJECT: [&str; 7] = ["id", "_id", "messageId", "conversationId", "callId", "ticketId", "knowledgeBaseId"];

/// GHL's id of the object that a webhook is about; none where it names none.
#[must_use]
pub fn object_of(body: &Value) -> Option<&str> {
    OBJECT.iter().find_map(|name| body[*name].as_str())
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
