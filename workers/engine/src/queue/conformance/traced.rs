//! The model follows whatever the suite does: each call of a function leaves a line, and the first that the model does not take ends the test.

use std::sync::{Arc, Mutex, PoisonError};

use queue_model::replay::{Rejected, Replay};

use crate::queue::Queue;
use crate::queue::trace::Trace;

/// Lets a model follow each call of a queue that nobody else has.
pub(super) fn followed(queue: Queue) -> Queue {
    followed_by(queue, Arc::default())
}

/// Lets this model follow each call.
pub(super) fn followed_by(queue: Queue, replay: Arc<Mutex<Replay>>) -> Queue {
    traced(queue, move |line| {
        let read = replay.lock().unwrap_or_else(PoisonError::into_inner).read(line);
        if let Err(rejected) = read {
            panic!("the model does not take what the queue did: {rejected}");
        }
    })
}

/// Keeps the first line that the model does not take, and goes on.
pub(super) fn replayed(queue: Queue, replay: Arc<Mutex<Replay>>, first: Arc<Mutex<Option<Rejected>>>) -> Queue {
    traced(queue, move |line| {
        let mut first = first.lock().unwrap();
        if first.is_none() {
            *first = replay.lock().unwrap().read(line).err();
        }
    })
}

/// Gives each line to whoever takes it.
pub(super) fn traced(mut queue: Queue, take: impl Fn(&str) + Send + Sync + 'static) -> Queue {
    let inner = Arc::get_mut(&mut queue.inner).expect("nobody has it yet");
    let trace = Trace::to(take);
    inner.shards.iter_mut().for_each(|shard| shard.driver.trace(&trace));
    queue
}
