//! Opens the journal, and holds it against what the sinks have before anything is written.

use std::sync::Arc;

use crate::{
    app::shipping::Destination,
    audit::{
        self,
        fork::Ahead,
        recovery::{Opened, found::Found},
        start_error::StartError,
    },
    delivery::{asking, sink::Sink},
};

/// Opens the journal; another one begins in its place where a sink has what the disk does not.
///
/// # Errors
///
/// When it cannot be opened, is damaged, or cannot be ended.
pub(in crate::app) async fn open(
    settings: &audit::Settings,
    sinks: &[Destination],
) -> Result<Opened, StartError> {
    let found = Found::in_directory(&settings.dir)?;
    if found.is_new() {
        return Ok(found.go_on()?);
    }
    let asked: Vec<(String, Arc<dyn Sink>)> = sinks
        .iter()
        .map(|it| (it.settings.name.clone(), Arc::clone(&it.sink)))
        .collect();
    let told = asking::ask(&asked, found.id()).await;
    let Some(ahead) = ahead(&found, told)? else {
        return Ok(found.go_on()?);
    };
    let names: Vec<_> = sinks
        .iter()
        .filter(|it| it.settings.kind.acknowledges())
        .map(|it| it.settings.name.as_str())
        .collect();
    Ok(found.end(&ahead, settings, &names)?.go_on()?)
}

/// The sink that has most of what the journal lacks.
fn ahead(found: &Found, told: Vec<Ahead>) -> Result<Option<Ahead>, StartError> {
    let mut most: Option<Ahead> = None;
    for it in told {
        let is_most = most.as_ref().is_none_or(|most| it.seq > most.seq);
        if is_most && found.lacks(it.seq, it.hash)? {
            most = Some(it);
        }
    }
    Ok(most)
}
