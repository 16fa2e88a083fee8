//! A router that lists its routes, which axum's can't: tests compare them with the OpenAPI
//! document.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::Gateway;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with places for ids: `/v1/locations/{location}`.
    pub path: &'static str,
}

/// Routes that take no key as they are put together; those under /v1 are an [`Api`](super::api::Api).
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Gateway>,
    pub(super) list: Vec<Route>,
}

impl Routes {
    pub(super) fn get<H: Handler<T, Gateway>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::GET, path, on(MethodFilter::GET, handler))
    }

    pub(super) fn post<H: Handler<T, Gateway>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::POST, path, on(MethodFilter::POST, handler))
    }

    fn add(mut self, method: Method, path: &'static str, route: MethodRouter<Gateway>) -> Self {
        self.list.push(Route { method, path });
        Self { router: self.router.route(path, route), list: self.list }
    }
}
