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
    can_be_last: bool,
    is_without_body: bool,
}

impl Form {
    /// Looks at a request that came over the connection of these heads.
    pub fn of<B>(request: &Request<B>, heads: &Heads) -> Self {
        // Over HTTP/2 a connection ends with a frame of its own.
        let can_be_last = request.version() < Version::HTTP_2;
        let head = if can_be_last {
            heads.next()
        } else {
            Head::SOUND
        };
        Self {
            fault: head.fault,
            is_last: head.is_last,
            can_be_last,
            is_without_body: request.method() == Method::HEAD,
        }
    }

    /// Has the answer tell that no other request may follow over the connection.
    #[must_use]
    pub fn into_last(mut self) -> Self {
        self.is_last = self.can_be_last;
        self
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
