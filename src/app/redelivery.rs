//! Sending again what a sink refused, for a person who has seen to the sink.

use crate::{
    app::{Surroundings, build::BuildError, shipping::sink},
    config::Config,
    delivery::{redelivery::Redelivery, settings::Settings},
    ids::JournalId,
};

/// Sets a sink up as the gateway does, beside one that may be running.
///
/// # Errors
///
/// When it cannot be set up.
pub fn redelivery(
    settings: &Settings,
    (config, journal): (&Config, JournalId),
    surroundings: &Surroundings,
) -> Result<Redelivery, BuildError> {
    let name = settings.name.clone();
    let sink = sink(&settings.kind, None, surroundings)
        .map_err(|source| BuildError::Sink { sink: name, source })?;
    let kept = (config.audit.dir.clone(), journal);
    Ok(Redelivery::of(sink, &settings.name, kept))
}
