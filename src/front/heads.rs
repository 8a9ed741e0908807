//! What stands in the head of an HTTP/1 request and `hyper` does not pass on: the end of its lines, a
//! fragment behind its target, and all that it says about how long its body is.
//!
//! The bytes are only looked at, on their way to `hyper`, which alone decides what a request is. Both
//! agree on where the next head begins, because a head in which they might not is the last one of its
//! connection. HTTP/2 has frames and is not looked at.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// A connection whose heads are looked at.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    place: Place,
    heads: Heads,
}

/// The heads that came over a connection and are still to be answered, in their order.
#[derive(Clone, Debug, Default)]
pub struct Heads(Arc<Mutex<Seen>>);

/// What was seen of a connection.
#[derive(Debug)]
struct Seen {
    waiting: VecDeque<Head>,
    heard: Instant,
    is_http_2: bool,
}

/// What was seen of one head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// Whether no other request may follow it over the same connection.
    pub is_last: bool,
}

/// Something in a head that another reader could take for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A fragment in the target, which RFC 9112 section 3.2 does not have.
    Fragment,
    /// A line that ends without a carriage return.
    LineEnd,
    /// Not one plain word about how long the body is.
    Length,
}

/// Where in its requests a connection is.
#[derive(Debug)]
enum Place {
    /// In a head, of which this much has come.
    Head(Vec<u8>),
    /// In a body, of which so many bytes are still to come.
    Body(usize),
    /// Behind everything that has to be seen.
    Behind,
}

impl<S> Watched<S> {
    /// Looks at a connection from its first byte on.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            place: Place::Head(Vec::new()),
            heads: Heads::default(),
        }
    }

    /// The heads that came.
    pub fn heads(&self) -> Heads {
        self.heads.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, into))?;
        let new = into.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            this.heads.seen().heard = Instant::now();
        }
        this.place.pass(new, &this.heads);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Heads {
    /// What was seen of the next head.
    #[must_use]
    pub fn next(&self) -> Head {
        self.seen().waiting.pop_front().unwrap_or(Head::UNSEEN)
    }

    /// When the connection's last bytes came, or where none came, when it did.
    #[must_use]
    pub fn heard(&self) -> Instant {
        self.seen().heard
    }

    /// Whether the connection began as one of HTTP/2 does.
    #[must_use]
    pub fn is_http_2(&self) -> bool {
        self.seen().is_http_2
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            heard: Instant::now(),
            is_http_2: false,
        }
    }
}

impl Head {
    /// A head with nothing to tell of; every head of HTTP/2 is one.
    pub const SOUND: Self = Self {
        fault: None,
        is_last: false,
    };

    /// A request that came in other bytes than those that were looked at.
    const UNSEEN: Self = Self::faulty(Fault::Length);

    const fn faulty(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            is_last: true,
        }
    }
}

impl Fault {
    /// Whether it cannot be known where the body is.
    #[must_use]
    pub const fn hides_body(self) -> bool {
        matches!(self, Self::Length | Self::LineEnd)
    }

    /// What the request does, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fragment => "has a fragment in its target",
            Self::LineEnd => "has lines that do not end with CR LF",
            Self::Length => "does not say plainly how long its body is",
        }
    }
}

impl Place {
    /// Moves past bytes that came.
    fn pass(&mut self, mut bytes: &[u8], heads: &Heads) {
        while !bytes.is_empty() {
            match self {
                Self::Behind => return,
                Self::Body(left) => {
                    let passed = bytes.len().min(*left);
                    *left -= passed;
                    bytes = bytes.get(passed..).unwrap_or_default();
                    if *left == 0 {
                        *self = Self::Head(Vec::new());
                    }
                }
                Self::Head(head) => {
                    let line = bytes.split_inclusive(|byte| *byte == b'\n').next();
                    let line = line.unwrap_or_default();
                    head.reserve(bytes.len());
                    head.extend_from_slice(line);
                    bytes = bytes.get(line.len()..).unwrap_or_default();
                    match head.as_slice() {
                        // Empty lines before a head are no part of it: RFC 9112 section 2.2.
                        b"\n" | b"\r\n" => head.clear(),
                        [.., b'\n', b'\n'] | [.., b'\n', b'\r', b'\n'] => {
                            *self = Self::behind(head, heads);
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// The place behind a whole head.
    fn behind(head: &[u8], heads: &Heads) -> Self {
        if head.starts_with(HTTP_2) {
            heads.seen().is_http_2 = true;
            return Self::Behind;
        }
        let (head, body_bytes) = judged(head);
        heads.seen().waiting.push_back(head);
        match body_bytes {
            _ if head.is_last => Self::Behind,
            0 => Self::Head(Vec::new()),
            more => Self::Body(more),
        }
    }
}

/// Judges a whole head, and reads how long its body is.
fn judged(head: &[u8]) -> (Head, usize) {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let has_fragment = lines.next().is_some_and(|line| line.contains(&b'#'));
    let has_bare_end = head
        .split_inclusive(|byte| *byte == b'\n')
        .any(|line| !line.ends_with(b"\r\n"));
    let (mut framings, mut is_chunked, mut body_bytes) = (0_usize, false, Some(0));
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        let value = value.unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            framings += 1;
            body_bytes = number(value);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            framings += 1;
            is_chunked = true;
            body_bytes = value.eq_ignore_ascii_case(b"chunked").then_some(0);
        }
    }
    let head = if has_bare_end {
        Head::faulty(Fault::LineEnd)
    } else if framings > 1 || body_bytes.is_none() {
        Head::faulty(Fault::Length)
    } else if has_fragment {
        Head::faulty(Fault::Fragment)
    } else {
        // Chunks are not looked at, so the head behind them would not be found.
        Head {
            fault: None,
            is_last: is_chunked,
        }
    };
    (head, body_bytes.unwrap_or_default())
}

fn number(digits: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

/// How HTTP/2 begins: RFC 9113 section 3.4.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Head> {
        let (mut place, heads) = (Place::Head(Vec::new()), Heads::default());
        for piece in pieces {
            place.pass(piece, &heads);
        }
        heads.seen().waiting.drain(..).collect()
    }

    #[test]
    fn tells_what_is_wrong_with_a_head() {
        let last = Head {
            is_last: true,
            ..Head::SOUND
        };
        for (text, expected) in [
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Head::SOUND),
            ("\r\n\nPOST / HTTP/1.1\r\nX: #\r\n\r\n", Head::SOUND),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", Head::SOUND),
            (
                "POST / HTTP/1.1\r\ntransfer-Encoding: chunked\r\n\r\n",
                last,
            ),
            ("POST /#a HTTP/1.1\r\n\r\n", Head::faulty(Fault::Fragment)),
            ("POST / HTTP/1.1\n\r\n", Head::faulty(Fault::LineEnd)),
            (
                "POST / HTTP/1.1\r\nA: b\r\n\n",
                Head::faulty(Fault::LineEnd),
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-length: 0\r\n\r\n",
                Head::faulty(Fault::Length),
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                Head::faulty(Fault::Length),
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
                Head::faulty(Fault::Length),
            ),
        ] {
            assert_eq!(seen([text.as_bytes()]), [expected], "{text:?}");
        }
    }

    #[test]
    fn looks_at_nothing_of_http_2() {
        assert_eq!(
            seen([&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /#\r\n\r\n"[..]]),
            []
        );
    }

    proptest! {
        #[test]
        fn sees_the_same_heads_however_the_bytes_are_cut(sizes in prop::collection::vec(1..40_usize, 0..20)) {
            let whole = b"POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n\r\n#\r\n\r\n\
                GET / HTTP/1.1\r\n\r\nGET /#x HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
            let (mut rest, mut pieces) = (&whole[..], Vec::new());
            for size in sizes {
                let (piece, more) = rest.split_at(size.min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            pieces.push(rest);

            let expected = [Head::SOUND, Head::SOUND, Head::faulty(Fault::Fragment)];
            prop_assert_eq!(seen(pieces), expected);
        }
    }
}
