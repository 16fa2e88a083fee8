//! Looks names up, and drops the addresses that may not be called: the client connects to what is left, and resolves nothing again.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Rules, target};

/// No address that may be called.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the name leads to no address that may be called")]
pub(super) struct NothingAllowed;

/// What the operating system says.
pub(super) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// A resolver whose answers are looked at.
pub(super) struct Guarded {
    names: Arc<dyn Resolve>,
    rules: Arc<Rules>,
}

impl Guarded {
    pub(super) fn new(names: Arc<dyn Resolve>, rules: Arc<Rules>) -> Self {
        Self { names, rules }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, rules) = (self.names.resolve(name), Arc::clone(&self.rules));
        Box::pin(async move {
            let mut allowed: Vec<SocketAddr> = found.await?.collect();
            allowed.retain(|address| target::may_be_called(address.ip(), &rules));
            if allowed.is_empty() {
                return Err(NothingAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
