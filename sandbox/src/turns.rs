//! Whose turn it is to go wrong.

use std::collections::{HashMap, VecDeque};

use http::Method;
use serde_json::{Map, Value};

use crate::script::Fault;

/// A fault, and the requests that it is for: the next one, unless more is said.
///
/// ```
/// use sandbox::{Fault, Turn};
///
/// let turn = Turn::of(Fault::Hang)
///     .on(http::Method::GET)
///     .of_transfer("ac4a9d22-ba07-444e-890f-cfe084eed498")
///     .times(3);
/// ```
#[derive(Clone, Debug)]
pub struct Turn {
    fault: Fault,
    /// How many requests it is still for; `None` for all that come.
    left: Option<u64>,
    /// Requests with another method pass it by.
    on: Option<Method>,
    /// In lower case; requests for others pass it by.
    transfer: Option<String>,
}

/// The faults still to come for one service. Those of one transfer lie apart, so that a hundred thousand
/// transfers with faults of their own cost no search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    of_any: VecDeque<Turn>,
    of_transfer: HashMap<String, VecDeque<Turn>>,
}

impl Turn {
    /// Makes a turn for the next request.
    #[must_use]
    pub fn of(fault: Fault) -> Self {
        Self {
            fault,
            left: Some(1),
            on: None,
            transfer: None,
        }
    }

    /// Makes it for requests with this method only.
    #[must_use]
    pub fn on(self, method: Method) -> Self {
        let on = Some(method);
        Self { on, ..self }
    }

    /// Makes it for requests to this transfer only, which take it before those that are for any.
    #[must_use]
    pub fn of_transfer(self, id: &str) -> Self {
        let transfer = Some(id.to_lowercase());
        Self { transfer, ..self }
    }

    /// Makes it for so many requests.
    #[must_use]
    pub fn times(self, requests: u64) -> Self {
        let left = Some(requests);
        Self { left, ..self }
    }

    /// Makes it for all requests that come.
    #[must_use]
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    pub(crate) fn is_for_a_transfer(&self) -> bool {
        self.transfer.is_some()
    }

    /// Reads a turn of a script.
    pub(crate) fn read(turn: Value) -> Result<Self, String> {
        let Value::Object(mut turn) = turn else {
            return Err("a turn is an object".to_owned());
        };
        let always = match turn.remove("always") {
            None => false,
            Some(Value::Bool(always)) => always,
            Some(other) => return Err(format!("always: {other} is not true or false")),
        };
        let times = repeat(&mut turn)?;
        let on = on(&mut turn)?;
        let transfer = match turn.remove("transfer") {
            None => None,
            Some(Value::String(id)) => Some(id.to_lowercase()),
            Some(other) => return Err(format!("transfer: {other} is not text")),
        };
        let fault: Fault =
            serde_json::from_value(Value::Object(turn)).map_err(|error| error.to_string())?;
        if let Some(status) = fault.status().filter(|it| !(200..600).contains(it)) {
            return Err(format!("status: {status} is not a number from 200 to 599"));
        }
        Ok(Self {
            fault,
            left: (!always).then_some(times),
            on,
            transfer,
        })
    }

    fn is_for(&self, method: &Method) -> bool {
        self.on.as_ref().is_none_or(|on| on == method)
    }
}

impl Turns {
    /// Puts a turn behind those that wait already.
    pub(crate) fn push(&mut self, turn: Turn) {
        if turn.left == Some(0) {
            return;
        }
        let list = match &turn.transfer {
            None => &mut self.of_any,
            Some(id) => self.of_transfer.entry(id.clone()).or_default(),
        };
        list.push_back(turn);
    }

    /// The fault for the request that has just come.
    pub(crate) fn next(&mut self, method: &Method, transfer: Option<&str>) -> Fault {
        if let Some(id) = transfer
            && let Some(list) = self.of_transfer.get_mut(id)
        {
            let taken = take(list, method);
            if list.is_empty() {
                self.of_transfer.remove(id);
            }
            if let Some(fault) = taken {
                return fault;
            }
        }
        take(&mut self.of_any, method).unwrap_or(Fault::Pass)
    }

    /// The fault that a request would get if it came now.
    pub(crate) fn waiting(&self, method: &Method, transfer: Option<&str>) -> Option<&Fault> {
        let own = transfer.and_then(|id| self.of_transfer.get(id));
        let mut turns = own.into_iter().flatten().chain(&self.of_any);
        let turn = turns.find(|turn| turn.is_for(method))?;
        Some(&turn.fault)
    }
}

fn take(turns: &mut VecDeque<Turn>, method: &Method) -> Option<Fault> {
    let at = turns.iter().position(|turn| turn.is_for(method))?;
    let turn = turns.get_mut(at)?;
    let fault = turn.fault.clone();
    if let Some(left) = &mut turn.left {
        *left = left.saturating_sub(1);
        if *left == 0 {
            turns.remove(at);
        }
    }
    Some(fault)
}

fn repeat(turn: &mut Map<String, Value>) -> Result<u64, String> {
    let Some(repeat) = turn.remove("repeat") else {
        return Ok(1);
    };
    let times = repeat.as_u64().filter(|times| *times > 0);
    times.ok_or_else(|| format!("repeat: {repeat} is not a number from 1"))
}

fn on(turn: &mut Map<String, Value>) -> Result<Option<Method>, String> {
    let Some(on) = turn.remove("on") else {
        return Ok(None);
    };
    let named = |method: &Method| on.as_str() == Some(method.as_str());
    match METHODS.into_iter().find(named) {
        Some(method) => Ok(Some(method)),
        None => Err(format!("on: {on} is not GET, POST, PUT, PATCH or DELETE")),
    }
}

/// What the services are asked with.
const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Script;

    #[test]
    fn lets_each_method_walk_past_what_is_not_for_it() {
        let mut turns = script(
            r#"[
                {"fault": "delay", "ms": 1, "on": "GET"},
                {"fault": "delay", "ms": 2, "on": "PATCH", "repeat": 2},
                {"fault": "delay", "ms": 3},
                {"fault": "delay", "ms": 4, "on": "GET", "always": true}
            ]"#,
        );

        let taken = [
            Method::PATCH,
            Method::PATCH,
            Method::PATCH,
            Method::PATCH,
            Method::GET,
            Method::GET,
            Method::GET,
            Method::PATCH,
        ]
        .map(|method| delay(&turns.next(&method, None)));

        assert_eq!(taken, [2, 2, 3, 0, 1, 4, 4, 0]);
    }

    #[test]
    fn gives_a_transfer_its_own_turns_before_those_of_any() {
        let mut turns = script(
            r#"[
                {"fault": "delay", "ms": 1},
                {"fault": "delay", "ms": 2, "transfer": "AB", "on": "GET"},
                {"fault": "delay", "ms": 3, "transfer": "ab"}
            ]"#,
        );

        let taken = [
            (Method::PATCH, Some("ab")),
            (Method::PATCH, Some("ab")),
            (Method::PATCH, Some("ab")),
            (Method::GET, Some("other")),
            (Method::GET, Some("ab")),
            (Method::GET, Some("ab")),
        ]
        .map(|(method, transfer)| {
            let waiting = turns.waiting(&method, transfer).map_or(0, delay);
            let taken = delay(&turns.next(&method, transfer));
            assert_eq!(waiting, taken);
            taken
        });

        assert_eq!(taken, [3, 1, 0, 0, 2, 0]);
        assert!(turns.of_transfer.is_empty());
    }

    #[test]
    fn says_in_code_what_a_script_says() {
        let mut turns = Turns::default();
        turns.push(Turn::of(Fault::Delay { ms: 9 }).times(0));
        turns.push(Turn::of(Fault::Delay { ms: 1 }).on(Method::GET).times(2));
        turns.push(Turn::of(Fault::Delay { ms: 2 }).of_transfer("AB").always());

        let taken = [
            (Method::GET, Some("ab")),
            (Method::PATCH, Some("ab")),
            (Method::PATCH, None),
            (Method::GET, None),
            (Method::GET, None),
            (Method::GET, None),
        ]
        .map(|(method, transfer)| delay(&turns.next(&method, transfer)));

        assert_eq!(taken, [2, 2, 0, 1, 1, 0]);
    }

    fn script(turns: &str) -> Turns {
        let text = format!(r#"{{"partner_center": {turns}}}"#);
        Script::from_json(&text).unwrap().partner_center
    }

    /// The milliseconds of a delay; 0 where the request passes.
    fn delay(fault: &Fault) -> u64 {
        match fault {
            Fault::Delay { ms } => *ms,
            Fault::Pass => 0,
            other => panic!("{other:?}"),
        }
    }
}
