//! A collector on loopback that follows a script, and keeps what it received.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::read::MultiGzDecoder;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
    },
    common::v1::any_value::Value,
    logs::v1::LogRecord,
};
use partner_gateway::delivery::batch::Batch;
use prost::Message as _;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What becomes of a request, each on a connection of its own.
#[derive(Clone)]
pub(super) enum Step {
    /// These bytes are the answer.
    Answer(Vec<u8>),
    /// These bytes are the answer, and then the connection is reset.
    Reset(Vec<u8>),
    /// This head, and then zeros for as long as somebody reads them.
    Endless(&'static str),
}

pub(super) struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    following: JoinSet<u64>,
}

#[derive(Clone)]
pub(super) struct Received {
    /// Request line and headers.
    pub(super) head: String,
    pub(super) message: ExportLogsServiceRequest,
}

impl Receiver {
    /// Follows a script, a step a request.
    pub(super) async fn following(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Vec<_>>>::default();
        let mut following = JoinSet::new();
        let kept = Arc::clone(&received);
        following.spawn(async move {
            let mut written = 0;
            for step in steps {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = receive(&mut stream).await;
                kept.lock().unwrap().push(request);
                written += step.play(stream).await;
            }
            written
        });
        Self {
            address,
            received,
            following,
        }
    }

    pub(super) async fn answering(answer: Vec<u8>) -> Self {
        Self::following(vec![Step::Answer(answer)]).await
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}/v1/logs", self.address)
    }

    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits for the end of its script, and tells how many bytes it could write.
    pub(super) async fn finished(mut self) -> u64 {
        self.following.join_next().await.unwrap().unwrap()
    }
}

impl Step {
    async fn play(self, mut stream: TcpStream) -> u64 {
        let (begin, is_endless) = match &self {
            Self::Answer(answer) | Self::Reset(answer) => (answer.as_slice(), false),
            Self::Endless(head) => (head.as_bytes(), true),
        };
        stream.write_all(begin).await.unwrap();
        let mut written = 0;
        while is_endless && stream.write_all(&ZEROS).await.is_ok() {
            written += u64::try_from(ZEROS.len()).unwrap();
        }
        if matches!(self, Self::Reset(_)) {
            let reset = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            reset.unwrap();
        }
        written
    }
}

impl Received {
    pub(super) fn records(&self) -> Vec<&LogRecord> {
        let scopes = self.message.resource_logs.iter();
        let scopes = scopes.flat_map(|resource| &resource.scope_logs);
        scopes.flat_map(|scope| &scope.log_records).collect()
    }

    /// The bodies, which are the lines of the journal.
    pub(super) fn lines(&self) -> Vec<&str> {
        self.records().into_iter().map(line).collect()
    }

    /// Whether it has all of the records, byte by byte, in their order and nothing else.
    #[track_caller]
    pub(super) fn assert_is(&self, batch: &Batch) {
        let lines = batch.lines().iter().map(|line| line.text.as_str());
        assert_eq!(self.lines(), lines.collect::<Vec<_>>());
    }
}

fn line(record: &LogRecord) -> &str {
    match record.body.as_ref().and_then(|body| body.value.as_ref()) {
        Some(Value::StringValue(line)) => line,
        other => panic!("{other:?}"),
    }
}

async fn receive(stream: &mut TcpStream) -> Received {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let mut message = Vec::new();
    MultiGzDecoder::new(&*body)
        .read_to_end(&mut message)
        .unwrap();
    Received {
        head,
        message: ExportLogsServiceRequest::decode(&*message).unwrap(),
    }
}

/// An answer with a body of a type, and further header lines.
pub(super) fn answer(status: &str, more: &str, media: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer with a message, as OTLP has it.
pub(super) fn protobuf(status: &str, more: &str, body: &[u8]) -> Vec<u8> {
    answer(status, more, "application/x-protobuf", body)
}

/// An acknowledgement that rejects some and says why.
pub(super) fn partial(rejected: i64, message: &str) -> Vec<u8> {
    let response = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message: message.to_owned(),
        }),
    };
    protobuf("200 OK", "", &response.encode_to_vec())
}

/// A `google.rpc.Status`: the code 3 and a message, written by hand.
pub(super) fn status(message: &str) -> Vec<u8> {
    let length = u8::try_from(message.len()).expect("a length of one byte");
    assert!(length < 128);
    [&[0x08, 3, 0x12, length], message.as_bytes()].concat()
}

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
