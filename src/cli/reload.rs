//! Keeps a running gateway at what its configuration says, as far as that needs no restart.

use std::{convert::Infallible, error::Error, path::PathBuf, time::Duration};

use tracing::{error, info, warn};

use crate::{
    app::reload::Replaceable,
    cause,
    config::{
        environment::Environment,
        load::{self, Loaded},
        values::Values,
        watch::{Read, Watch},
    },
    shutdown::Hangups,
    telemetry::log::LogFilter,
};

/// Reads the configuration anew on SIGHUP and whenever one of its files has changed.
#[derive(Debug)]
pub(in crate::cli) struct Reloader {
    path: PathBuf,
    environment: Environment,
    /// What the configuration said at the start, which is what holds for keys that need a restart.
    started_with: Values,
    watch: Watch,
    replaceable: Replaceable,
    log: LogFilter,
    reloaded: u64,
    failed: u64,
}

/// Why there is reason to look.
#[derive(Clone, Copy, Debug)]
enum Reason {
    /// Somebody asked for it.
    Hangup,
    /// It is time.
    Time,
}

impl Reloader {
    /// `read` is what the files held when the configuration was read.
    pub(in crate::cli) fn new(
        path: PathBuf,
        environment: Environment,
        (started_with, read): (Values, Read),
        replaceable: Replaceable,
        log: LogFilter,
    ) -> Self {
        Self {
            path,
            environment,
            started_with,
            watch: Watch::since(read),
            replaceable,
            log,
            reloaded: 0,
            failed: 0,
        }
    }

    /// Runs until it is dropped.
    pub(in crate::cli) async fn run(mut self, mut hangups: Hangups) -> Infallible {
        loop {
            let reason = tokio::select! {
                () = hangups.next() => Reason::Hangup,
                () = tokio::time::sleep(LOOKED_AT_EVERY) => Reason::Time,
            };
            // A disk that hangs must not hold up calls.
            let looking = tokio::task::spawn_blocking(move || {
                self.look(reason);
                self
            });
            match looking.await {
                Ok(same) => self = same,
                Err(gone) => {
                    error!(error = %gone, "the configuration is not read anew any more");
                    return std::future::pending().await;
                }
            }
        }
    }

    fn look(&mut self, reason: Reason) {
        let changed = self.watch.has_changed();
        let due = match reason {
            Reason::Hangup => true,
            Reason::Time => changed,
        };
        if due {
            self.reload();
        }
    }

    fn reload(&mut self) {
        let attempt = load::attempt(&self.path, &self.environment);
        self.watch.note(attempt.read);
        let path = self.path.display();
        let done = match attempt.loaded {
            Ok(loaded) => self.put_into_force(loaded),
            Err(faults) => Err(faults.into()),
        };
        match done {
            Ok(()) => {
                self.reloaded = self.reloaded.saturating_add(1);
                info!(
                    path = %path,
                    policy = %self.replaceable.policy_hash(),
                    config_reloaded = self.reloaded,
                    "configuration read anew and in force"
                );
            }
            Err(fault) => {
                self.failed = self.failed.saturating_add(1);
                error!(
                    path = %path,
                    error = %cause::chain(&*fault),
                    config_reload_failed = self.failed,
                    "configuration not sound; the old one stays in force"
                );
            }
        }
    }

    fn put_into_force(&self, loaded: Loaded) -> Result<(), Box<dyn Error>> {
        let Loaded {
            config,
            notices,
            values,
            rules: _,
        } = loaded;
        let telemetry = config.telemetry.clone();
        self.replaceable.replace(config)?;
        self.log.replace(&telemetry)?;
        for notice in notices {
            warn!(path = %self.path.display(), "{notice}");
        }
        for key in self.started_with.differing_until_restart(&values) {
            warn!(path = %self.path.display(), key, "changed; takes effect after a restart");
        }
        Ok(())
    }
}

/// Kubernetes takes up to a minute to bring a change; who waits for it is not to wait for us.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
