//! The way out over real connections.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use partner_gateway::http_client::{HttpClient, HttpError, Settings};
use tokio::net::TcpListener;

#[tokio::test]
async fn knows_that_nothing_was_sent_where_tls_never_came_about() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let authority = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let anchor = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(anchor.path(), authority.cert.pem()).unwrap();
    let client = HttpClient::connecting(&Settings {
        connect_timeout: Duration::from_millis(200),
        ca_file: Some(anchor.path().to_owned()),
        plain_http: false,
    })
    .unwrap();
    let request = Request::get(format!("https://{address}/")).body(Full::<Bytes>::default());

    let failed = client
        .exchange(request.unwrap(), Duration::from_secs(20), 1024)
        .await
        .unwrap_err();

    assert!(matches!(failed, HttpError::Connect(_)), "{failed:?}");
}
