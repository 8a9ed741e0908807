//! `serve`: from a configuration file to a gateway that has left in good order.

use std::{error::Error, io::Write as _, path::Path, pin::pin};

use tracing::{error, info, warn};

use crate::{
    app::{Gateway, Surroundings, bound::Bound},
    cause,
    cli::reload::Reloader,
    config::{
        Config,
        environment::Environment,
        load::{self, Attempt, Loaded},
    },
    http_client::BoxError,
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
        let mut stop = pin!(shutdown::asked_to_stop()?);
        let bound = tokio::select! {
            bound = bound(config) => bound?,
            signal = &mut stop => {
                info!("{signal} received while starting, ending at once");
                return Ok(Ok(()));
            }
        };
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

/// The gateway with its sockets. It is made beside the caller, who hears signals however long the journal takes to read:
/// to the first process of a container the kernel passes on only those that it listens for.
#[expect(
    clippy::disallowed_methods,
    reason = "no drain has begun that could wait for it, and the process ends with it"
)]
async fn bound(config: Config) -> Result<Bound, Fault> {
    let building = tokio::spawn(async move {
        let gateway = Gateway::build(config, Surroundings::real()).await;
        let gateway = gateway.map_err(BoxError::from)?;
        gateway.bind().await.map_err(BoxError::from)
    });
    building.await?.map_err(|error| -> Fault { error })
}

const CLEAN: u8 = 0;
const NOT_STARTED: u8 = 1;
const CUT: u8 = 3;
