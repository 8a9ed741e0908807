//! A request on its way through the stack, with what is known of it.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{Request, request::Parts};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::Incoming;

use crate::{
    audit::trail::Trail, front::heads::Fault, identity::certificate::ClientCertificate,
    spans::Span, transfers::claim::ClaimCell,
};

/// A request as it came off a connection.
#[derive(Debug)]
pub struct Arrival {
    /// Method, target and headers.
    pub head: Parts,
    /// The body, still to be read.
    pub body: Body,
    /// What the bytes of the head had wrong.
    pub fault: Option<Fault>,
    /// Who is at the other end of the connection.
    pub peer: Peer,
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The TCP peer.
    pub address: SocketAddr,
    /// The certificate that the TLS handshake verified, where there is one.
    pub certificate: Option<ClientCertificate>,
}

impl Arrival {
    /// A request whose body still comes over its connection.
    #[must_use]
    pub fn over_wire(request: Request<Incoming>, fault: Option<Fault>, peer: Peer) -> Self {
        let (head, body) = request.into_parts();
        let body = body.map_err(io::Error::other).boxed_unsync();
        Self {
            head,
            body,
            fault,
            peer,
        }
    }
}

/// A request with its identifiers and its trail.
#[derive(Debug)]
pub struct Exchange {
    /// Method, target and headers.
    pub head: Parts,
    /// The body, still to be read.
    pub body: Body,
    /// What the bytes of the head had wrong.
    pub fault: Option<Fault>,
    /// The facts of the call.
    pub trail: Trail,
    /// The certificate of the caller's connection.
    pub certificate: Option<ClientCertificate>,
    /// Where the call leaves its claim on an idempotency key.
    pub claim: ClaimCell,
    /// Whether the caller's own `MS-CorrelationId` could not be used.
    pub bad_correlation: bool,
    /// The span of the call.
    pub span: Span,
}

/// A request's body while it arrives.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
