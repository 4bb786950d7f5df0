//! The flat table of routes.

use hyper::Method;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Takes envelopes.
    Intake,
    /// Says whether a key is good.
    Validate,
    /// Says which optional features there are: none.
    Features,
    /// Says that the receiver runs.
    Health,
    /// Ours: sets and ends faults.
    Control,
    /// Ours: shows what was received.
    Received,
}

/// No route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    Path,
    /// The path is known with these methods.
    Method(&'static str),
}

/// Looks a request up. The Kubernetes router strips `/receiver`, so both forms are the same.
pub(super) fn find(method: &Method, path: &str) -> Result<Route, Miss> {
    let inner = path.strip_prefix("/receiver").unwrap_or(path);
    let (route, allowed) = match (inner, path) {
        ("/stsAgent/intake" | "/stsAgent/intake/", _) => (Route::Intake, "POST"),
        ("/stsAgent/api/v1/validate", _) => (Route::Validate, "GET"),
        ("/stsAgent/features", _) => (Route::Features, "GET"),
        (_, "/health" | "/liveness" | "/readiness") => (Route::Health, "GET"),
        (_, "/_control") => (Route::Control, "PUT, DELETE"),
        (_, "/_received") => (Route::Received, "GET"),
        _ => return Err(Miss::Path),
    };
    if allowed.split(", ").any(|one| one == method.as_str()) {
        Ok(route)
    } else {
        Err(Miss::Method(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_with_and_without_the_router_prefix() {
        for (method, path, found) in [
            (Method::POST, "/stsAgent/intake", Ok(Route::Intake)),
            (Method::POST, "/stsAgent/intake/", Ok(Route::Intake)),
            (Method::POST, "/receiver/stsAgent/intake", Ok(Route::Intake)),
            (Method::POST, "/receiver/stsAgent/intake/", Ok(Route::Intake)),
            (Method::GET, "/receiver/stsAgent/api/v1/validate", Ok(Route::Validate)),
            (Method::GET, "/stsAgent/features", Ok(Route::Features)),
            (Method::GET, "/health", Ok(Route::Health)),
            (Method::PUT, "/_control", Ok(Route::Control)),
            (Method::DELETE, "/_control", Ok(Route::Control)),
            (Method::GET, "/_received", Ok(Route::Received)),
            (Method::GET, "/receiver/_received", Err(Miss::Path)),
            (Method::GET, "/receiver/health", Err(Miss::Path)),
            (Method::POST, "/intake", Err(Miss::Path)),
            (Method::POST, "/receiver/receiver/stsAgent/intake", Err(Miss::Path)),
            (Method::POST, "/stsAgent/intake//", Err(Miss::Path)),
            (Method::POST, "/stsAgent/api/v1/series", Err(Miss::Path)),
            (Method::GET, "/stsAgent/intake", Err(Miss::Method("POST"))),
            (Method::POST, "/_control", Err(Miss::Method("PUT, DELETE"))),
        ] {
            assert_eq!(find(&method, path), found, "{method} {path}");
        }
    }
}
