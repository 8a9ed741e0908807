//! Calls as a caller makes them: for people to paste, and one to send.

use std::net::SocketAddr;

use sandbox::Transfer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::site::Site;

/// The correlation ID of Microsoft's documented example.
pub(crate) const CORRELATION: &str = "efa4c6f5-153a-4f76-e458-1375e181cc14";

/// What to try, ready to paste.
pub(crate) fn invitation(site: &Site) -> String {
    let Transfer { id, customer, .. } = Transfer::documented();
    let curl = |what: &str, method: &str, path: &str| {
        format!(
            "# {what}\ncurl -i -X {method} http://{}/transfers/{path} \\\n  -H \
             'Authorization: Bearer {}'\n\n",
            site.address, site.token
        )
    };
    let reject = |what: &str, customer: &str, transfer: &str| {
        curl(what, "POST", &format!("{customer}/{transfer}/reject"))
    };
    let (other, nothing) = (
        "11111111-1111-4111-8111-111111111111",
        "22222222-2222-4222-8222-222222222222",
    );
    [
        "This is a sandbox: Entra ID and Partner Center are pretended, and nothing leaves this machine.\n\n",
        &reject("succeeds, once: a transfer that was rejected stays so", &customer, &id),
        &curl("tells how the transfer stands", "GET", &format!("{customer}/{id}")),
        &reject("refused by policy: the caller may not act for this customer", other, &id),
        &reject("passed on: Partner Center knows no such transfer", &customer, nothing),
        &format!(
            "# the journal, newest first, as far as it is about the caller's own customer\ncurl -i \
             'http://{}/audit/records?customer={customer}' \\\n  -H 'Authorization: Bearer {}'\n\n",
            site.admin, site.token
        ),
        &format!("# for operators\ncurl -i 'http://{}/readyz?verbose'\n\n", site.admin),
        &format!("The audit journal is in {}. Ctrl-C ends the sandbox.\n", site.journal.display()),
    ]
    .concat()
}

/// The documented call, byte for byte.
pub(crate) fn documented(address: SocketAddr, token: &str) -> String {
    let Transfer { id, customer, .. } = Transfer::documented();
    format!(
        "POST /transfers/{customer}/{id}/reject HTTP/1.1\r\n\
         Host: {address}\r\n\
         Authorization: Bearer {token}\r\n\
         MS-CorrelationId: {CORRELATION}\r\n\
         Content-Length: 0\r\n\
         Connection: close\r\n\r\n"
    )
}

/// Sends a call and reads all that comes back.
pub(crate) async fn send(address: SocketAddr, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
