//! What may happen next, and what it does.

use crate::Without;
use crate::node::Doing;
use crate::server::Acquired;
use crate::state::State;

/// The number is the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A node asks for the key again: it has nothing nearby, or something stale.
    Ask(usize),
    Get(usize),
    /// The answer to GET arrives and is used.
    Use(usize),
    Acquire(usize),
    /// The origin answers who leads.
    OriginAnswers(usize),
    Commit(usize),
    Release(usize),
    /// A lease comes near its end.
    Lapse,
    Renew(usize),
    Expire,
    /// A message arrives.
    Message(usize),
    LoseMessage(usize),
    /// Who waits looks for itself.
    Poll(usize),
    OriginChanges,
    Purge,
    Xadd,
    /// An entry of the log arrives.
    Hear(usize),
    LoseLog(usize),
    ReadLogAgain(usize),
    TrimLog,
    Crash(usize),
}

pub(crate) fn possible(without: Without, state: &State, steps: &mut Vec<Step>) {
    of_the_server(without, state, steps);
    for number in 0..state.nodes.len() {
        if state.nodes[number].doing != Doing::Crashed {
            of_a_question(without, state, number, steps);
            of_a_node(state, number, steps);
        }
    }
}

fn of_the_server(without: Without, state: &State, steps: &mut Vec<Step>) {
    let State { server, left, .. } = state;
    if let Some(mutex) = server.mutex {
        let is_orphaned = state.holders() == 0;
        if !mutex.runs_out && (is_orphaned || left.lapses > 0) {
            steps.push(Step::Lapse);
        }
        if mutex.runs_out && without != Without::Expiry {
            steps.push(Step::Expire);
        }
    }
    if left.changes > 0 {
        steps.push(Step::OriginChanges);
    }
    let first_then = match without {
        Without::PurgeBeforeTheLog => [Step::Xadd, Step::Purge],
        _ => [Step::Purge, Step::Xadd],
    };
    match server.purging {
        None if left.purges > 0 => steps.push(first_then[0]),
        Some(_) => steps.push(first_then[1]),
        None => {}
    }
    if left.trims > 0 && server.trimmed < server.end() {
        steps.push(Step::TrimLog);
    }
}

fn of_a_question(without: Without, state: &State, number: usize, steps: &mut Vec<Step>) {
    let State { server, left, .. } = state;
    match &state.nodes[number].doing {
        Doing::Nothing if state.nodes[number].questions > 0 => steps.push(Step::Ask(number)),
        Doing::Nothing | Doing::Crashed => {}
        Doing::Ask => steps.push(Step::Get(number)),
        Doing::Got { value: None, .. } => steps.push(Step::Acquire(number)),
        Doing::Got { value: Some(_), .. } => {
            steps.push(Step::Use(number));
            if left.refreshes > 0 {
                steps.push(Step::Acquire(number));
            }
        }
        Doing::Lead { token, value, .. } => {
            steps.push(match value {
                None => Step::OriginAnswers(number),
                Some(_) => Step::Commit(number),
            });
            if left.failures > 0 {
                steps.push(Step::Release(number));
            }
            let runs_out = server.mutex.is_some_and(|mutex| mutex.runs_out);
            if server.holds(*token) && runs_out {
                steps.push(Step::Renew(number));
            }
        }
        Doing::Wait { token, is_told } => {
            if *is_told {
                steps.extend([Step::Message(number), Step::LoseMessage(number)]);
            }
            // Looking while nothing is new leads back to where it was: left out, so that nothing goes round in circles.
            let is_new = server.value.is_some() || !server.holds(*token);
            if is_new && without != Without::Poll {
                steps.push(Step::Poll(number));
            }
        }
    }
}

fn of_a_node(state: &State, number: usize, steps: &mut Vec<Step>) {
    let node = &state.nodes[number];
    if !node.is_connected {
        steps.push(Step::ReadLogAgain(number));
    } else {
        if node.read < state.server.end() {
            steps.push(Step::Hear(number));
        }
        if state.left.losses > 0 {
            steps.push(Step::LoseLog(number));
        }
    }
    if state.left.crashes > 0 {
        steps.push(Step::Crash(number));
    }
}

pub(crate) fn take(without: Without, state: &mut State, step: Step) {
    match step {
        Step::Ask(number) => {
            let node = &mut state.nodes[number];
            node.questions -= 1;
            node.doing = Doing::Ask;
        }
        Step::Get(number) => get(state, number),
        Step::Use(number) => use_answer(without, state, number),
        Step::Acquire(number) => acquire(state, number),
        Step::OriginAnswers(number) => origin_answers(state, number),
        Step::Commit(number) => commit(without, state, number),
        Step::Release(number) => release(state, number),
        Step::Message(number) | Step::Poll(number) => state.nodes[number].doing = Doing::Ask,
        Step::LoseMessage(number) => lose_message(state, number),
        Step::Hear(number) => state.nodes[number].hear(),
        Step::LoseLog(number) => {
            state.left.losses -= 1;
            state.nodes[number].is_connected = false;
        }
        Step::ReadLogAgain(number) => read_log_again(without, state, number),
        Step::Crash(number) => {
            state.left.crashes -= 1;
            state.nodes[number].crash();
        }
        Step::Renew(_) => state.server.renew(),
        Step::Lapse | Step::Expire | Step::OriginChanges | Step::TrimLog => pass_time(state, step),
        Step::Purge | Step::Xadd => purge(without, state, step),
    }
}

fn get(state: &mut State, number: usize) {
    let node = &mut state.nodes[number];
    node.doing = Doing::Got {
        value: state.server.value,
        epoch: node.epoch(),
    };
}

fn use_answer(without: Without, state: &mut State, number: usize) {
    let node = &mut state.nodes[number];
    if let Doing::Got {
        value: Some(value),
        epoch,
    } = node.doing
    {
        node.fill(without, value.origin, epoch);
        node.answer();
    }
}

fn acquire(state: &mut State, number: usize) {
    let node = &mut state.nodes[number];
    let Doing::Got { value, .. } = node.doing else {
        return;
    };
    if value.is_some() {
        state.left.refreshes -= 1;
    }
    match state.server.acquire(value.map(|value| value.version)) {
        Acquired::Newer => node.doing = Doing::Ask,
        Acquired::Lead(token) => {
            node.doing = Doing::Lead {
                token,
                value: None,
                epoch: node.epoch(),
            };
        }
        // Who has a stale value serves it and does not wait.
        Acquired::Wait(_) if value.is_some() => node.answer(),
        Acquired::Wait(token) => {
            node.doing = Doing::Wait {
                token,
                is_told: false,
            };
        }
    }
}

fn origin_answers(state: &mut State, number: usize) {
    if let Doing::Lead { value, .. } = &mut state.nodes[number].doing {
        *value = Some(state.origin);
    }
}

/// Stored or refused, who asked this node gets what the origin said, and the node keeps it nearby if it may.
fn commit(without: Without, state: &mut State, number: usize) {
    let node = &mut state.nodes[number];
    let Doing::Lead {
        token,
        value: Some(value),
        epoch,
    } = node.doing
    else {
        return;
    };
    node.fill(without, value, epoch);
    node.answer();
    if state.server.commit(without, token, value) {
        state.publish();
    }
}

fn release(state: &mut State, number: usize) {
    let node = &mut state.nodes[number];
    if let Some(token) = node.token() {
        state.left.failures -= 1;
        node.answer();
        if state.server.release(token) {
            state.publish();
        }
    }
}

fn lose_message(state: &mut State, number: usize) {
    if let Doing::Wait { is_told, .. } = &mut state.nodes[number].doing {
        *is_told = false;
    }
}

/// Replays what was missed, or clears where that is no longer there.
fn read_log_again(without: Without, state: &mut State, number: usize) {
    let node = &mut state.nodes[number];
    let missed = state.server.end() > node.read;
    let is_there = state.server.trimmed <= node.read;
    let tells = match is_there {
        true => without != Without::Replay,
        false => without != Without::Clearing,
    };
    if missed && tells {
        node.near = None;
    }
    node.read = state.server.end();
    node.is_connected = true;
}

fn pass_time(state: &mut State, step: Step) {
    let is_orphaned = state.holders() == 0;
    let State { server, left, .. } = state;
    match step {
        Step::Lapse => {
            if !is_orphaned {
                left.lapses -= 1;
            }
            if let Some(mutex) = &mut server.mutex {
                mutex.runs_out = true;
            }
        }
        Step::Expire => server.mutex = None,
        Step::OriginChanges => {
            left.changes -= 1;
            state.origin += 1;
        }
        _ => {
            left.trims -= 1;
            server.trimmed = server.end();
        }
    }
}

/// A purge is two steps on the server, and done after the second.
fn purge(without: Without, state: &mut State, step: Step) {
    let begun = state.server.purging.take();
    if begun.is_none() {
        state.left.purges -= 1;
        state.server.purging = Some(state.origin);
    }
    let origin = begun.unwrap_or(state.origin);
    match step {
        Step::Purge => {
            state.server.purge(without, origin);
            state.publish();
        }
        _ => state.server.xadd(origin),
    }
}
