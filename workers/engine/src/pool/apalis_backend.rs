//! The desk as a source of tasks for apalis.
//!
//! apalis polls `poll_next` only when its service is ready, and the desk never holds more jobs than slots, so a claim always has a slot. An
//! error from here would end the worker and drop what runs: there is none.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis::prelude::{Backend, Task};
use apalis_core::backend::BackendConfig;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::worker::context::WorkerContext;
use tower::layer::util::Identity;

use super::slots::{Held, Slots};

pub(super) struct Feed {
    desk: Arc<Slots>,
}

impl Feed {
    pub(super) fn new(desk: Arc<Slots>) -> Self {
        Self { desk }
    }
}

impl Backend for Feed {
    type Task = Task<Held>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.desk.take_up(context).map(|held| Some(Ok(Task::new(held))))
    }

    fn poll_close(&mut self, context: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.desk.close(context).map(Ok)
    }
}

impl BackendConfig for Feed {
    type Args = Held;
    type Id = u64;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
