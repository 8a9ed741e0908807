//! Requests made to be read in two ways, as raw bytes over real sockets. Each is refused with its own
//! code and one record, nothing of it goes upstream, and no second request hides in it.

mod framing;
mod headers;
mod heads;
mod http2;
mod paths;

use serde_json::Value;

use crate::harness::{
    BILLING, CUSTOMER, TRANSFER,
    served::{Served, converse},
};

/// A gateway under attack.
struct Target {
    served: Served,
}

/// One answer, with the records that were written for it.
#[derive(Debug)]
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: Value,
    records: Vec<Value>,
}

impl Target {
    async fn new() -> Self {
        let served = Served::with(|config| {
            // Enough for every refusal in a table to have a record of its own.
            config.audit.unauthenticated_rate = 100_000.try_into().expect("a rate");
        })
        .await;
        Self { served }
    }

    /// Sends bytes on a connection of their own, to which exactly one answer comes back before the
    /// gateway closes it.
    async fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let before = self.outcomes().len();
        let bytes = bytes.as_ref();
        let whole = converse(self.served.address, bytes).await;
        let shown = String::from_utf8_lossy(bytes.get(..300).unwrap_or(bytes));
        assert!(
            !whole.contains(BILLING),
            "a credential in an answer: {whole}"
        );
        let (head, body) = whole
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{shown:?} -> {whole:?}"));
        assert!(
            !body.contains("HTTP/1.1 "),
            "two answers: {shown:?} -> {whole}"
        );
        let status = head.split(' ').nth(1).expect("status");
        Answer {
            status: status.parse().expect("status"),
            head: format!("{}\r\n", head.to_lowercase()),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
            records: self.outcomes().split_off(before),
        }
    }

    /// Sends bytes that are refused with a problem.
    async fn refuses(&self, bytes: impl AsRef<[u8]>, status: u16, code: &str) -> Answer {
        let shown = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        let answer = self.send(bytes).await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (status, Some(code)),
            "{shown:?} -> {answer:?}"
        );
        assert_eq!(answer.body["forwarded"], "no");
        let record = answer.only_record();
        assert_eq!(record["id"], answer.body["auditId"]);
        assert_eq!(record["status"], status);
        assert_eq!(record["code"], code);
        assert_eq!(record["outcome"], "refused");
        self.is_untouched();
        answer
    }

    /// Sends bytes that become no request: `hyper` answers them without a problem and without a record
    /// of their own.
    async fn takes_for_no_request(&self, bytes: impl AsRef<[u8]>) {
        let shown = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        let answer = self.send(bytes).await;
        assert_eq!(answer.status, 400, "{shown:?} -> {answer:?}");
        assert_eq!(answer.body, Value::Null, "{shown:?}");
        assert!(answer.records.is_empty(), "{shown:?} -> {answer:?}");
        self.is_untouched();
    }

    /// Ends the gateway, whose summaries tell of so many that were no requests, and of nothing else.
    async fn ends_having_counted(self, strays: usize) {
        self.is_untouched();
        let (left, journal) = self.served.stop().await;
        assert_eq!(left, Ok(()));
        let told = journal.summed_up().into_iter().map(|((_, class), count)| {
            assert_eq!(class, "not_http");
            usize::try_from(count).expect("a count")
        });
        assert_eq!(told.sum::<usize>(), strays);
        assert!(journal.of_kind("intent").is_empty());
    }

    fn is_untouched(&self) {
        let seen = self.served.sandbox.seen();
        assert!(seen.is_empty(), "sent upstream: {seen:?}");
    }

    fn outcomes(&self) -> Vec<Value> {
        self.served.journal().of_kind("outcome")
    }
}

impl Answer {
    fn only_record(&self) -> &Value {
        let [record] = self.records.as_slice() else {
            panic!("{} records: {self:?}", self.records.len())
        };
        record
    }
}

/// The target of the documented call.
fn path() -> String {
    format!("/transfers/{CUSTOMER}/{TRANSFER}/reject")
}

/// The documented call with this line of a credential, or none, and more header lines, as the last one
/// of its connection.
fn call(credential: &str, more: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: gateway\r\n{credential}{more}Connection: close\r\n\
         Content-Length: 0\r\n\r\n",
        path()
    )
}

/// The line of the credential of `billing`.
fn billing() -> String {
    format!("Authorization: Bearer {BILLING}\r\n")
}
