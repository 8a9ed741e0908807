//! Reads `telemetry`.

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::{
    config::{environment::Environment, scalar::one_of, section::Section, traces},
    delivery::spans,
    telemetry::{Format, Settings},
};

/// Reads `telemetry`.
pub(crate) fn telemetry(
    section: &Section<'_>,
    environment: &Environment,
) -> Option<(Settings, Option<spans::Settings>)> {
    let log = section.section("log", log);
    let traces = section.take("traces");
    let traces = traces.map(|cursor| cursor.section(|it| traces::traces(it, environment)));
    Some((log?, traces.map_or(Some(None), |read| read.map(Some))?))
}

fn log(section: &Section<'_>) -> Option<Settings> {
    let format = section.required("format", one_of(&FORMATS));
    let filter = section.required("filter", filter);
    Some(Settings {
        format: format?,
        filter: filter?,
    })
}

/// A bare word is the name of a target to the filter's own parser, which turns a misspelt level
/// into silence; so a bare word must be a level.
fn filter(text: &str) -> Result<String, String> {
    let bare = |directive: &&str| !directive.contains(['=', '[']);
    let mut levels = text.split(',').filter(bare);
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let misspelt = !levels.all(is_level);
    let sound = !misspelt && EnvFilter::try_new(text).is_ok();
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "a level such as info, or directives such as info,hyper=warn".to_owned())
}

/// The forms of a log line.
const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("text", Format::Text)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_levels_and_directives_and_no_misspelt_level() {
        for text in [
            "info",
            "warn,partner_gateway=debug",
            "off",
            "info,[{transfer.id}]=trace",
        ] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "inof",
            "info,debgu",
            "partner_gateway=debgu",
            "info, hyper=warn",
        ] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
