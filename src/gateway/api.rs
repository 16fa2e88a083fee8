//! The routes under /v1, and for each who may use it.
//!
//! A handler is taken only if its first argument is [`Allowed`], which decides who may ask what: a route that forgets it does not compile. The
//! list of what was registered is what tests go through.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use sync_workers::records::Role;

use super::Gateway;
use super::allowed::{Access, Allowed};

/// A route under /v1, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRoute {
    /// Its method.
    pub method: Method,
    /// Its path, with places for ids: `/v1/locations/{location}`.
    pub path: &'static str,
    /// Keys with one of these roles, or one that includes it.
    pub roles: &'static [Role],
    /// Whether its answer holds names and values, which not every key reads.
    pub people: bool,
    /// Whether it is about the whole deployment, which a key of some locations does not see.
    pub whole: bool,
}

/// Routes under /v1 as they are put together.
#[derive(Default)]
pub(super) struct Api {
    pub(super) router: Router<Gateway>,
    pub(super) routes: Vec<ApiRoute>,
}

impl Api {
    pub(super) fn get<H: Guarded<T>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::GET, path, on(MethodFilter::GET, handler), access::<H, T>())
    }

    pub(super) fn post<H: Guarded<T>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::POST, path, on(MethodFilter::POST, handler), access::<H, T>())
    }

    pub(super) fn put<H: Guarded<T>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::PUT, path, on(MethodFilter::PUT, handler), access::<H, T>())
    }

    pub(super) fn patch<H: Guarded<T>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::PATCH, path, on(MethodFilter::PATCH, handler), access::<H, T>())
    }

    pub(super) fn delete<H: Guarded<T>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(Method::DELETE, path, on(MethodFilter::DELETE, handler), access::<H, T>())
    }

    fn add(
        mut self,
        method: Method,
        path: &'static str,
        route: MethodRouter<Gateway>,
        (roles, people, whole): (&'static [Role], bool, bool),
    ) -> Self {
        self.routes.push(ApiRoute { method, path, roles, people, whole });
        Self { router: self.router.route(path, route), routes: self.routes }
    }
}

/// A handler whose first argument is [`Allowed`].
pub(super) trait Guarded<T>: Handler<T, Gateway> {
    /// Who may use it.
    type Access: Access;
}

fn access<H: Guarded<T>, T>() -> (&'static [Role], bool, bool) {
    (H::Access::ROLES, H::Access::PEOPLE, H::Access::WHOLE)
}

/// For each number of arguments behind the first.
macro_rules! guarded {
    ($(($($rest:ident),*)),*) => {$(
        impl<H, M, A: Access, $($rest),*> Guarded<(M, Allowed<A>, $($rest,)*)> for H
        where
            H: Handler<(M, Allowed<A>, $($rest,)*), Gateway>,
        {
            type Access = A;
        }
    )*};
}

guarded!((), (B), (B, C), (B, C, D), (B, C, D, E), (B, C, D, E, F));

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::api;

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// The compiler holds what goes through [`Api`](super::Api); that everything does, this test.
    #[test]
    fn no_route_under_v1_is_registered_in_another_way() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut registered = 0;
        for path in sources(&folder) {
            let text = std::fs::read_to_string(&path).unwrap();
            if path.ends_with("gateway/api.rs") {
                continue;
            }
            for call in [".route(", ".nest(", ".route_service(", ".nest_service("] {
                let others = text.split(call).skip(1).filter(|rest| rest.trim_start().starts_with("\"/v1"));
                assert_eq!(others.count(), 0, "{}: {call} of a route under /v1", path.display());
            }
            let verbs = [".get(", ".post(", ".put(", ".patch(", ".delete("];
            let calls = verbs.iter().flat_map(|verb| text.split(verb).skip(1));
            registered += calls.filter(|rest| rest.trim_start().starts_with("\"/v1")).count();
        }
        let routes = api().routes;
        assert_eq!(registered, routes.len(), "each is in the list: {routes:#?}");
        assert!(routes.iter().all(|route| !route.roles.is_empty()), "each names who may use it");
    }
}
