//! A sink that somebody asks to be tried, and a reader of the standard output who has gone.

use std::{os::unix::net::UnixStream, sync::Arc, time::Duration};

use partner_gateway::{
    delivery::{
        settings::{Kind, Settings},
        shipper::Shipper,
        stdout::Stdout,
    },
    shutdown::Tasks,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::scripted::{Answer, Scripted, Site, held};
use crate::harness::log::Log;

#[tokio::test(start_paused = true)]
async fn is_tried_at_once_when_somebody_asks_for_it() {
    let site = Site::new().await;
    let log = Log::begin();
    let sink = Scripted::new([Answer::Says(held())]);
    let hurry = watch::Sender::new(());
    let own: Arc<Scripted> = Arc::clone(&sink);
    let shipper = site.shipper("a", own).hurried_by(hurry.subscribe());
    let progress = shipper.progress();
    let end = CancellationToken::new();
    let running = Tasks::default().spawn(shipper.run(end.clone(), std::future::pending()));
    while !progress.is_held() {
        sleep(Duration::from_millis(1)).await;
    }
    let asked = Instant::now();

    hurry.send_replace(());
    while progress.reached() < 1 {
        sleep(Duration::from_millis(1)).await;
    }

    assert!(asked.elapsed() < Duration::from_millis(100));
    let told = "audit sink is tried at once, because somebody asked for it";
    assert_eq!(log.lines(told).len(), 1);
    end.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn tells_once_that_nobody_reads_the_standard_output_any_more() {
    let site = Site::new().await;
    let log = Log::begin();
    let (out, pipe) = UnixStream::pair().unwrap();
    drop(pipe);
    let settings = Settings {
        name: "agent".to_owned(),
        is_required: false,
        kind: Kind::Stdout,
    };
    let sink = Arc::new(Stdout::to(out).unwrap());
    let kept = (&site.journal, &site.settings);
    let shipper = Shipper::to(sink, &settings, kept, &site.clock).unwrap();
    let hurry = watch::Sender::new(());
    let shipper = shipper.hurried_by(hurry.subscribe());
    let progress = shipper.progress();
    let end = CancellationToken::new();
    let running = Tasks::default().spawn(shipper.run(end.clone(), std::future::pending()));
    site.write(1).await;

    let tried = || {
        log.lines("audit sink is tried at once, because somebody asked for it")
            .len()
    };
    while !progress.is_held() || tried() < 3 {
        hurry.send_replace(());
        tokio::task::yield_now().await;
    }
    end.cancel();
    running.await.unwrap();

    let told = log.lines("audit sink is held until a person sees to it");
    let reasons: Vec<_> = told.iter().map(|line| &line["error"]).collect();
    let why = "the standard output cannot be written to: Broken pipe (os error 32)";
    assert_eq!(reasons, [why]);
    assert!(progress.lag() > 0);
}
