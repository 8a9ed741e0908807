//! Keeps a running gateway at what its configuration says, as far as that needs no restart.

use std::{
    convert::Infallible,
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use tracing::{error, info, warn};

use crate::{
    app::reload::Replaceable,
    cause,
    config::{
        environment::Environment,
        load::{self, Attempt, Loaded},
        values::Values,
        watch::{Read, Watch},
    },
    shutdown::Hangups,
    telemetry::log::{self, LogFilter},
};

/// Reads the configuration anew on SIGHUP and whenever one of its files has changed.
#[derive(Debug)]
pub(in crate::cli) struct Reloader {
    path: PathBuf,
    environment: Environment,
    /// What the configuration and its files said at the start, which is what holds for keys that need
    /// a restart.
    started_with: (Values, Read),
    watch: Watch,
    replaceable: Replaceable,
    log: LogFilter,
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
        started_with: (Values, Read),
        replaceable: Replaceable,
        log: LogFilter,
    ) -> Self {
        Self {
            path,
            environment,
            watch: Watch::since(started_with.1.clone()),
            started_with,
            replaceable,
            log,
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
        if matches!(reason, Reason::Hangup) {
            // Whoever has mended one of them need not wait.
            self.replaceable.hurry_sinks();
        }
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
        let Attempt { loaded, read } = load::attempt(&self.path, &self.environment);
        if !Watch::still_hold(&read) {
            // Half of it may be old and half new; once it has come to rest it is seen to have changed.
            return;
        }
        let done = loaded
            .map_err(Into::into)
            .and_then(|loaded| self.put_into_force(loaded, &read));
        match done {
            Ok(_) => self.watch.note_sound(read),
            Err(_) => self.watch.note_unsound(read),
        }
        let path = self.path.display();
        match done {
            Ok(waiting) => {
                let reloaded = self.replaceable.reloads.done(waiting);
                let policy = self.replaceable.policy_hash();
                if waiting == 0 {
                    info!(
                        path = %path,
                        policy = %policy,
                        config_reloaded = reloaded,
                        "configuration read anew and in force"
                    );
                } else {
                    info!(
                        path = %path,
                        policy = %policy,
                        config_reloaded = reloaded,
                        "configuration read anew and in force, except for what takes effect after a restart"
                    );
                }
            }
            Err(fault) => {
                let failed = self.replaceable.reloads.failed();
                error!(
                    path = %path,
                    error = %cause::chain(&*fault),
                    config_reload_failed = failed,
                    "configuration not sound; the old one stays in force"
                );
            }
        }
    }

    fn put_into_force(&self, loaded: Loaded, read: &Read) -> Result<u64, Box<dyn Error>> {
        let Loaded {
            config,
            notices,
            values,
            rules: _,
        } = loaded;
        let filter = log::filter(&config.telemetry)?;
        self.replaceable.replace(config)?;
        self.log.replace(filter)?;
        for notice in notices {
            warn!(path = %self.path.display(), "{notice}");
        }
        let waiting = self.waiting_for_restart(&values, read);
        for key in &waiting {
            warn!(path = %self.path.display(), key, "changed; takes effect after a restart");
        }
        Ok(u64::try_from(waiting.len()).unwrap_or(u64::MAX))
    }

    /// Keys that say something else than at the start, or name files that do.
    fn waiting_for_restart<'a>(&'a self, values: &'a Values, read: &Read) -> Vec<&'a str> {
        let (started_with, held) = &self.started_with;
        let mut keys = started_with.differing_until_restart(values);
        let changed = |(_, file): &(&str, &Path)| held.get(*file) != read.get(*file);
        keys.extend(
            values
                .files_until_restart()
                .filter(changed)
                .map(|(key, _)| key),
        );
        keys.dedup();
        keys
    }
}

/// Kubernetes takes up to a minute to bring a change; who waits for it is not to wait for us.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
