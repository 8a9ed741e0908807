//! When calls are due.

use std::{io, thread, time::Duration};

use tokio::{
    sync::{Mutex, mpsc},
    time::Instant,
};

/// Calls at equal distances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) interval: Duration,
    pub(crate) calls: u32,
}

/// The calls that are due and that nobody has begun; whoever has waited longest gets the next.
#[derive(Debug)]
pub(crate) struct Due(Mutex<mpsc::UnboundedReceiver<Instant>>);

impl Due {
    /// The moment for which the next call is planned; `None` after the last.
    pub(crate) async fn next(&self) -> Option<Instant> {
        self.0.lock().await.recv().await
    }
}

/// Lets calls become due, by a thread of its own: the runtime's timers know whole milliseconds only, which is what
/// a call takes.
pub(crate) fn keep(plan: Plan) -> io::Result<Due> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::Builder::new().spawn(move || {
        let begun = Instant::now();
        for number in 0..plan.calls {
            let planned = begun + plan.interval * number;
            thread::sleep(planned.saturating_duration_since(Instant::now()));
            if sender.send(planned).is_err() {
                break;
            }
        }
    })?;
    Ok(Due(Mutex::new(receiver)))
}
