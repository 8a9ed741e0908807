//! What the pretend services answer with.

use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;

/// The body of an answer: whole, or broken off on purpose.
#[derive(Debug)]
pub struct Answer {
    rest: Option<Bytes>,
    end: End,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Whole,
    /// It breaks off, but not before the next poll: a server throws away what it has not sent.
    BreaksOffLater,
    BreaksOff,
}

/// How a connection ended without an answer, on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dropped {
    /// It was closed.
    Closed,
    /// It was reset.
    Reset,
    /// It brought something that is not HTTP.
    NotHttp,
}

impl Answer {
    pub(crate) fn whole(body: impl Into<Bytes>) -> Self {
        Self {
            rest: Some(body.into()),
            end: End::Whole,
        }
    }

    pub(crate) fn broken_off(part: Bytes) -> Self {
        Self {
            rest: Some(part),
            end: End::BreaksOffLater,
        }
    }

    /// The body, if it is a whole one.
    pub(crate) fn bytes(&self) -> Option<Bytes> {
        self.rest.clone().filter(|_| self.is_whole())
    }

    fn is_whole(&self) -> bool {
        self.end == End::Whole
    }

    fn left(&self) -> usize {
        self.rest.as_ref().map_or(0, Bytes::len)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(part) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::BreaksOffLater => {
                self.end = End::BreaksOff;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            End::BreaksOff => {
                self.end = End::Whole;
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0 && self.is_whole()
    }

    fn size_hint(&self) -> SizeHint {
        let left = u64::try_from(self.left()).unwrap_or(u64::MAX);
        let mut hint = SizeHint::with_exact(left);
        if !self.is_whole() {
            hint = SizeHint::new();
            hint.set_lower(left);
        }
        hint
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the sandbox closed the connection without an answer",
            Self::Reset => "the sandbox reset the connection without an answer",
            Self::NotHttp => "the sandbox answered with something that is not HTTP",
        })
    }
}

impl Error for Dropped {}

/// A JSON answer of Entra ID, or of Partner Center's front door.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Answer> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    typed(status, "application/json; charset=utf-8", text)
}

/// An answer of some media type; none where it is empty or no header value.
pub(crate) fn typed(status: StatusCode, media: &str, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Answer::whole(body));
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(media)
        && !media.is_empty()
    {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}
