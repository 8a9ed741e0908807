//! A child process: what it says is read as it comes, and no test leaves it behind.

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use super::canary;

/// A process; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    said: [Said; 2],
}

/// How a process ended, and all that it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Absent when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let program = command.get_program().display();
        let mut child = child.unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdout = Said::by(child.stdout.take().expect("stdout"));
        let stderr = Said::by(child.stderr.take().expect("stderr"));
        Self {
            child,
            said: [stdout, stderr],
        }
    }

    /// Its process ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stdout so far.
    pub(crate) fn stdout(&self) -> String {
        self.said[0].so_far()
    }

    /// What it wrote to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.said[1].so_far()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        run("kill", &["-s", name, &self.id().to_string()]);
    }

    /// Bounds the size of the files that it writes, or frees it of the bound.
    pub(crate) fn bound_file_size(&self, bytes: &str) {
        let bound = format!("--fsize={bytes}:");
        run("prlimit", &["--pid", &self.id().to_string(), &bound]);
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("child").is_some()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(mut self) -> Ended {
        let mut status = None;
        within(async || {
            status = self.child.try_wait().expect("child");
            status.is_some()
        })
        .await;
        let [stdout, stderr] = self.said.each_mut().map(Said::whole);
        Ended {
            code: status.expect("status").code(),
            stdout,
            stderr,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            for said in &mut self.said {
                canary::assert_untold("what a process said", said.whole().as_bytes());
            }
        }
    }
}

/// What a process writes to one stream, read as it comes.
struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: Option<JoinHandle<()>>,
}

impl Said {
    fn by(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&bytes);
        let reading = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut piece) {
                kept.lock().expect("bytes").extend(&piece[..read]);
            }
        });
        Self {
            bytes,
            reading: Some(reading),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("bytes")).into_owned()
    }

    /// All of it; the process has ended.
    fn whole(&mut self) -> String {
        if let Some(reading) = self.reading.take() {
            reading.join().expect("read to the end");
        }
        self.so_far()
    }
}

/// Asks until the answer is yes.
pub(crate) async fn within(holds: impl AsyncFnMut() -> bool) {
    asking_every(Duration::from_millis(2), Duration::from_secs(20), holds).await;
}

/// Asks at intervals until the answer is yes, which it must be within a time.
pub(crate) async fn asking_every(
    interval: Duration,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let asking = async {
        while !holds().await {
            tokio::time::sleep(interval).await;
        }
    };
    tokio::time::timeout(limit, asking).await.expect("in time");
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// A port that nobody has at the moment.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    listener.local_addr().expect("address")
}
