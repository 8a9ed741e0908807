//! Torn ends, at every byte and filled with anything, and starts that are killed while they mend one.

use std::os::unix::fs::PermissionsExt as _;
use std::{
    fs,
    path::{Path, PathBuf},
};

use partner_gateway::audit::{
    low_water,
    recovery::{OpenError, Opened, open},
    verify::findings::Fault,
};

use super::{Real, contents, directory, open_calls, opened, refusal};
use crate::{
    audit::start::start,
    harness::{
        Standstill,
        journal::{Journal, sha256},
    },
    verifying::made::{Signer, findings},
};

#[tokio::test(start_paused = true)]
async fn loses_no_whole_record_wherever_the_last_four_kilobytes_are_cut() {
    let real = Real::of_three_runs().await;
    let dir = directory();
    let whole = real.bytes.len();
    let mut torn = 0;

    for end in whole - 4096..=whole {
        let bytes = &real.bytes[..end];
        let path = real.put(dir.path(), bytes);

        recovers(&real, dir.path(), &path, bytes);

        torn += usize::from(dir.path().join("cut").exists());
        clear_cuts(dir.path());
    }

    assert!(torn > 4080, "{torn}");
}

#[tokio::test(start_paused = true)]
async fn takes_for_a_record_what_verifying_takes_for_one_and_nothing_else() {
    let real = Real::of_three_runs().await;
    let lines = real.lines();
    let is_outcome = |line: &&[u8]| line.windows(19).any(|it| it == br#""kind":"outcome","c"#);
    let last = lines.iter().rposition(is_outcome).unwrap();
    let before: usize = lines[..last].iter().map(|line| line.len()).sum();
    let whole = before + lines[last].len();
    let members = ["operation", "transfer", "correlation_id", "call", "time"];
    for (member, odd) in members
        .iter()
        .flat_map(|it| [(it, b"\"\xff".as_slice()), (it, b"51")])
    {
        let dir = directory();
        let member = format!("\"{member}\":");
        let at = lines[last].windows(member.len());
        let at = before + at.clone().position(|it| it == member.as_bytes()).unwrap() + member.len();
        let end = at
            + real.bytes[at..]
                .iter()
                .position(|byte| *byte == b',')
                .unwrap();
        let fills: &[u8] = if odd == b"51" { b"" } else { b"\"" };
        let bytes = [&real.bytes[..at], odd, fills, &real.bytes[end..whole]].concat();
        real.put(dir.path(), &bytes);

        let verified = findings(dir.path(), None, &[]);
        let seq = opened(dir.path()).unwrap().head.seq();

        let count = u64::try_from(last).unwrap();
        let is_record = verified.unfinished.is_none();
        assert_eq!(verified.damage, None, "{member}");
        assert_eq!(seq, count + u64::from(is_record), "{member}");
        assert!(!is_record || odd == b"51", "{member} is no text");
    }
}

#[tokio::test(start_paused = true)]
async fn cuts_nothing_off_that_a_checkpoint_vouches_for_wherever_it_is_torn() {
    let real = Real::of_three_runs().await;
    let lines = real.lines();
    let is_checkpoint = |line: &&[u8]| line.windows(10).any(|it| it == b"checkpoint");
    let vouched = lines[..lines.len() - 3].iter().rposition(is_checkpoint);
    let vouched = vouched.unwrap();
    let dir = directory();
    low_water::keep(dir.path(), lines[vouched]).unwrap();
    let from: usize = lines[..vouched].iter().map(|line| line.len()).sum();
    let to = from + lines[vouched].len();

    for end in from - 500..to + 500 {
        let bytes = &real.bytes[..end];
        let path = real.put(dir.path(), bytes);
        let (left, _) = real.left_in(bytes);

        if end < to {
            let (seq, fault) = refusal(dir.path());
            assert_eq!(seq, u64::try_from(left).unwrap() + 1);
            let by = dir.path().join("checkpoint.json");
            let vouched = u64::try_from(vouched).unwrap() + 1;
            assert_eq!(fault, Fault::Short { seq, vouched, by });
        } else {
            recovers(&real, dir.path(), &path, bytes);
            clear_cuts(dir.path());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cuts_off_whatever_a_power_cut_has_left_behind_the_last_whole_record() {
    let real = Real::of_three_runs().await;
    let dir = directory();
    let whole = real.bytes.len();
    let mut random = fastrand::Rng::with_seed(6);

    for end in (whole - 4096..=whole).step_by(7) {
        let length = random.usize(1..6000);
        let noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        let text: Vec<u8> = (0..length).map(|_| random.u8(b'\n'..=b'~')).collect();
        // What the blocks held before: the beginning of another record.
        let half = real.lines()[1][..600].to_vec();
        for fill in [
            &noise,
            &text,
            &vec![0; length],
            &b"{}\n\n[]\n".to_vec(),
            &half,
        ] {
            let bytes = [&real.bytes[..end], fill].concat();
            let path = real.put(dir.path(), &bytes);

            recovers(&real, dir.path(), &path, &bytes);

            clear_cuts(dir.path());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn is_not_hindered_by_a_start_that_was_killed_while_it_cut() {
    let _standstill = Standstill::begin();
    let real = Real::of_three_runs().await;
    let torn = r#"{"v":1,"#;
    let bytes = [&real.bytes[..], torn.as_bytes()].concat();
    let records = u64::try_from(real.lines().len()).unwrap();
    let name = format!("{}.{}.{}", real.name, real.bytes.len(), sha256(torn));
    let states: [State<'_>; 5] = [
        (&bytes, &[]),
        (&bytes, &[(".new", "")]),
        (&bytes, &[(".new", r#"{"v""#)]),
        (&bytes, &[("", torn)]),
        (&real.bytes, &[("", torn)]),
    ];
    for (segment, kept) in states {
        let dir = directory();
        let path = real.put(dir.path(), segment);
        let key = Signer::new().private_pem();
        let own_key = dir.path().join("signing.key");
        fs::write(&own_key, key).unwrap();
        fs::set_permissions(own_key, fs::Permissions::from_mode(0o600)).unwrap();
        let cut = dir.path().join("cut");
        fs::create_dir(&cut).unwrap();
        for (suffix, text) in kept {
            fs::write(cut.join(format!("{name}{suffix}")), text).unwrap();
        }

        let first = opened(dir.path()).unwrap();
        let (told, head) = (first.recovered.clone(), first.head);
        drop(first);
        let again = opened(dir.path()).unwrap().recovered;
        fs::remove_file(dir.path().join("journal.lock")).unwrap();
        start(dir.path()).await.unwrap().stop().await.unwrap();
        let after = opened(dir.path()).unwrap().recovered;

        let [told] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(head.seq(), records);
        assert_eq!(told.cut.file, format!("cut/{name}"));
        assert_eq!((told.cut.bytes, &told.cut.sha256), (7, &sha256(torn)));
        assert_eq!(
            &again[..],
            std::slice::from_ref(told),
            "nobody has recorded it yet"
        );
        assert_eq!(after, [], "it is recorded once");
        assert_eq!(fs::read(cut.join(&name)).unwrap(), torn.as_bytes());
        assert!(fs::read(&path).unwrap().starts_with(&real.bytes));
        let journal = Journal::of(dir.path());
        journal.read_on();
        let [recovered] = &journal.of_kind("recovered")[..] else {
            panic!("one recovery")
        };
        assert_eq!(recovered["cut"]["file"], told.cut.file);
        assert_eq!(
            (&recovered["orphans"], recovered.get("low_water")),
            (&0.into(), None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn leaves_a_torn_end_to_the_process_that_holds_the_journal() {
    let real = Real::of_three_runs().await;
    let dir = directory();
    let path = real.put(dir.path(), &real.bytes);
    let held = open(dir.path()).unwrap();
    fs::write(&path, [&real.bytes[..], b"{"].concat()).unwrap();
    let before = contents(dir.path());

    let refused = open(dir.path());

    assert!(
        matches!(refused, Err(OpenError::Locked { .. })),
        "{refused:?}"
    );
    assert_eq!(contents(dir.path()), before);
    drop(held);
    assert_eq!(opened(dir.path()).unwrap().recovered.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn does_not_trust_an_end_that_the_disk_does_not_take() {
    let real = Real::of_three_runs().await;
    let dir = directory();
    let path = real.put(dir.path(), &real.bytes);
    fs::remove_file(&path).unwrap();
    // A device that can be read and written, and not synced.
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();

    let refused = opened(dir.path()).unwrap_err();

    assert!(matches!(refused, OpenError::Unsynced { .. }), "{refused}");
    let told = refused
        .to_string()
        .replace(dir.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(told, @r#"the disk did not take the end of "DIR/journal-00000000000000000001.jsonl", so what can be read there may not be on it; see to the disk, then start again: the next start reads what the disk holds"#);
}

/// What a killed start has left: the segment, and files under `cut` by the ends of their names.
type State<'a> = (&'a [u8], &'a [(&'a str, &'a str)]);

/// Opens a journal that must be recovered, and checks all that can be seen of it.
fn recovers(real: &Real, dir: &Path, path: &Path, bytes: &[u8]) {
    let (left, length) = real.left_in(bytes);
    let opened = match opened(dir) {
        Ok(opened) => opened,
        Err(error) => panic!("{} bytes: {error}", bytes.len()),
    };
    let Opened {
        head,
        recovered,
        orphans,
        ..
    } = opened;

    assert_eq!(head.seq(), u64::try_from(left).unwrap());
    assert_eq!(fs::read(path).unwrap(), &bytes[..length]);
    let open_calls = open_calls(&real.lines()[..left]);
    assert_eq!(orphans.len(), open_calls.len());
    let tail = &bytes[length..];
    let kept: Vec<PathBuf> = recovered.iter().map(|it| dir.join(&it.cut.file)).collect();
    if tail.is_empty() {
        assert_eq!(kept, [""; 0].map(PathBuf::from));
        return;
    }
    let ([recovered], [kept]) = (&recovered[..], &kept[..]) else {
        panic!("{recovered:?}")
    };
    assert_eq!(recovered.cut.bytes, u64::try_from(tail.len()).unwrap());
    assert_eq!(recovered.orphans, open_calls.len());
    assert_eq!(fs::read(kept).unwrap(), tail);
}

/// Nobody records what is cut off here.
fn clear_cuts(dir: &Path) {
    let cut = dir.join("cut");
    if cut.exists() {
        fs::remove_dir_all(cut).unwrap();
    }
}
