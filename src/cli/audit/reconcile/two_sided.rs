//! `audit reconcile --since`: asks Partner Center, reads the journals, and tells both sides.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::PathBuf,
    time::SystemTime,
};

use super::{
    Failed, Question, Since,
    telling::{self, Told},
};
use crate::{
    app::{Surroundings, activity},
    audit::{
        fork,
        rejections::{Rejection, Rejections, rejections},
    },
    cli::audit::{finding, progress::Bar},
    clock::{Clock as _, SystemClock},
    config::{Config, environment::Environment, load::load, nearest::one_of_names},
    partner_center::activity::Activities,
    shutdown,
    transfers::two_sides::{Beginning, Period, Sides, TOLERANCE, compare},
};

/// Whether both sides are the same.
pub(super) fn run(
    question: &Question,
    since: &Since,
    environment: &Environment,
) -> Result<bool, Failed> {
    let path = question.place.config.as_deref();
    let path = path.ok_or(Failed::SinceWithoutConfig)?;
    let until = SystemClock.now();
    let since = since.time(until)?;
    let config = load(path, environment)?.config;
    let (name, tenant) = account(&config, question.account.as_deref())?;
    let dirs = journals([&config.audit.dir].into_iter().chain(&question.replica))?;
    let early = since.checked_sub(TOLERANCE).unwrap_or(since);
    // Before the journals: whatever a gateway that runs has sent by now, its journal announced before.
    let Activities {
        records: theirs,
        pages,
    } = ask(config, &name, early)?;
    let (journals, dirs) = read(dirs, early)?;
    let beginnings: Vec<_> = journals.iter().filter_map(beginning).collect();
    let mut ours: Vec<_> = Vec::new();
    for journal in &journals {
        let calls = journal.calls.iter();
        ours.extend(calls.filter(|call| is_of(call, &name, &tenant)).cloned());
    }
    forget_those_closed_elsewhere(&mut ours);
    let sides = Sides {
        ours: &ours,
        theirs: &theirs,
        beginnings: &beginnings,
    };
    let period = Period { since, until };
    let told = Told {
        journals: journals.iter().map(|it| &it.findings).zip(&dirs).collect(),
        beginnings: &beginnings,
        account: &name,
        tenant: &tenant,
        period,
        records: theirs.len(),
        pages,
        found: compare(sides, period),
    };
    let mut out = io::stdout().lock();
    if question.json {
        telling::as_json(&told, &mut out)?;
    } else {
        telling::as_text(&told, &mut out)?;
    }
    out.flush()?;
    Ok(told.is_even())
}

/// The directories of replicas, each with the journals that ended in it.
fn journals<'a>(replicas: impl Iterator<Item = &'a PathBuf>) -> Result<Vec<PathBuf>, Failed> {
    let mut dirs = Vec::new();
    for dir in replicas {
        finding::is_there(dir)?;
        dirs.push(dir.clone());
        let ended = fork::ended(dir)?.into_iter();
        dirs.extend(ended.filter(|it| finding::is_there(it).is_ok()));
    }
    Ok(dirs)
}

/// What a journal that ended has left open, the one after it has closed.
fn forget_those_closed_elsewhere(calls: &mut Vec<Rejection>) {
    let closed: BTreeSet<String> = calls
        .iter()
        .filter(|call| call.ended.is_some())
        .map(|call| call.call.clone())
        .collect();
    calls.retain(|call| call.ended.is_some() || !closed.contains(&call.call));
}

/// The account's name and its partner's tenant.
fn account(config: &Config, wanted: Option<&str>) -> Result<(String, String), Failed> {
    let wanted = wanted.unwrap_or(&config.default_account);
    let found = config.accounts.iter().find(|it| it.name == wanted);
    let Some(account) = found else {
        let names: Vec<_> = config.accounts.iter().map(|it| it.name.clone()).collect();
        return Err(Failed::Account {
            found: wanted.to_owned(),
            accepted: one_of_names(wanted, &names).err().unwrap_or_default(),
        });
    };
    Ok((account.name.clone(), account.tenant.clone()))
}

fn ask(mut config: Config, name: &str, since: SystemTime) -> Result<Activities, Failed> {
    // What the others' tokens hang on is none of this command's business.
    config.accounts.retain(|account| account.name == name);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failed::Runtime)?;
    let asked = runtime.block_on(async {
        let stop = shutdown::asked_to_stop().map_err(Failed::Runtime)?;
        let surroundings = Surroundings::real();
        let asked = activity::read(&config, name, since, &surroundings, stop).await?;
        asked.map_err(Failed::Interrupted)
    });
    // A disk that hangs must not keep the process.
    runtime.shutdown_background();
    asked?.map_err(|source| Failed::PartnerCenter {
        account: name.to_owned(),
        source: Box::new(source),
    })
}

/// Reads each journal once, however often it was named; a copy of one has nothing of its own to tell.
fn read(dirs: Vec<PathBuf>, since: SystemTime) -> Result<(Vec<Rejections>, Vec<PathBuf>), Failed> {
    let (mut journals, mut of): (Vec<Rejections>, Vec<PathBuf>) = (Vec::new(), Vec::new());
    for dir in dirs {
        let mut bar = Bar::on_terminal();
        let found = rejections(&dir, since, &mut |progress| bar.show(progress));
        bar.clear();
        let found = found?;
        if let Some(damage) = &found.findings.damage {
            return Err(Failed::Damaged {
                what: damage.fault.to_string(),
            });
        }
        let mut known = journals.iter().zip(&of);
        let journal = found.findings.journal;
        if let Some((_, same)) = known.find(|(it, _)| it.findings.journal == journal) {
            writeln!(
                io::stderr(),
                "partner-gateway: {} has the journal of {} again, which is counted once",
                dir.display(),
                same.display()
            )?;
            continue;
        }
        journals.push(found);
        of.push(dir);
    }
    Ok((journals, of))
}

fn beginning(journal: &Rejections) -> Option<Beginning> {
    let first = journal.findings.first.as_ref()?;
    Some(Beginning {
        time: first.time?,
        is_pruned: first.seq > 1,
    })
}

/// Whether a call was made for the partner; several accounts may be of one.
fn is_of(call: &Rejection, account: &str, tenant: &str) -> bool {
    match &call.tenant {
        Some(partner) => partner.eq_ignore_ascii_case(tenant),
        None => call.account.as_deref() == Some(account),
    }
}
