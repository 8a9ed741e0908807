//! `check`: reads the whole configuration and tells what is wrong with it, every fault at once.

use std::{
    error::Error,
    io::{self, Write},
    path::Path,
};

use crate::{
    app::{Surroundings, online},
    cause,
    cli::explain::{self, Decision, Question},
    clock::{Clock as _, SystemClock},
    config::{
        Config,
        environment::Environment,
        load::{Loaded, load},
    },
    delivery::settings::Kind,
    file::Disk,
    front::tls::Terms,
    secret::SecretSource,
    shutdown,
    token::certificate::Untimely,
};

/// How far a check goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The file, and every file that it names.
    Files,
    /// One token for each account and the keys of each issuer, too.
    Online,
    /// One decision of the policy, too.
    Policy(Question),
}

/// Checks a configuration; returns the exit code: 0 sound, 1 unsound, 2 sound and the call denied.
///
/// # Errors
///
/// When the verdict cannot be written.
pub fn run(
    config: &Path,
    environment: &Environment,
    reach: &Reach,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = match check(config, environment, out)? {
        Ok(loaded) => loaded,
        Err(Unsound) => return Ok(UNSOUND),
    };
    match reach {
        Reach::Files => Ok(SOUND),
        Reach::Online => online(loaded.config, out),
        Reach::Policy(question) => Ok(match explain::run(question, &loaded, out)? {
            Decision::Allowed => SOUND,
            Decision::Denied => DENIED,
        }),
    }
}

/// What is to be told of the dates of certificates.
#[derive(Debug)]
struct Dates {
    /// Of those that nobody would believe now.
    bad: Vec<String>,
    /// Of those whose end is near.
    near: Vec<String>,
}

/// Where each sink is.
#[derive(Debug, Default)]
struct Places {
    /// As it is told behind the sink.
    told: Vec<String>,
    /// What is wrong with what says so.
    bad: Vec<String>,
}

/// The verdict has been told.
#[derive(Clone, Copy, Debug)]
struct Unsound;

fn check(
    config: &Path,
    environment: &Environment,
    out: &mut dyn Write,
) -> io::Result<Result<Loaded, Unsound>> {
    match load(config, environment) {
        Ok(loaded) => {
            let Dates { bad, near } = Dates::of(&loaded.config);
            let sinks = Places::of(&loaded.config)?;
            for bad in bad.iter().chain(&sinks.bad) {
                writeln!(out, "{}: {bad}", config.display())?;
            }
            if !bad.is_empty() || !sinks.bad.is_empty() {
                return Ok(Err(Unsound));
            }
            writeln!(out, "{}: sound", config.display())?;
            for notice in &loaded.notices {
                writeln!(out, "{notice}")?;
            }
            for near in &near {
                writeln!(out, "{}: {near}", config.display())?;
            }
            for (sink, place) in loaded.config.sinks.iter().zip(&sinks.told) {
                writeln!(out, "sink {sink}{place}")?;
            }
            Ok(Ok(loaded))
        }
        Err(faults) => {
            writeln!(out, "{faults}")?;
            Ok(Err(Unsound))
        }
    }
}

impl Dates {
    /// A certificate that is good at another time is read all the same when the gateway starts, because
    /// it may be renewed while the gateway runs.
    fn of(config: &Config) -> Self {
        let now = SystemClock.now();
        let terms = config.server.tls.as_ref().map(Terms::read);
        let listener = terms.and_then(|terms| terms.ok()?.good_at(now).err());
        let mut dates = Self {
            bad: listener.iter().map(ToString::to_string).collect(),
            near: Vec::new(),
        };
        for account in &config.accounts {
            let Some(untimely) = account.token.credential.untimely(now) else {
                continue;
            };
            let key = format!("accounts.{}.credential.certificate", account.name);
            let told = format!("{key}.certificate_file {untimely}");
            match untimely {
                Untimely::Now { .. } => dates.bad.push(told),
                Untimely::Soon { .. } => dates.near.push(told),
            }
        }
        dates
    }
}

impl Places {
    fn of(config: &Config) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut places = Self::default();
        for (index, sink) in config.sinks.iter().enumerate() {
            let place = match &sink.kind {
                Kind::Postgres(to) => runtime.block_on(to.place(&Disk::default())),
                Kind::Nats => Ok(config.cluster.as_ref().map_or_else(String::new, |it| {
                    let hosts: Vec<_> = it.servers.hosts().collect();
                    format!("{}, stream {}", hosts.join(","), it.stream)
                })),
                // What they are told with says it.
                Kind::Stdout | Kind::Otlp(_) => Ok(String::new()),
            };
            match place {
                Ok(place) if place.is_empty() => places.told.push(place),
                Ok(place) => places.told.push(format!(" (at {place})")),
                Err(setback) => {
                    let file = file_of(&sink.kind);
                    let told = format!("audit.sinks[{index}].url{file}: {setback}");
                    places.bad.push(told);
                }
            }
        }
        // A disk that hangs must not keep the process.
        runtime.shutdown_background();
        Ok(places)
    }
}

fn file_of(kind: &Kind) -> String {
    match kind {
        Kind::Postgres(to) => match &to.url {
            SecretSource::File(path) => format!(", the file {}", path.display()),
            SecretSource::Value(_) => String::new(),
        },
        Kind::Stdout | Kind::Otlp(_) | Kind::Nats => String::new(),
    }
}

fn online(config: Config, out: &mut dyn Write) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tried = runtime.block_on(async {
        let surroundings = Surroundings::real();
        let stop = shutdown::asked_to_stop()?;
        let accounts = match online::try_accounts(&config, &surroundings, stop).await? {
            Ok(accounts) => accounts,
            Err(signal) => return Err(format!("{signal} received").into()),
        };
        let issuers = online::try_issuers(config.identity, &surroundings).await?;
        Ok::<_, Box<dyn Error>>((accounts, issuers))
    });
    // A disk that hangs must not keep the process.
    runtime.shutdown_background();
    let (accounts, issuers) = match tried {
        Ok(tried) => tried,
        Err(error) => {
            writeln!(out, "{}", cause::chain(&*error))?;
            return Ok(UNSOUND);
        }
    };
    let mut code = SOUND;
    for (account, token) in accounts {
        match token {
            Ok(obtained) => writeln!(out, "account {account}: {obtained}")?,
            Err(unavailable) => {
                writeln!(out, "account {account}: {}", cause::chain(&unavailable))?;
                code = UNSOUND;
            }
        }
    }
    for (issuer, keys) in issuers {
        match keys {
            Ok(count) => writeln!(out, "issuer {issuer}: {count} usable keys were had")?,
            Err(error) => {
                writeln!(out, "issuer {issuer}: {}", cause::chain(&error))?;
                code = UNSOUND;
            }
        }
    }
    Ok(code)
}

const SOUND: u8 = 0;
const UNSOUND: u8 = 1;
const DENIED: u8 = 2;

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    #[test]
    fn tells_faults_and_exits_with_1() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gateway.yaml");
        fs::write(&file, "server: {listen: here}\n").unwrap();

        let (code, said) = checked(&file);

        assert_eq!(code, UNSOUND);
        insta::assert_snapshot!(said, @r#"
        DIR/gateway.yaml: 3 faults
        DIR/gateway.yaml: accounts: is missing
        DIR/gateway.yaml: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
        DIR/gateway.yaml:1: server.listen: found "here"; accepted: an IP address and a port, such as 127.0.0.1:8080
        "#);
    }

    #[test]
    fn tells_of_a_certificate_that_has_expired() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["gateway.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        fs::write(path("crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let file = path("gateway.yaml");
        let text = "
            accounts:
              contoso:
                tenant_id: 3a9a35ce-d5be-4814-ab58-4451c36fe157
                client_id: 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01
                credential: {client_secret: {env: CLIENT_SECRET}}
            callers: {anonymous: true}
            server: {tls: {certificate_file: DIR/crt, private_key_file: DIR/key}}
        ";
        fs::write(&file, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();

        let (code, said) = checked(&file);

        assert_eq!(code, UNSOUND);
        insta::assert_snapshot!(said, @"DIR/gateway.yaml: server.tls.certificate_file is good from 2000-01-01T00:00:00Z until 2001-01-01T00:00:00Z only");
    }

    #[test]
    fn tells_of_an_application_whose_certificate_is_not_good_for_long() {
        let now = SystemClock.now();
        let day = Duration::from_hours(24);
        for (from, until, code, told) in [
            (now - 9 * day, now - 2 * day, UNSOUND, "is good from"),
            (now + day, now + 90 * day, UNSOUND, "is good from"),
            (now - day, now + 10 * day + day / 2, SOUND, "expires at"),
            (now - day, now + 31 * day, SOUND, ""),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
            let mut params = rcgen::CertificateParams::new(["app.test".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (from.into(), until.into());
            fs::write(path("crt"), params.self_signed(&key).unwrap().pem()).unwrap();
            fs::write(path("key"), key.serialize_pem()).unwrap();
            fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
            let file = path("gateway.yaml");
            let text = "
                accounts:
                  contoso:
                    tenant_id: 3a9a35ce-d5be-4814-ab58-4451c36fe157
                    client_id: 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01
                    credential:
                      certificate: {certificate_file: DIR/crt, private_key_file: DIR/key}
                callers: {anonymous: true}
            ";
            fs::write(&file, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();

            let (exit, said) = checked(&file);

            assert_eq!(exit, code, "{said}");
            assert_eq!(said.contains(": sound"), code == SOUND, "{said}");
            let key = "accounts.contoso.credential.certificate.certificate_file ";
            let line = said.lines().find_map(|line| line.split_once(key));
            let line = line.map(|(_, line)| line);
            assert_eq!(line.is_some(), !told.is_empty(), "{said}");
            assert!(line.unwrap_or_default().starts_with(told), "{said}");
            assert_eq!(said.contains("in 10 days"), told == "expires at", "{said}");
        }
    }

    #[test]
    fn tells_that_a_configuration_is_sound_with_its_notices_and_exits_with_0() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gateway.yaml");
        let text = "
            accounts:
              contoso:
                tenant_id: 3a9a35ce-d5be-4814-ab58-4451c36fe157
                client_id: 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01
                credential: {client_secret: {env: CLIENT_SECRET}}
            callers: {anonymous: true}
            telemetry: {traces: {otlp_endpoint: 'http://collector:4318'}}
        ";
        fs::write(&file, text).unwrap();

        let (code, said) = checked(&file);

        assert_eq!(code, SOUND);
        insta::assert_snapshot!(said, @"
        DIR/gateway.yaml: sound
        DIR/gateway.yaml: policy: no rule grants anything, so every call is refused
        DIR/gateway.yaml:8: telemetry.traces.otlp_endpoint: traces of calls go over the network unencrypted
        ");
    }

    fn checked(file: &Path) -> (u8, String) {
        let environment: Environment = [("CLIENT_SECRET".to_owned(), "s3cret".to_owned())]
            .into_iter()
            .collect();
        let mut out = Vec::new();
        let code = run(file, &environment, &Reach::Files, &mut out).unwrap();
        let dir = file.parent().unwrap().to_str().unwrap();
        (code, String::from_utf8(out).unwrap().replace(dir, "DIR"))
    }
}
