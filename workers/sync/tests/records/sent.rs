//! Which statements a thread sends, for tests that count them.

use std::cell::RefCell;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    /// The statements that this thread has sent since it listens, each by its first words.
    static SENT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Hears of the statements of all threads: where each had a listener of its own, one would now and then miss what it sends.
pub(crate) struct Sent;

impl Sent {
    /// Listens on this thread from now on.
    pub(crate) fn listen() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing::subscriber::set_global_default(Self).unwrap());
        SENT.set(Some(Vec::new()));
    }

    /// All so far, which are forgotten.
    pub(crate) fn take() -> Vec<String> {
        SENT.replace(Some(Vec::new())).unwrap_or_default()
    }
}

impl Subscriber for Sent {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Summary;
        impl Visit for Summary {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "summary" {
                    let text = format!("{value:?}");
                    let words = text.trim_matches(['"', '…', ' ']).to_owned();
                    if words.starts_with("set ") {
                        // The settings of a connection that is new.
                        return;
                    }
                    SENT.with_borrow_mut(|sent| sent.iter_mut().for_each(|sent| sent.push(words.clone())));
                }
            }
        }
        event.record(&mut Summary);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
