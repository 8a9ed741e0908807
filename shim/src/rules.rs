//! What is to go wrong: one rule a line, read from a file that the test changes while the program runs.
//!
//! `<call> <file> <from>-<to> <effect>`, where `*` stands for any call, for any part of a file's name, and for
//! every time. `sync journal-*.jsonl 1-3 errno=5` fails the first three syncs of segments. Lines about the clock are
//! for the module `clock`.

/// A line of the control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    call: String,
    name: String,
    from: u64,
    to: u64,
    /// What happens instead of the call, or besides it.
    pub(crate) effect: Effect,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is not made, and fails with this number.
    Errno(i32),
    /// A write takes so many bytes at most.
    Short(usize),
    /// It is made so many milliseconds later.
    Delay(u64),
    /// It is made once the rule is gone.
    Hang,
    /// The process is killed instead.
    KillBefore,
    /// The process is killed once it is made.
    KillAfter,
    /// The process is killed once half of a write is made.
    KillHalf,
}

/// All rules, and how often each has matched.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    text: String,
    rules: Vec<(Rule, u64)>,
}

impl Rules {
    /// Takes the text of the control file; where it is another one, counting begins anew.
    pub(crate) fn take(&mut self, text: String) {
        if text != self.text {
            self.rules = text
                .lines()
                .filter_map(parse)
                .map(|rule| (rule, 0))
                .collect();
            self.text = text;
        }
    }

    /// Returns the first rule whose turn it is; each counts the calls that it is about and that none before it
    /// took.
    pub(crate) fn meet(&mut self, call: &str, name: &str) -> Option<Rule> {
        for (rule, count) in &mut self.rules {
            if !is_like(&rule.call, call) || !is_like(&rule.name, name) {
                continue;
            }
            *count += 1;
            if (rule.from..=rule.to).contains(count) {
                return Some(rule.clone());
            }
        }
        None
    }

    /// Whether a rule still stands there.
    pub(crate) fn has(&self, rule: &Rule) -> bool {
        self.rules.iter().any(|(other, _)| other == rule)
    }
}

/// A line that is no rule is one that the test is still writing.
fn parse(line: &str) -> Option<Rule> {
    let mut words = line.split_whitespace();
    let (call, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (from, to) = match words.next()? {
        "*" => (1, u64::MAX),
        range => {
            let (from, to) = range.split_once('-')?;
            (from.parse().ok()?, to.parse().ok()?)
        }
    };
    let effect = words.next()?;
    let (effect, number) = effect.split_once('=').unwrap_or((effect, ""));
    let effect = match effect {
        "errno" => Effect::Errno(number.parse().ok()?),
        "short" => Effect::Short(number.parse().ok()?),
        "delay" => Effect::Delay(number.parse().ok()?),
        "hang" => Effect::Hang,
        "kill-before" => Effect::KillBefore,
        "kill-after" => Effect::KillAfter,
        "kill-half" => Effect::KillHalf,
        _ => return None,
    };
    Some(Rule {
        call,
        name,
        from,
        to,
        effect,
    })
}

/// Whether a name is of a pattern, in which `*` stands for anything.
fn is_like(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| rest.get(at..).is_some_and(|rest| is_like(after, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_calls_from_the_moment_the_rules_are_new() {
        let mut rules = Rules::default();
        rules.take("# first\nsync journal-*.jsonl 2-3 errno=5\n".to_owned());
        let mut effect_of = |call, name| rules.meet(call, name).map(|rule| rule.effect);

        let met = [(); 4].map(|()| effect_of("sync", "journal-1.jsonl"));
        let others = [("write", "journal-1.jsonl"), ("sync", "checkpoint.json")];

        let failing = Some(Effect::Errno(5));
        assert_eq!(met, [None, failing, failing, None]);
        assert_eq!(
            others.map(|(call, name)| effect_of(call, name)),
            [None, None]
        );
        rules.take("# second\nsync journal-*.jsonl 2-3 errno=5\n".to_owned());
        assert_eq!(rules.meet("sync", "journal-1.jsonl"), None);
        assert!(rules.meet("sync", "journal-1.jsonl").is_some());
    }

    #[test]
    fn counts_only_calls_that_no_rule_before_took() {
        let mut rules = Rules::default();
        rules.take("write * 1-1 short=100\nwrite * 1-1 errno=28".to_owned());

        let met = [(); 3].map(|()| rules.meet("write", "a").map(|rule| rule.effect));

        assert_eq!(
            met,
            [Some(Effect::Short(100)), Some(Effect::Errno(28)), None]
        );
    }

    #[test]
    fn reads_every_effect_and_passes_over_what_is_no_rule() {
        for (text, effect) in [
            ("errno=28", Some(Effect::Errno(28))),
            ("short=100", Some(Effect::Short(100))),
            ("delay=50", Some(Effect::Delay(50))),
            ("hang", Some(Effect::Hang)),
            ("kill-before", Some(Effect::KillBefore)),
            ("kill-after", Some(Effect::KillAfter)),
            ("kill-half", Some(Effect::KillHalf)),
            ("errno", None),
            ("errno=", None),
            ("melt", None),
            ("", None),
        ] {
            let rule = parse(&format!("write * * {text}"));
            assert_eq!(rule.map(|rule| rule.effect), effect, "{text}");
        }
    }

    #[test]
    fn knows_names_by_their_pattern() {
        for (pattern, name, is) in [
            ("*", "", true),
            ("journal-*.jsonl", "journal-1.jsonl", true),
            ("journal-*.jsonl", "journal-1.json", false),
            ("*.json*", "cursors/stdout.json.new", true),
            (".", "checkpoint.json", false),
        ] {
            assert_eq!(is_like(pattern, name), is, "{pattern} {name}");
        }
    }
}
