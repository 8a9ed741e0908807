//! A request on its way through the stack, with what is known of it.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, request::Parts};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;

use crate::audit::trail::Trail;

/// A request as it came off a connection.
#[derive(Debug)]
pub struct Arrival {
    /// Method, target and headers.
    pub head: Parts,
    /// The body, still to be read.
    pub body: Body,
    /// The TCP peer.
    pub peer: SocketAddr,
}

impl Arrival {
    /// A request whose body still comes over its connection.
    #[must_use]
    pub fn over_wire(request: Request<Incoming>, peer: SocketAddr) -> Self {
        let (head, body) = request.into_parts();
        let body = body.map_err(io::Error::other).boxed_unsync();
        Self { head, body, peer }
    }
}

/// A request with its identifiers and its trail.
#[derive(Debug)]
pub struct Exchange {
    /// Method, target and headers.
    pub head: Parts,
    /// The body, still to be read.
    pub body: Body,
    /// The facts of the call.
    pub trail: Trail,
    /// Whether the caller's own `MS-CorrelationId` could not be used.
    pub bad_correlation: bool,
}

/// A request's body while it arrives.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
