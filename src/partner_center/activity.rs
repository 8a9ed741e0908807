//! Reading Partner Center's own records of what was done to an account's transfers.
//!
//! Only a command asks for them, on a person's word: nothing of a call hangs on it, so it takes no part in the
//! breaker, the gate and the retry budget of calls. What is asked again is what a read of a transfer is asked again
//! for.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::{
    cause,
    clock::SharedClock,
    http_client::{Answer, HttpError, retry_after},
    ids::{CorrelationId, RequestId},
    partner_center::{
        account::Account,
        backoff::backoff,
        wire::{
            self, ErrorBody,
            activity::{self, Activity, DAY, Leaf, Page, Unreadable, midnight},
            request::Labels,
        },
    },
    token::{
        access_token::AccessToken,
        cell::{Replacement, TokenUnavailable},
    },
};

/// What Partner Center has on record.
#[derive(Clone, Debug, Default)]
pub struct Activities {
    /// What was done to transfers, each once, the oldest first.
    pub records: Vec<Activity>,
    /// How many pages that took.
    pub pages: usize,
}

/// The records were not had, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// There is nobody to ask for.
    #[error("there is no such account")]
    NoAccount,
    /// There is no token to show.
    #[error(transparent)]
    NoToken(#[from] TokenUnavailable),
    /// The account may not have them.
    #[error("Partner Center refused to list activity: {}", told(*.status, .error))]
    Refused {
        /// The status.
        status: StatusCode,
        /// What was said.
        error: ErrorBody,
    },
    /// Partner Center wants to be left alone for longer than is waited.
    #[error("Partner Center wants to be asked for activity no sooner than in {} s", .wait.as_secs())]
    Throttled {
        /// How long.
        wait: Duration,
    },
    /// No whole answer came.
    #[error("no whole answer came from Partner Center: {}", cause::chain(.0))]
    Broken(HttpError),
    /// What came is not what is documented.
    #[error("Partner Center's list of activity cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
    /// The pages have less than they say.
    #[error(
        "Partner Center's list of activity is not whole: it tells of {told} records and has {had}"
    )]
    Partial {
        /// As many were told of.
        told: u64,
        /// As many came.
        had: u64,
    },
    /// There is always one more page.
    #[error(
        "Partner Center's list of activity does not end within {MOST_PAGES} pages; ask for a shorter time"
    )]
    Endless,
}

impl Account {
    /// Reads what was done to the account's transfers since a time, and some of what was done before on the same
    /// day.
    ///
    /// # Errors
    ///
    /// When not all of it can be had.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but what was read.
    pub async fn activities(
        &self,
        since: SystemTime,
        clock: &SharedClock,
    ) -> Result<Activities, Unavailable> {
        let mut reading = Reading {
            account: self,
            clock,
            correlation: CorrelationId::random(),
            give_up: Instant::now() + PATIENCE,
            renewed: false,
            found: Activities::default(),
            known: HashSet::new(),
        };
        let today = midnight(clock.now());
        // By the documentation older days are refused, and the list with them.
        let mut first = midnight(since).max(today.checked_sub(OLDEST).unwrap_or(today));
        while today
            .duration_since(first)
            .is_ok_and(|left| left >= LONGEST)
        {
            // The last day of one list is the first of the next, whether the end counts or not.
            let last = first + LONGEST.saturating_sub(DAY);
            reading.list(Leaf::first(first, Some(last))).await?;
            first = last;
        }
        reading.list(Leaf::first(first, None)).await?;
        reading.found.records.sort_by_key(|activity| activity.time);
        Ok(reading.found)
    }
}

struct Reading<'a> {
    account: &'a Account,
    clock: &'a SharedClock,
    correlation: CorrelationId,
    give_up: Instant,
    /// Whether a refused token was replaced already.
    renewed: bool,
    found: Activities,
    /// The names of the records that were found.
    known: HashSet<String>,
}

/// What to do about an answer that brings no page.
enum Next {
    Fail(Unavailable),
    Renewed,
    Again(Duration, Unavailable),
}

impl Reading<'_> {
    /// Reads a list from its first page to its last.
    async fn list(&mut self, mut leaf: Leaf) -> Result<(), Unavailable> {
        let (mut told, mut had) = (0, 0_u64);
        loop {
            if self.found.pages >= MOST_PAGES {
                return Err(Unavailable::Endless);
            }
            let page = self.page(&leaf).await?;
            self.found.pages = self.found.pages.saturating_add(1);
            told = page.total.max(told);
            had = had.saturating_add(page.items);
            self.take(page.records);
            match page.next {
                Some(next) if next == leaf => return Err(Unavailable::Endless),
                Some(next) => leaf = next,
                None if had < told => return Err(Unavailable::Partial { told, had }),
                None => return Ok(()),
            }
        }
    }

    /// Keeps what was not found before: lists overlap, and grow while they are read.
    fn take(&mut self, records: Vec<Activity>) {
        for activity in records {
            // The documented example has no names.
            let name = activity.id.clone();
            if self
                .known
                .insert(name.unwrap_or_else(|| format!("{activity:?}")))
            {
                self.found.records.push(activity);
            }
        }
    }

    async fn page(&mut self, leaf: &Leaf) -> Result<Page, Unavailable> {
        let mut made = 0;
        loop {
            let next = match self.ask(leaf).await {
                Ok(page) => return Ok(page),
                Err(next) => next,
            };
            made = u8::saturating_add(made, 1);
            match next {
                Next::Renewed => {}
                Next::Fail(why) => return Err(why),
                Next::Again(wait, why) => {
                    let wait = wait.max(backoff(u32::from(made.saturating_sub(1))));
                    let left = self.give_up.saturating_duration_since(Instant::now());
                    if made >= self.account.settings().max_attempts.get() || wait > left {
                        return Err(why);
                    }
                    sleep(wait).await;
                }
            }
        }
    }

    async fn ask(&mut self, leaf: &Leaf) -> Result<Page, Next> {
        let token = self.account.tokens().current().await;
        let token = token.map_err(|error| Next::Fail(error.into()))?;
        let answer = self.exchange(leaf, &token).await?;
        self.account.note_mfa(&answer);
        match answer.status {
            StatusCode::OK => {
                activity::page(&answer.body, leaf).map_err(|why| Next::Fail(why.into()))
            }
            StatusCode::UNAUTHORIZED => Err(self.renew(&token, &answer)),
            _ => Err(self.judge(&answer)),
        }
    }

    async fn exchange(&self, leaf: &Leaf, token: &AccessToken) -> Result<Answer, Next> {
        let labels = Labels {
            correlation: self.correlation,
            request: RequestId::random(),
            parent: None,
        };
        let request = self.account.template().activity(leaf, token, labels);
        let request = request.map_err(|_| Next::Fail(Unreadable::NoWayOn.into()))?;
        let exchanged = self.account.http().exchange(request, ONE_PAGE, PAGE_BYTES);
        exchanged.await.map_err(|error| match error {
            HttpError::TooLarge { .. } => Next::Fail(Unavailable::Broken(error)),
            other => Next::Again(Duration::ZERO, Unavailable::Broken(other)),
        })
    }

    /// Sees to it that the next request shows another token than the refused one, once.
    fn renew(&mut self, token: &Arc<AccessToken>, answer: &Answer) -> Next {
        let tokens = self.account.tokens();
        if wire::no_token_will_do(answer.status, &wire::error_body(&answer.body)) {
            tokens.doubt(token);
        } else if !self.renewed && tokens.invalidate(token) == Replacement::Due {
            self.renewed = true;
            return Next::Renewed;
        }
        Next::Fail(refused(answer))
    }

    fn judge(&self, answer: &Answer) -> Next {
        let asked = retry_after::read(&answer.headers, self.clock.now());
        match (answer.status.as_u16(), asked) {
            (429 | 503, Some(wait)) => Next::Again(wait, Unavailable::Throttled { wait }),
            (408 | 500 | 502..=504, _) => Next::Again(Duration::ZERO, refused(answer)),
            _ => Next::Fail(refused(answer)),
        }
    }
}

fn refused(answer: &Answer) -> Unavailable {
    Unavailable::Refused {
        status: answer.status,
        error: wire::error_body(&answer.body),
    }
}

fn told(status: StatusCode, error: &ErrorBody) -> String {
    let part = |said: &Option<String>| {
        said.as_ref()
            .map_or(String::new(), |it| format!(", {it:?}"))
    };
    let (code, words) = (part(&error.code), part(&error.description));
    format!("{}{code}{words}", status.as_u16())
}

/// How far back Partner Center tells.
pub const OLDEST: Duration = Duration::from_hours(90 * 24);

/// The longest period of one list.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// A page is 500 records, so that this is a million: more than a person would have matched.
const MOST_PAGES: usize = 2_000;

/// A page of 500 records with both values of their resources is some megabytes.
const PAGE_BYTES: usize = 32 << 20;

/// A list over weeks takes longer than the read of a transfer.
const ONE_PAGE: Duration = Duration::from_mins(1);

/// A person waits for it, and can ask again.
const PATIENCE: Duration = Duration::from_mins(10);
