//! A way to a server that breaks at the worst moment: the server has got something and answered it, and the answer
//! is lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Passes everything on, but for one answer.
pub(crate) struct Severed {
    address: SocketAddr,
    is_whole: Arc<AtomicBool>,
    _passing: JoinSet<()>,
}

impl Severed {
    /// Breaks a connection after the first bytes with these in them were answered.
    pub(crate) async fn before(server: SocketAddr, after: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        let is_whole = Arc::new(AtomicBool::new(true));
        let mut passing = JoinSet::new();
        let whole = Arc::clone(&is_whole);
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass_on(client, server, after, Arc::clone(&whole)));
            }
        });
        Self {
            address,
            is_whole,
            _passing: passing,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether an answer was lost.
    pub(crate) fn has_broken(&self) -> bool {
        !self.is_whole.load(Ordering::SeqCst)
    }
}

async fn pass_on(
    mut client: TcpStream,
    server: SocketAddr,
    after: &[u8],
    is_whole: Arc<AtomicBool>,
) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut is_due = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let piece = &asked[..read];
                let found = piece.windows(after.len()).any(|window| window == after);
                is_due |= found && is_whole.load(Ordering::SeqCst);
                if server.write_all(piece).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if is_due && is_whole.swap(false, Ordering::SeqCst) {
                    return;
                }
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
