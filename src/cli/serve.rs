//! `serve`: from a configuration file to a gateway that has left in good order.

use std::{error::Error, io::Write as _, path::Path};

use tracing::{error, info, warn};

use crate::{
    app::{Gateway, Surroundings},
    cause,
    cli::reload::Reloader,
    config::{
        environment::Environment,
        load::{self, Attempt, Loaded},
    },
    shutdown::{self, Cut, Hangups},
    telemetry::log,
};

/// Runs the gateway; returns the process's exit code.
#[must_use]
pub fn run(config: &Path) -> u8 {
    match start(config) {
        Ok(Ok(())) => CLEAN,
        Ok(Err(cut)) => {
            error!(error = %cut, "drain ran out of time");
            CUT
        }
        Err(fault) => {
            // The log may not be there yet; stderr is.
            let said = writeln!(
                std::io::stderr(),
                "partner-gateway: {}",
                cause::chain(&*fault)
            );
            said.map_or(NOT_STARTED, |()| NOT_STARTED)
        }
    }
}

type Fault = Box<dyn Error + 'static>;

fn start(path: &Path) -> Result<Result<(), Cut>, Fault> {
    let environment = Environment::of_process();
    let Attempt { loaded, read } = load::attempt(path, &environment);
    let Loaded {
        config,
        notices,
        values,
        rules: _,
    } = loaded?;
    let log = log::init(&config.telemetry)?;
    for notice in notices {
        warn!(path = %path.display(), "{notice}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let hangups = Hangups::listen()?;
        shutdown::outlive_file_limits()?;
        let bound = Gateway::build(config, Surroundings::real())
            .await?
            .bind()
            .await?;
        // Before this a signal ends the process at once, however long the journal takes to read.
        let stop = shutdown::asked_to_stop()?;
        info!(address = %bound.address()?, "serving callers");
        info!(address = %bound.admin_address()?, "serving operators");
        let reloader = Reloader::new(
            path.to_owned(),
            environment,
            (values, read),
            bound.replaceable(),
            log,
        );
        let drain = bound.drain();
        let stopping = async move {
            let signal = stop.await;
            info!("{signal} received, leaving");
            drain.begin();
        };
        let serving = async { tokio::join!(bound.serve(), stopping).0 };
        let finished = tokio::select! {
            finished = serving => finished,
            // Nothing ends it but the end of the gateway.
            never = reloader.run(hangups) => match never {},
        };
        Ok::<_, Fault>(finished)
    });
    // What is still running did not end when the drain cut it off; its intents are in the journal.
    runtime.shutdown_background();
    served
}

const CLEAN: u8 = 0;
const NOT_STARTED: u8 = 1;
const CUT: u8 = 3;
