//! What the form of a request asks of its answer, whatever the answer says.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version, header};
use http_body::Body as _;
use http_body_util::Full;

use crate::front::heads::{Fault, Head, Heads};

/// What a request's form asks of its answer.
#[derive(Debug)]
pub struct Form {
    /// What is wrong with it.
    pub fault: Option<Fault>,
    is_last: bool,
    is_without_body: bool,
}

impl Form {
    /// Looks at a request that came over the connection of these heads.
    pub fn of<B>(request: &Request<B>, heads: &Heads) -> Self {
        let head = if request.version() < Version::HTTP_2 {
            heads.next()
        } else {
            Head::SOUND
        };
        Self {
            fault: head.fault,
            is_last: head.is_last,
            is_without_body: request.method() == Method::HEAD,
        }
    }

    /// Makes the answer one that fits the request, whichever the version of HTTP.
    #[must_use]
    pub fn fit(self, mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        if self.is_last {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        if !self.is_without_body {
            return answer;
        }
        // Over HTTP/2 the body would be sent.
        if let Some(length) = answer.body().size_hint().exact() {
            let length = HeaderValue::from(length);
            answer.headers_mut().insert(header::CONTENT_LENGTH, length);
        }
        answer.map(|_| Full::default())
    }
}
