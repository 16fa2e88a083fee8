//! Why a delivery has not arrived, in words.

use job_engine::{LaneState, LaneView};
use serde_json::{Value, json};

use super::Hooks;
use crate::records::{Delivery, Hook, HookState};

impl Hooks {
    /// Deliveries of one hook, each with why it has not arrived; null where it has.
    pub async fn explained(&self, hook: &Hook, deliveries: &[Delivery]) -> Vec<Value> {
        let is_open = deliveries.iter().any(|delivery| delivery.state == "open");
        let lane = match &self.queue {
            // A queue that does not answer explains nothing; the database's state is shown.
            Some(queue) if is_open => queue.lane(&hook.id).await.ok().flatten(),
            _ => None,
        };
        let reported = |delivery: &Delivery| {
            let mut reported = json!(delivery);
            reported["why"] = why(hook, delivery, lane.as_ref()).into();
            reported
        };
        deliveries.iter().map(reported).collect()
    }
}

fn why(hook: &Hook, delivery: &Delivery, lane: Option<&LaneView>) -> Option<String> {
    match delivery.state.as_str() {
        "failed" => {
            Some("all attempts failed; resend it, or recover the hook, once the receiver answers again".to_owned())
        }
        "dropped" => Some("there was nothing left to send when it was due".to_owned()),
        "open" => Some(open(hook, delivery, lane)),
        _ => None,
    }
}

fn open(hook: &Hook, delivery: &Delivery, lane: Option<&LaneView>) -> String {
    if hook.state == HookState::Disabled {
        let why = hook.disabled_why.as_deref().unwrap_or("by request");
        return format!("its hook is disabled: {why}; enabling it sends what waits");
    }
    let seconds = lane.map_or(0.0, |lane| lane.held_for.as_secs_f64().ceil());
    let endpoint = match lane.map(|lane| lane.state) {
        Some(LaneState::Held) => Some(format!("its receiver asked for a pause, of which {seconds} s are left")),
        Some(LaneState::Broken) => {
            Some(format!("its receiver failed many times in a row; one message probes it in {seconds} s"))
        }
        Some(LaneState::WaitsForTokens) => {
            Some("its receiver already gets as many messages at once as allowed".to_owned())
        }
        Some(LaneState::Paused) => Some("its receiver is paused".to_owned()),
        _ => None,
    };
    let again = delivery.next_at.map(|at| match &delivery.error {
        Some(error) => format!("{error}; it is retried at {at}"),
        None => format!("it is postponed until {at}"),
    });
    match (again, endpoint) {
        (Some(again), Some(endpoint)) => format!("{again}; {endpoint}"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => "it waits for a worker".to_owned(),
    }
}
