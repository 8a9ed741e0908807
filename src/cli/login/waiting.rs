//! Shows that the command waits for a person, and on a terminal by a line that moves for how long it will.
//! The line is short, so that it never scrolls away what the person has to read.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

/// Shows the waiting while a future runs, for at most so long.
///
/// # Cancel safety
///
/// Dropping the future takes the moving line away.
pub(in crate::cli::login) async fn during<T>(
    time: Duration,
    waited_for: impl Future<Output = T>,
) -> T {
    say("waiting for the code to be entered\n");
    if !io::stderr().is_terminal() {
        return waited_for.await;
    }
    let _line = Line;
    tokio::select! {
        done = waited_for => done,
        never = turn(time) => match never {},
    }
}

async fn turn(time: Duration) -> std::convert::Infallible {
    let ends = Instant::now() + time;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for sign in ["|", "/", "-", "\\"] {
            ticks.tick().await;
            let left = ends.duration_since(Instant::now()).as_secs();
            let (minutes, seconds) = (left / 60, left % 60);
            say(&format!("\r{sign} {minutes}:{seconds:02} left{CLEAR}"));
        }
    }
}

/// The moving line, which leaves nothing behind.
struct Line;

impl Drop for Line {
    fn drop(&mut self) {
        say(&format!("\r{CLEAR}"));
    }
}

/// A terminal that is gone needs no showing.
fn say(text: &str) {
    let mut terminal = io::stderr().lock();
    drop(
        terminal
            .write_all(text.as_bytes())
            .and_then(|()| terminal.flush()),
    );
}

/// Fast enough to be seen moving.
const TICK: Duration = Duration::from_millis(250);

/// Clears a terminal's line to its end (ECMA-48, EL).
const CLEAR: &str = "\x1b[K";
