//! A connection beneath HTTP: what was read from it is kept, and it can be made to bring what no HTTP server
//! would send.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf as _, Bytes};
use http::{HeaderValue, Response, header};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    answer::{Answer, Dropped},
    log::{Raw, moment},
};

/// What an answer's connection is to bring, carried in its extensions. Over HTTP/1.1 only.
#[derive(Clone, Debug)]
pub(crate) enum Beneath {
    /// These bytes, and then the answer.
    Before(Bytes),
    /// These bytes and nothing else, and then the end.
    Instead(Bytes),
}

/// A handle of a connection for those who answer over it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Ways>>);

#[derive(Debug, Default)]
struct Ways {
    /// The bytes read since they were last taken.
    read: Vec<u8>,
    /// When the first of them came.
    began: Option<Instant>,
    /// What is still to be written before anything else.
    before: Bytes,
    /// Whether all that HTTP writes is swallowed.
    silenced: bool,
    /// Whether the connection ends in a reset.
    reset: bool,
}

impl Wire {
    /// The bytes read since this was last asked. With one request at a time on the connection, which is
    /// how HTTP/1.1 clients use one, these are the bytes of one request.
    pub(crate) fn take_read(&self) -> Raw {
        let mut ways = self.ways();
        Raw {
            bytes: std::mem::take(&mut ways.read).into(),
            began: ways.began.take().unwrap_or_else(moment),
        }
    }

    /// Has the connection end in a reset, once it is dropped.
    pub(crate) fn reset(&self) {
        self.ways().reset = true;
    }

    /// Has the connection bring what an answer says beneath HTTP.
    pub(crate) fn prepare(
        &self,
        answered: Result<Response<Answer>, Dropped>,
    ) -> Result<Response<Answer>, Dropped> {
        match answered {
            Ok(mut answer) => match answer.extensions_mut().remove() {
                None => Ok(answer),
                Some(Beneath::Before(bytes)) => {
                    self.ways().before = bytes;
                    Ok(answer)
                }
                Some(Beneath::Instead(bytes)) => Ok(self.bring(bytes)),
            },
            Err(Dropped::NotHttp) => Ok(self.bring(Bytes::from_static(NOT_HTTP))),
            Err(Dropped::Reset) => {
                self.reset();
                Err(Dropped::Reset)
            }
            Err(Dropped::Closed) => Err(Dropped::Closed),
        }
    }

    /// Has the connection bring some bytes and close; the answer only makes the HTTP server write and end.
    fn bring(&self, bytes: Bytes) -> Response<Answer> {
        let mut ways = self.ways();
        ways.before = bytes;
        ways.silenced = true;
        let mut unheard = Response::new(Answer::whole(Bytes::new()));
        let close = HeaderValue::from_static("close");
        unheard.headers_mut().insert(header::CONNECTION, close);
        unheard
    }

    fn ways(&self) -> MutexGuard<'_, Ways> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Tapped {
    stream: TcpStream,
    wire: Wire,
}

impl Tapped {
    pub(crate) fn new(stream: TcpStream, wire: Wire) -> Self {
        Self { stream, wire }
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        if self.wire.ways().reset {
            // The peer may have been first to end the connection.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            let mut ways = this.wire.ways();
            ways.began.get_or_insert_with(moment);
            ways.read.extend_from_slice(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut ways = this.wire.ways();
        while ways.before.has_remaining() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, &ways.before))?;
            ways.before.advance(written);
        }
        if ways.silenced {
            return Poll::Ready(Ok(bytes.len()));
        }
        drop(ways);
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// The greeting of another protocol, as a client gets it that was sent to a wrong port.
const NOT_HTTP: &[u8] = b"SSH-2.0-OpenSSH_10.0\r\n";
