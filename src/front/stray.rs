//! Bytes that never became a request: what they are called, and where they are counted.
//!
//! Nothing of ours answers them, so they have no outcome record. What a connection may as well end
//! with after a call was answered, such as a time-out while it was idle, is not among them.

use std::{error::Error, io, net::SocketAddr};

use crate::audit::journal::Journal;

/// Where a listener counts what was no request.
#[derive(Clone, Debug)]
pub enum Strays {
    /// In the journal's summaries.
    Told(Journal),
    /// Nowhere.
    Untold,
}

/// What bytes that never became a request were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// Neither HTTP/1 nor HTTP/2.
    NotHttp,
    /// A head that is too large.
    HeaderTooLarge,
    /// No whole head in time on a new connection, whether it had begun or not.
    HeaderTimeout,
    /// A head that broke off.
    HeaderCutShort,
    /// A TLS handshake that the gateway refused, or that took too long.
    TlsHandshake,
}

impl Strays {
    /// Counts one, where there is one.
    pub(in crate::front) fn note(&self, stray: Option<Stray>, peer: SocketAddr) {
        if let (Self::Told(journal), Some(stray)) = (self, stray) {
            journal.stray(stray.as_str(), peer.ip());
        }
    }
}

impl Stray {
    /// What the bytes were that ended a connection before a call had come on it; nothing where the peer
    /// merely left.
    #[must_use]
    pub fn before_any_call(error: &(dyn Error + 'static)) -> Option<Self> {
        let error = error.downcast_ref::<hyper::Error>()?;
        if error.is_incomplete_message() {
            Some(Self::HeaderCutShort)
        } else if error.is_timeout() {
            Some(Self::HeaderTimeout)
        } else {
            Self::at_any_time(error).or_else(|| Self::broken_framing(error))
        }
    }

    /// What the bytes were that ended a connection, where they can have been no call whatever came
    /// before them.
    #[must_use]
    pub fn at_any_time(error: &(dyn Error + 'static)) -> Option<Self> {
        let error = error.downcast_ref::<hyper::Error>()?;
        if error.is_parse_too_large() {
            Some(Self::HeaderTooLarge)
        } else if error.is_parse() {
            Some(Self::NotHttp)
        } else {
            None
        }
    }

    /// What a failed handshake was; nothing where the peer merely left, as probes of the port do.
    #[must_use]
    pub fn in_handshake(error: &io::Error) -> Option<Self> {
        (error.kind() == io::ErrorKind::InvalidData).then_some(Self::TlsHandshake)
    }

    /// The class's name in summary records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::HeaderTooLarge => "header_too_large",
            Self::HeaderTimeout => "header_timeout",
            Self::HeaderCutShort => "header_cut_short",
            Self::TlsHandshake => "tls_handshake",
        }
    }

    /// HTTP/2 that goes on as something else, which hyper tells by an error of `h2` behind its own.
    fn broken_framing(error: &hyper::Error) -> Option<Self> {
        let source = error.source()?;
        (!source.is::<io::Error>()).then_some(Self::NotHttp)
    }
}
