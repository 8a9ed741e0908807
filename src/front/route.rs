//! From method and target to a route, or to 404 and 405. Arguments are left as text.

use http::{Method, Version, request::Parts};

/// A route with its arguments as they stand in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// `POST /transfers/{customer}/{transfer}/reject`
    Reject(Path<'a>),
    /// `GET /transfers/{customer}/{transfer}`
    Read(Path<'a>),
}

/// The arguments in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    /// The customer's ID, unparsed.
    pub customer: &'a str,
    /// The transfer's ID, unparsed.
    pub transfer: &'a str,
}

/// The target is not a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misroute {
    /// No route has this path.
    #[error("no route has this path")]
    NotFound,
    /// The path is a route's, the method is not.
    #[error("this route takes {allow}")]
    Method {
        /// The methods it takes.
        allow: &'static str,
    },
}

/// Finds the route of a request.
///
/// # Errors
///
/// When there is none. A path is taken as it stands: nothing is decoded, folded or repaired.
pub fn find(head: &Parts) -> Result<Route<'_>, Misroute> {
    let path = head.uri.path();
    let absolute = head.version < Version::HTTP_2 && head.uri.authority().is_some();
    if absolute || is_ambiguous(path) {
        return Err(Misroute::NotFound);
    }
    let mut segments = path.split('/');
    let found = (
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    );
    match found {
        (Some(""), Some("transfers"), Some(customer), Some(transfer), Some("reject"), None) => {
            let path = Path { customer, transfer };
            taking(&head.method, &Method::POST, "POST").map(|()| Route::Reject(path))
        }
        (Some(""), Some("transfers"), Some(customer), Some(transfer), None, None) => {
            let path = Path { customer, transfer };
            taking(&head.method, &Method::GET, "GET").map(|()| Route::Read(path))
        }
        _ => Err(Misroute::NotFound),
    }
}

fn taking(method: &Method, wanted: &Method, allow: &'static str) -> Result<(), Misroute> {
    if method == wanted {
        Ok(())
    } else {
        Err(Misroute::Method { allow })
    }
}

/// Whether two readers of a path could disagree about its segments.
fn is_ambiguous(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ["//", "..", "%2f", "%5c", "\\", ";"]
        .iter()
        .any(|part| lower.contains(part))
        || path.ends_with('/')
}

/// The path of a transfer, as documents write it.
pub const TRANSFER: &str = "/transfers/{customer-id}/{transfer-id}";

/// The path of its rejection, as documents write it.
pub const REJECT: &str = "/transfers/{customer-id}/{transfer-id}/reject";

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn head(method: &str, target: &str) -> Parts {
        Request::builder()
            .method(method)
            .uri(target)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn finds_the_route_with_its_arguments_untouched() {
        let path = Path {
            customer: "A%20",
            transfer: "b",
        };

        let reject = head("POST", "/transfers/A%20/b/reject?x");
        let read = head("GET", "/transfers/A%20/b?x");

        assert_eq!(find(&reject), Ok(Route::Reject(path)));
        assert_eq!(find(&read), Ok(Route::Read(path)));
    }

    #[test]
    fn has_the_paths_that_are_documented() {
        let filled = |path: &str| {
            let path = path.replace("{customer-id}", "a");
            path.replace("{transfer-id}", "b")
        };
        let path = Path {
            customer: "a",
            transfer: "b",
        };

        assert_eq!(
            find(&head("POST", &filled(REJECT))),
            Ok(Route::Reject(path))
        );
        assert_eq!(find(&head("GET", &filled(TRANSFER))), Ok(Route::Read(path)));
    }

    #[test]
    fn tells_another_method_from_another_path() {
        assert_eq!(
            find(&head("GET", "/transfers/a/b/reject")),
            Err(Misroute::Method { allow: "POST" })
        );
        for method in ["POST", "HEAD", "PATCH"] {
            assert_eq!(
                find(&head(method, "/transfers/a/b")),
                Err(Misroute::Method { allow: "GET" })
            );
        }
        for target in [
            "/",
            "/transfers",
            "/transfers/a",
            "/transfers/a/b/",
            "/transfers/a/b/reject/",
            "/transfers/a/b/reject/c",
            "//transfers/a/b/reject",
            "/transfers//b/reject",
            "/transfers/a/../reject",
            "/transfers/a%2Fb/reject",
            "/transfers/a/b%2freject",
            "/transfers/a/b%5creject/reject",
            "/transfers/a;x/b/reject",
            "/Transfers/a/b/reject",
            "/transfers/a/b/REJECT",
            "/transfers/a/b/rejec%74",
            "http://elsewhere/transfers/a/b/reject",
            "*",
        ] {
            assert_eq!(
                find(&head("POST", target)),
                Err(Misroute::NotFound),
                "{target}"
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_any_path(path in "/[ -~]{0,60}") {
            if let Ok(uri) = path.parse::<http::Uri>() {
                let request = Request::post(uri).body(()).unwrap();
                find(&request.into_parts().0).ok();
            }
        }
    }
}
